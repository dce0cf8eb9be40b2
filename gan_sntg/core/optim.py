"""How are parameters updated? Adam with epsilon inside the root, as the Improved GAN's code has it."""

from enum import Enum, member
from functools import partial
from math import sqrt

import torch
from torch import nn


class AdamInside(torch.optim.Optimizer):
    """p <- p - lr m^ / sqrt(v^ + eps), m^ and v^ bias-corrected (reference 5).

    With eps = 1e-8 inside the root it damps like 1e-4 outside: not the same as `torch.optim.Adam` where gradients are small.
    """

    def __init__(self, params, lr: float, betas: tuple[float, float] = (0.5, 0.999), eps: float = 1e-8):
        """params: parameters or groups; those that do not require gradients are left out by the caller."""
        super().__init__(params, {"lr": lr, "betas": tuple(betas), "eps": eps})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                self._update(group, params)

    def _update(self, group: dict, params: list[nn.Parameter]) -> None:
        for p in params:
            if not self.state[p]:
                self.state[p] = {"step": 0, "m": torch.zeros_like(p), "v": torch.zeros_like(p)}
            self.state[p]["step"] += 1
        states = [self.state[p] for p in params]
        grads = [p.grad for p in params]
        m, v = [s["m"] for s in states], [s["v"] for s in states]
        b1, b2 = group["betas"]
        torch._foreach_lerp_(m, grads, 1 - b1)
        torch._foreach_mul_(v, b2)
        torch._foreach_addcmul_(v, grads, grads, 1 - b2)
        corrections = [1 - b2 ** s["step"] for s in states]  # of v, multiplied out of the root: two passes over memory less
        roots = torch._foreach_add(v, [group["eps"] * c for c in corrections])
        torch._foreach_sqrt_(roots)
        rates = [-group["lr"] * sqrt(c) / (1 - b1 ** s["step"]) for c, s in zip(corrections, states, strict=True)]
        torch._foreach_addcdiv_(params, m, roots, rates)


def trainable(*nets: nn.Module) -> list[nn.Parameter]:
    """The parameters of the nets that require gradients."""
    return [p for net in nets for p in net.parameters() if p.requires_grad]


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float, betas: tuple[float, float] | None = None) -> None:
    """Give every parameter group the learning rate `lr`, and the betas where they are given."""
    for group in optimizer.param_groups:
        group["lr"] = lr
        if betas:
            group["betas"] = betas


class Adam(Enum):
    """Where Adam's epsilon stands: `outside` the root (1e-8, torch's own, as Kingma and Ba have it) or `inside` (`AdamInside`)."""

    outside = member(partial(torch.optim.Adam, fused=True))
    inside = member(AdamInside)

    def __call__(self, params: list[nn.Parameter], lr: float, betas: tuple[float, float]) -> torch.optim.Optimizer:
        """The optimizer of these parameters."""
        return self.value(params, lr=lr, betas=betas)
