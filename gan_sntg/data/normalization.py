"""Normalizations and their inverses: scalings, per-image contrast, and ZCA in three variants."""

from abc import ABC, abstractmethod

import torch
from einops import rearrange
from torch import Tensor

from gan_sntg.configurable import Configurable
from gan_sntg.errors import InputError
from gan_sntg.files.array_files import cached, key_of
from gan_sntg.pictures.pixels import BYTES, PixelFormat


class Normalization(Configurable, ABC):
    """Map of images to floats and back: `fit(train_x)` once, then `normalize(x)` and `images(x)`.

    All are of the images' levels, 0 where they are black and 255 where they are white, which `pixels` says.
    """

    statistics: tuple[str, ...] = ()  # names of the tensors that `fit` sets
    device = torch.device("cpu")  # of the run
    pixels: PixelFormat = BYTES  # of the data

    def check(self, x: Tensor) -> None:
        """Raise InputError unless x are images of the depth that `pixels` says."""
        if x.dim() != 4:
            raise InputError(f"{type(self).__name__} maps images, but the data are points; choose gan_sntg.data.AsIs")
        if (kind := str(x.dtype).removeprefix("torch.")) != self.pixels.dtype:
            raise InputError(
                f"the images are {kind}, but `pixels` of their data set says {self.pixels.dtype}; set it to the PixelFormat they have"
            )

    def fit(self, x: Tensor) -> None:
        """Learn the statistics of the training images [N, C, H, W], if any."""

    def key(self, kind: str, x: Tensor) -> str:
        """Name in the cache of what is made of the levels of images x."""
        return key_of(kind if self.pixels.plain else f"{kind} {self.pixels}", x)

    def levels(self, x: Tensor) -> Tensor:
        """Images of the data, or levels themselves, in bytes -> float32 levels."""
        return self.pixels.levels(x)

    def shape(self, image_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of what networks see of an image [C, H, W]: its own, but for features."""
        return image_shape

    def prepare(self, x: Tensor, keep: bool = True) -> Tensor:
        """What batches of x [N, ...] are made of: x, but for features, of which keep: in the cache."""
        return x

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """Images [B, C, H, W], or what `prepare` made of them -> float32 [B, *shape]."""

    def resumed(self, found: dict[str, Tensor]) -> None:
        """Raise InputError where a run was begun with statistics that these cannot go on with."""

    def images(self, x: Tensor) -> Tensor:
        """Inverse, rounded and clipped to the data's depth, without gradient. Raises InputError as `undone`."""
        return self.pixels.pixels(self.undone(x))

    def undone(self, x: Tensor) -> Tensor:
        """Levels of normalised images [B, C, H, W]. Raises InputError where there is no way back."""
        what = f"{type(self).__name__} cannot be undone, so that no image can be made of what a generator draws"
        raise InputError(f"{what}; with a generator choose UnitRange, Symmetric or ZCA, or, on features, FeatureGenerator")


class UnitRange(Normalization):
    """x / 255, in [0, 1]: the scaling of MNIST (reference 1.2, 5)."""

    def __call__(self, x: Tensor) -> Tensor:
        """0..255 -> 0..1."""
        return self.levels(x) / 255

    def undone(self, x: Tensor) -> Tensor:
        """0..1 -> 0..255."""
        return x * 255


class Symmetric(Normalization):
    """(x - 127.5) / divisor: 127.5 for SVHN, 128 for the Improved GAN on CIFAR-10 (reference 5)."""

    def __init__(self, divisor: float = 127.5):
        """divisor: of the pixels less 127.5."""
        if not divisor > 0:
            raise InputError(f"the divisor of Symmetric is {divisor}; give a positive number, such as 127.5")
        self.divisor = divisor

    def __call__(self, x: Tensor) -> Tensor:
        """0..255 -> about -1..1."""
        return (self.levels(x) - 127.5) / self.divisor

    def undone(self, x: Tensor) -> Tensor:
        """About -1..1 -> 0..255."""
        return x * self.divisor + 127.5


class PerImage(Normalization):
    """(x - mean) / RMS(x - mean) over pixels and channels; 0 for one value, no epsilon (reference 1.2)."""

    def __call__(self, x: Tensor) -> Tensor:
        """0..255 -> mean 0 and mean square 1."""
        x = centered(self.levels(x))
        rms = x.square().mean((1, 2, 3), keepdim=True).sqrt()
        return x / rms.where(rms > 0, 1)


class AsIs(Normalization):
    """Identity, for points whose coordinates are standardised already."""

    def check(self, x: Tensor) -> None:
        """Raise InputError unless x are points, float [N, D]."""
        if not x.is_floating_point() or x.dim() != 2:
            raise InputError(f"AsIs maps points, but the data are images ({x.dtype} {[*x.shape[1:]]}); choose UnitRange, Symmetric or ZCA")

    def __call__(self, x: Tensor) -> Tensor:
        """float [B, D], unchanged. Raises InputError for images."""
        self.check(x)
        return x

    def undone(self, x: Tensor) -> Tensor:
        """Raise InputError, as no image can be made of a point."""
        raise InputError("points are not images, so that none can be drawn; choose FeatureGenerator, or a method without a generator")


def centered(x: Tensor) -> Tensor:
    """Levels [B, C, H, W], less each image's own mean; exactly 0 for an image of one value."""
    return x - x.mean((1, 2, 3), keepdim=True)


class Contrast(Normalization):
    """55 (x - mean) / |x - mean| over all values of an image; an image of one value becomes 0."""

    def __call__(self, x: Tensor) -> Tensor:
        """0..255 -> mean 0 and norm 55."""
        x = centered(self.levels(x))
        norm = torch.linalg.vector_norm(x, dim=(1, 2, 3), keepdim=True)
        return 55 * x / norm.where(norm > 0, 1)


BLOCK = 1000  # images whose float64 copies are held at once while fitting
LARGE = 1000  # values of an image from which on statistics are cached (half a minute for CIFAR-10)


class Whitening(Normalization):
    """(s(x) - mean) U diag(gain(S)) U^T, with U diag(S) U^T the covariance (by N) of the s(x)."""

    statistics = ("mean", "matrix", "inverse")  # fitted in float64, float32 in use
    scaling: Normalization  # s

    @abstractmethod
    def gain(self, spectrum: Tensor) -> Tensor:
        """Factor of each direction; spectrum [D]: S, the variances along them."""

    def fit(self, x: Tensor) -> None:
        """Fit x, or recall large statistics. Raises InputError where x varies in too few directions."""
        d = x[0].numel()
        shapes = {"mean": (d,), "matrix": (d, d), "inverse": (d, d)}
        found = cached(self.key(type(self).__name__, x), shapes, lambda: self._found(x)) if d >= LARGE else self._found(x)
        self.mean, self.matrix, self.inverse = (found[name] for name in self.statistics)

    def _found(self, x: Tensor) -> dict[str, Tensor]:
        d = x[0].numel()
        mean, covariance = torch.zeros(d, dtype=torch.float64), torch.zeros(d, d, dtype=torch.float64)
        for block in x.split(BLOCK):
            mean += self._rows(block).double().sum(0) / len(x)
        for block in x.split(BLOCK):
            rows = self._rows(block).double() - mean
            covariance.addmm_(rows.T, rows, alpha=1 / len(x))
        spectrum, directions = torch.linalg.eigh(covariance)
        flat = spectrum[0] <= spectrum[-1] * d * torch.finfo(torch.float64).eps
        if flat and self.gain(torch.zeros(1)).isinf():
            why = f"the {len(x)} training images do not vary along some of their {d} (too few images, or pixels that never change)"
            what = f"{type(self).__name__} divides by the deviation along every direction, but {why}"
            raise InputError(f"{what}; choose ZCA, which is regularised")
        gain = self.gain(spectrum.clamp_min(0))
        matrix, inverse = directions * gain @ directions.T, directions / gain @ directions.T
        return {"mean": mean.float(), "matrix": matrix.float(), "inverse": inverse.float()}

    def _rows(self, x: Tensor) -> Tensor:
        return rearrange(self.scaling(self.levels(x)), "n c h w -> n (c h w)")

    def __call__(self, x: Tensor) -> Tensor:
        """Images [B, C, H, W] -> whitened float32 of the same shape."""
        self._move(x.device)
        return ((self._rows(x) - self.mean) @ self.matrix).view(x.shape)

    def undone(self, x: Tensor) -> Tensor:
        """Levels of whitened images [B, C, H, W]. Raises InputError where the scaling has no way back."""
        self._move(x.device)
        rows = rearrange(x.detach().float(), "b c h w -> b (c h w)")
        return self.scaling.undone((rows @ self.inverse + self.mean).view(x.shape))

    def _move(self, device: torch.device) -> None:
        """Move the statistics to the device of the images."""
        if not hasattr(self, "mean"):
            raise RuntimeError(f"{type(self).__name__} is used before `fit`")
        if self.mean.device != device:
            self.mean, self.matrix, self.inverse = (tensor.to(device) for tensor in (self.mean, self.matrix, self.inverse))


class ZCA(Whitening):
    """On x / 255, gain 1 / sqrt(S + 1e-5): CIFAR of SNTG, Pi and TempEns (reference 1.2)."""

    scaling = UnitRange()

    def gain(self, spectrum: Tensor) -> Tensor:
        """The epsilon stands inside the root: directions of a variance far below 1e-5 stay small."""
        return (spectrum + 1e-5).rsqrt()


class SymmetricZCA(ZCA):
    """On (x - 127.5) / 128, gain 1 / sqrt(S + 1e-5): CIFAR-10 of Triple-GAN's classifier."""

    scaling = Symmetric(128)


class UnregularizedZCA(Whitening):
    """On (x - 127.5) / 255, gain 1 / sqrt(S) + 1e-6: CIFAR-10 of VAT (reference 4), covariance I."""

    scaling = Symmetric(255)

    def gain(self, spectrum: Tensor) -> Tensor:
        """1e-6 is added to the reciprocal as in the source, where it regularises nothing."""
        return spectrum.rsqrt() + 1e-6


class ContrastZCA(Whitening):
    """On `Contrast`, gain 1 / sqrt(S + 0.1): CIFAR-10 of Mean Teacher (reference 3)."""

    scaling = Contrast()
    undone = Normalization.undone  # refused: each image's own mean and contrast are lost

    def gain(self, spectrum: Tensor) -> Tensor:
        """0.1 is added to the covariance's diagonal."""
        return (spectrum + 0.1).rsqrt()
