"""Frozen log densities of images, by which Bad GAN's generator is kept where images are rare."""

from abc import ABC, abstractmethod
from math import log, pi

import torch
from einops import rearrange
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from gan_sntg.configurable import Configurable
from gan_sntg.errors import InputError
from gan_sntg.files.array_files import cached, key_of
from gan_sntg.rng import purpose_generator

LOG_2PI = log(2 * pi)
BLOCK = 1000  # images whose densities are computed at once


class Density(Configurable, nn.Module, ABC):
    """log p(x) of images and the threshold below which they are rare; no part of it is trained.

    threshold, spread: scalar buffers that `calibrate` sets; what depends on data is in buffers, which a resumed run is given back.
    Parameters of a network of one's own should not require gradients.
    """

    threshold: Tensor
    spread: Tensor  # the unit of log p in which an excess over the threshold is weighed

    def __init__(self, quantile: float = 0.1):
        """quantile: share of the pool's images below the threshold (source: 0.1). Raises InputError."""
        super().__init__()
        if not 0 <= quantile < 1:
            raise InputError(f"quantile is {quantile}; give the share of images below the threshold, from 0 up to, not including, 1")
        self.quantile = quantile

    @abstractmethod
    def log_density(self, images: Tensor) -> Tensor:
        """log p [B] in nats of images [B, C, H, W] in the range that D sees; differentiable in them."""

    def prepare(self, images: Tensor) -> None:
        """Fit to images [U, C, H, W] of the unlabelled pool, then `calibrate`."""
        self.calibrate(images)

    @torch.no_grad()
    def calibrate(self, images: Tensor) -> None:
        """threshold: the quantile of log p over images; spread: between its 10 % and 90 % quantiles."""
        log_p = torch.cat([self.log_density(block) for block in images.split(BLOCK)]).double()
        threshold, low, high = log_p.quantile(log_p.new_tensor([self.quantile, 0.1, 0.9])).to(images.dtype)
        self.register_buffer("threshold", threshold)
        self.register_buffer("spread", high - low)


class MixtureDensity(Density):
    """A mixture of full Gaussians in the principal directions of images, times one Gaussian of the rest.

    log p(x) = logsumexp_k [log pi_k + log N(u; mu_k, Sigma_k)] + log N(r; 0, s^2 I), u: x in the first `directions` principal directions,
    r: what they leave of x. Fitted by scikit-learn's EM; all covariances with `ridge` on the diagonal. An assumption of ours, in place of
    the PixelCNN++ of Dai et al. 2017, whose weights were not published.
    """

    center: Tensor
    basis: Tensor
    rest: Tensor
    log_weights: Tensor
    means: Tensor
    roots: Tensor

    def __init__(
        self, components: int = 20, directions: int | None = None, ridge: float = 1e-2, most_images: int = 10_000, quantile: float = 0.1
    ):
        """Choose the mixture, and the images that it is fitted to.

        components: Gaussians of the mixture.
        directions: principal directions that they are in; null: all.
        ridge: added to the diagonals of covariances.
        most_images: drawn of larger pools to fit it.
        quantile: share of the pool's images below the threshold.

        Raises InputError.
        """
        super().__init__(quantile)
        if components < 1 or (directions is not None and directions < 1) or not ridge > 0 or most_images < components:
            raise InputError(
                f"MixtureDensity has components {components}, directions {directions}, ridge {ridge:g} and most_images {most_images}; give "
                "at least 1 component and direction, a ridge above 0, and as many images as components"
            )
        self.components, self.directions, self.ridge, self.most_images = components, directions, ridge, most_images

    def prepare(self, images: Tensor) -> None:
        """Fit, or recall the same fit, and `calibrate` on all. Raises InputError for too few images."""
        chosen = torch.randperm(len(images), generator=purpose_generator(0, "density"))[: self.most_images]
        x = rearrange(images[chosen.to(images.device)].cpu(), "n c h w -> n (c h w)")
        if len(x) < self.components:
            raise InputError(f"{self.components} components cannot be fitted to {len(x)} images; give fewer components")
        k, d = self.components, x.shape[1]
        u = min(self.directions or d, d)
        shapes = {"center": (d,), "basis": (d, u), "rest": (), "log_weights": (k,), "means": (k, u), "roots": (k, u, u)}
        fit = cached(key_of(f"MixtureDensity-{k}-{u}-{self.ridge}", x), shapes, lambda: self.fitted(x.double(), u))
        for name, tensor in fit.items():
            self.register_buffer(name, tensor.to(images))
        self.calibrate(images)

    def fitted(self, x: Tensor, directions: int) -> dict[str, Tensor]:
        """Buffers of the density of x, float64 [N, D]; roots: of inverse covariances, as scikit-learn's."""
        from sklearn.mixture import GaussianMixture  # noqa: PLC0415  a fifth of a command's start

        center = x.mean(0)
        spectrum, vectors = torch.linalg.eigh((x - center).T @ (x - center) / len(x))
        basis, rest = vectors[:, -directions:], spectrum[:-directions]
        with threadpool_limits(torch.get_num_threads()):
            fit = GaussianMixture(self.components, reg_covar=self.ridge, random_state=0).fit(((x - center) @ basis).numpy())
        mixture = {"log_weights": fit.weights_, "means": fit.means_, "roots": fit.precisions_cholesky_}
        found = {name: torch.from_numpy(value) for name, value in mixture.items()}
        found["log_weights"] = found["log_weights"].log()
        variance = (rest.mean() if len(rest) else spectrum.new_zeros(())) + self.ridge
        return {name: t.float() for name, t in (found | {"center": center, "basis": basis, "rest": variance}).items()}

    def log_density(self, images: Tensor) -> Tensor:
        """log p [B], in float32 at the least under any precision of training."""
        with torch.autocast(images.device.type, enabled=False):
            x = rearrange(images.to(self.center.dtype), "b c h w -> b (c h w)") - self.center
            u = x @ self.basis
            left = x.shape[1] - u.shape[1]
            rest = (x.square().sum(1) - u.square().sum(1)) / self.rest + left * (self.rest.log() + LOG_2PI) if left else 0.0
            whitened = torch.einsum("bku,kuv->bkv", u.unsqueeze(1) - self.means, self.roots)
            log_roots = self.roots.diagonal(dim1=1, dim2=2).log().sum(1)
            of_component = log_roots - 0.5 * (whitened.square().sum(2) + u.shape[1] * LOG_2PI)
            return torch.logsumexp(self.log_weights + of_component, 1) - 0.5 * rest
