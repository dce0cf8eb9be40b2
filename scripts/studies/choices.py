"""Choices of SNTG that were tried on digits, by the grids beside this file (docs/sntg.md)."""
# ruff: noqa: D102

import torch
from torch import Tensor

from gan_sntg.data import Batch, Digits
from gan_sntg.methods import FeatureMatchingGAN
from gan_sntg.networks import DenseDiscriminator
from gan_sntg.training import Terms


class RatioGAN(FeatureMatchingGAN):
    """R_S so weighted that its gradient on h has `share` of the norm of the GAN's (float32)."""

    def __init__(self, share: float = 0.1, **kwargs):
        super().__init__(**kwargs)
        self.share = share

    def discriminate(self, x: Tensor) -> tuple[Tensor, Tensor]:
        self.h, logits = super().discriminate(x)
        return self.h, logits

    def discriminator_terms(self, batch: Batch, t: int) -> Terms:
        terms = super().discriminator_terms(batch, t)
        if "d/graph" in terms and self.h.requires_grad:
            gan = sum(value for name, value in terms.items() if name != "d/graph")
            a, b = (torch.autograd.grad(term, self.h, retain_graph=True)[0].norm() for term in (gan, terms["d/graph"]))
            terms["d/graph"] *= self.share * self.sntg.weight_at(t) / self.sntg.weight * a / b.clamp(min=1e-12)
        return terms


class TwoLayers(DenseDiscriminator):
    """The dense D, which keeps its last hidden layer but one as `other`."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = x.flatten(1)
        for layer, noise in zip(self.hidden, self.noise, strict=False):
            self.other, h = h, torch.relu(layer(noise(h)))
        return h, self.out(self.noise[-1](h))


class LayersGAN(FeatureMatchingGAN):
    """The graph on the last hidden layer and matching on that before it, or (`swapped`) the other way."""

    def __init__(self, swapped: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.swapped, self.matches = swapped, False

    def discriminate(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h, logits = super().discriminate(x)
        return self.discriminator.other if self.matches != self.swapped else h, logits

    def generator_terms(self, batch: Batch, t: int) -> Terms:
        self.matches = True
        terms = super().generator_terms(batch, t)
        self.matches = False
        return terms


class AgreeingGAN(FeatureMatchingGAN):
    """SNTG ramps up over 50 epochs once teacher and student agree on a share `level` of images."""

    def __init__(self, level: float = 0.9, **kwargs):
        super().__init__(**kwargs)
        self.level = level
        self.register_buffer("agreement", torch.zeros(()))
        self.register_buffer("since", torch.full((), torch.inf))

    def graph_term(self, views: list[tuple], t: int) -> Terms:
        view, _, logits = views[0]
        targets = self.teacher.targets(self.discriminator, view, logits, self.generators["graph"])
        self.agreement.lerp_((targets.argmax(1) == logits.argmax(1)).float().mean(), 0.01)
        if self.agreement >= self.level and self.since.isinf():
            self.since.fill_(float(t))
        factor = float(((t - self.since) / 50).clamp(0, 1)) if self.since.isfinite() else 0.0
        return {name: factor * value for name, value in super().graph_term(views, t).items()}


class FewerThrees(Digits):
    """Digits without every second training image of a 3; validation and test images stay."""

    def __init__(self):
        super().__init__()
        held = torch.zeros(len(self.train_y), dtype=torch.bool)
        held[self.validation] = True
        kept = torch.ones_like(held)
        kept[((self.train_y == 3) & ~held).nonzero()[1::2]] = False
        self.train_x, self.train_y, self.validation = self.train_x[kept], self.train_y[kept], held[kept].nonzero().squeeze(1)
