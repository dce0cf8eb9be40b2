"""How do examples become what networks see, and uint8 images come back? Scalings that look at one example at a time."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from gan_sntg.core.errors import InputError


class Normalization(ABC):
    """Maps uint8 images to floats and back: `normalize.fit(train_x)` once, then `normalize(x)` and `normalize.images(x)`."""

    statistics: tuple[str, ...] = ()  # the tensors that `fit` sets, by name: the whole of what it learns

    def check(self, x: Tensor) -> None:
        """Raise InputError unless x is of the kind that this maps: uint8 images."""
        if x.dtype != torch.uint8:
            raise InputError(f"{type(self).__name__} maps uint8 images, but the data are points; choose gan_sntg.core.data.whiten.AsIs")

    def fit(self, x: Tensor) -> None:
        """Learn what there is to learn from the training images, uint8 [N, C, H, W]; most learn nothing."""

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """uint8 [B, C, H, W] -> float32 of the same shape."""

    def images(self, x: Tensor) -> Tensor:
        """The inverse, rounded and clipped: float [B, C, H, W] -> uint8. Raises InputError where there is none."""
        raise InputError(
            f"{type(self).__name__} cannot be undone, so that no image can be made of what a generator draws; for a method with a "
            "generator choose UnitRange, Symmetric or ZCA"
        )


def to_bytes(x: Tensor) -> Tensor:
    """float of 0..255 -> uint8, rounded and clipped, without gradient."""
    return x.detach().clamp(0, 255).round().to(torch.uint8)


class UnitRange(Normalization):
    """x / 255, in [0, 1]: MNIST's scaling (reference 1.2, 5)."""

    def __call__(self, x: Tensor) -> Tensor:
        """0..255 -> 0..1."""
        return x.to(torch.float32) / 255

    def images(self, x: Tensor) -> Tensor:
        """0..1 -> 0..255."""
        return to_bytes(x * 255)


class Symmetric(Normalization):
    """(x - 127.5) / divisor: 127.5 for [-1, 1] (SVHN), 128 as the Improved GAN has it for CIFAR-10 (reference 5)."""

    def __init__(self, divisor: float = 127.5):
        """Raises InputError unless divisor is positive."""
        if not divisor > 0:
            raise InputError(f"the divisor of Symmetric is {divisor}; give a positive number, such as 127.5")
        self.divisor = divisor

    def __call__(self, x: Tensor) -> Tensor:
        """0..255 -> about -1..1."""
        return (x.to(torch.float32) - 127.5) / self.divisor

    def images(self, x: Tensor) -> Tensor:
        """About -1..1 -> 0..255."""
        return to_bytes(x * self.divisor + 127.5)


class PerImage(Normalization):
    """(x - mean) / RMS(x - mean), both over all pixels and channels of the image: SVHN and MNIST for Pi and TempEns (reference 1.2).

    No epsilon; an image of one value becomes 0.
    """

    def __call__(self, x: Tensor) -> Tensor:
        """0..255 -> mean 0 and mean square 1."""
        x = centered(x)
        rms = x.square().mean((1, 2, 3), keepdim=True).sqrt()
        return x / rms.where(rms > 0, 1)


class AsIs(Normalization):
    """Points as they are, for sets whose coordinates are standardised already (core/data/plane)."""

    def check(self, x: Tensor) -> None:
        """Raise InputError unless x are points, float [N, D]."""
        if not x.is_floating_point() or x.dim() != 2:
            kind = f"{x.dtype}, {list(x.shape[1:])}"
            raise InputError(f"AsIs maps points, but the data are images ({kind}); choose UnitRange, Symmetric or ZCA")

    def __call__(self, x: Tensor) -> Tensor:
        """float [B, D], unchanged. Raises InputError for images."""
        self.check(x)
        return x

    def images(self, x: Tensor) -> Tensor:
        """Raises InputError: no image can be made of a point."""
        raise InputError("points of the plane are no images, so that none can be drawn; choose a method without a generator")


def centered(x: Tensor) -> Tensor:
    """uint8 [B, C, H, W] -> float32, less each image's own mean; exactly 0 for an image of one value."""
    x = x.to(torch.float32)
    return x - x.mean((1, 2, 3), keepdim=True)
