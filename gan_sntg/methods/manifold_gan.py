"""Manifold-regularised FM-GAN + SNTG: D changes little along G's tangents (Lecouat, Foo et al. 2018)."""

from typing import Literal

import torch
from torch.nn.functional import normalize

from gan_sntg.data.loader import Batch
from gan_sntg.errors import InputError
from gan_sntg.losses import LogitChange
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.training.meter import Terms


class ManifoldGAN(FeatureMatchingGAN):
    """FM-GAN, and the change of D's logits from G(z) to G(z) + epsilon unit(G(z + eta u) - G(z)).

    u: a random unit vector. `ambient`, the control: from x to x + epsilon unit(noise). Defaults are the source's for CIFAR-10. As there,
    D draws noise for each end; not as there, z are drawn anew, by a generator of their own: weight 0 is FM-GAN, bit for bit.
    """

    purposes = (*FeatureMatchingGAN.purposes, "manifold")

    def __init__(
        self,
        manifold_weight: float = 1e-3,
        epsilon: float = 20.0,
        eta: float = 1.0,
        direction: Literal["tangent", "ambient"] = "tangent",
        change: LogitChange = LogitChange.absolute,
        **kwargs,
    ):
        """manifold_weight: of the term; epsilon: norm of the step over a whole image.

        eta: norm of the step in z; direction: tangent to G's images, or ambient, the control; change: of logits, absolute or squared.
        Raises InputError out of range.
        """
        super().__init__(**kwargs)
        if not (0 <= manifold_weight < float("inf") and 0 < epsilon < float("inf") and 0 < eta < float("inf")):
            raise InputError(f"manifold_weight {manifold_weight:g}, epsilon {epsilon:g}, eta {eta:g}: give 0 or more, and steps above 0")
        self.manifold_weight, self.epsilon, self.eta, self.direction, self.change = manifold_weight, epsilon, eta, direction, change

    def weights(self) -> dict[str, float]:
        """FM-GAN's, and that of the manifold term."""
        return super().weights() | {"d/manifold": self.manifold_weight}

    def discriminator_terms(self, batch: Batch, t: int) -> Terms:
        """FM-GAN's, and the weighted change of D's logits; images are constants."""
        terms = super().discriminator_terms(batch, t)
        if not self.manifold_weight:
            return terms
        _, logits = self.discriminate(torch.cat(self.ends(batch.view("unlabeled").x, self.generators["manifold"])))
        return terms | {"d/manifold": self.manifold_weight * self.change(*logits.chunk(2))}

    @torch.no_grad()
    def ends(self, x: torch.Tensor, draws: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Real images x [B, C, H, W], or G's of one batch, and the same a step away, not clipped."""
        if self.direction == "ambient":
            near = x + torch.randn(x.shape, generator=draws, device=x.device, dtype=x.dtype)
        else:
            z = self.draw_z(len(x), draws)
            u = normalize(torch.randn(z.shape, generator=draws, device=z.device, dtype=z.dtype))
            x, near = self.execution(self.generator, torch.cat([z, z + self.eta * u]), None).chunk(2)
        return x, x + self.epsilon * normalize((near - x).flatten(1)).view_as(x)
