"""Optimizers: Adam with epsilon inside or outside the root, and safe loading of their state."""

# pyright: reportPrivateImportUsage=false

import inspect
import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class AdamInside(Optimizer):
    """p <- p - lr m^ / sqrt(v^ + eps), m^ and v^ bias-corrected (reference 5).

    With eps = 1e-8 inside the root it damps like 1e-4 outside: not the same as `torch.optim.Adam` where gradients are small.
    """

    # torch bars its compiler from these, for which it imports the compiler, a quarter of a start's time: here without the bar
    add_param_group, zero_grad = inspect.unwrap(Optimizer.add_param_group), inspect.unwrap(Optimizer.zero_grad)
    state_dict, load_state_dict = inspect.unwrap(Optimizer.state_dict), inspect.unwrap(Optimizer.load_state_dict)

    def __init__(self, params, lr: float, betas: tuple[float, float] = (0.5, 0.999), eps: float = 1e-8):
        """params: parameters or groups; those that do not require gradients are left out by the caller."""
        super().__init__(params, {"lr": lr, "betas": tuple(betas), "eps": eps})

    compiled: Callable | None = None  # `moved`, compiled

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                self._update(group, params)

    def _update(self, group: dict, params: list[Tensor]) -> None:
        for p in params:
            if not self.state[p]:
                self.state[p] = {"step": 0, "m": torch.zeros_like(p), "v": torch.zeros_like(p)}
            self.state[p]["step"] += 1
        states = [self.state[p] for p in params]
        grads = [p.grad for p in params if p.grad is not None]
        m, v = [s["m"] for s in states], [s["v"] for s in states]
        b1, b2 = group["betas"]
        if self.compiled is not None and len({s["step"] for s in states}) == 1:
            correction, rest = (1 - beta ** states[0]["step"] for beta in (b2, b1))
            numbers = [-group["lr"] * math.sqrt(correction) / rest, group["eps"] * correction, 1 - b1, b2, 1 - b2]
            self.compiled(params, grads, m, v, *torch.tensor(numbers, dtype=m[0].dtype, device=m[0].device))
            return
        torch._foreach_lerp_(m, grads, 1 - b1)
        torch._foreach_mul_(v, b2)
        torch._foreach_addcmul_(v, grads, grads, 1 - b2)
        corrections = [1 - b2 ** s["step"] for s in states]  # of v, multiplied out of the root: two passes over memory less
        roots = torch._foreach_add(v, [group["eps"] * c for c in corrections])
        torch._foreach_sqrt_(roots)
        rates = [-group["lr"] * math.sqrt(c) / (1 - b1 ** s["step"]) for c, s in zip(corrections, states, strict=True)]
        torch._foreach_addcdiv_(params, m, roots, rates)


def moved(params: list[Tensor], grads: list[Tensor], m: list[Tensor], v: list[Tensor], *numbers: Tensor) -> None:
    """The update of `AdamInside`, as one program for a compiler.

    numbers: scalars, -lr and eps corrected for bias, 1 - beta1, beta2 and 1 - beta2.
    """
    rate, eps, share, keep, rest = numbers
    for p, grad, mean, square in zip(params, grads, m, v, strict=True):
        mean.lerp_(grad, share)
        square.mul_(keep).add_(rest * grad * grad)
        p.add_(rate * mean / (square + eps).sqrt())


def trainable(*nets: nn.Module) -> list[nn.Parameter]:
    """The parameters of the nets that require gradients."""
    return [p for net in nets for p in net.parameters() if p.requires_grad]


def parameters(optimizer: Optimizer) -> list[Tensor]:
    """All parameters that it updates."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def set_learning_rate(optimizer: Optimizer, lr: float, betas: tuple[float, float] | None = None) -> None:
    """Give every parameter group the learning rate `lr`, and the betas where they are given."""
    for group in optimizer.param_groups:
        group["lr"] = lr
        if betas:
            group["betas"] = betas


AdamEpsilon = Literal["outside_sqrt", "inside_sqrt"]  # torch's own, as Kingma and Ba have it, or `AdamInside`


def adam(params: list[nn.Parameter], lr: float, betas: tuple[float, float], epsilon: AdamEpsilon) -> Optimizer:
    """Adam over these parameters, its epsilon of 1e-8 outside or inside the root."""
    if epsilon == "inside_sqrt":
        return AdamInside(params, lr=lr, betas=betas)
    return torch.optim.Adam(params, lr=lr, betas=betas, fused=True)


KEPT = {AdamInside: ({"step", "m", "v"}, int), torch.optim.Adam: ({"step", "exp_avg", "exp_avg_sq"}, Tensor)}  # of a parameter


def load_optimizer(optimizer: Optimizer, state: dict) -> None:
    """Put a state back. Raises ValueError, or nearly any error, where it cannot be gone on from."""
    made = [{name: x for name, x in group.items() if type(x) in (int, float) and math.isfinite(x)} for group in optimizer.param_groups]
    optimizer.load_state_dict(state)
    for group, before in zip(optimizer.param_groups, made, strict=True):
        if not all(0 <= group[name] < math.inf for name in before) or not all(0 <= beta < 1 for beta in group.get("betas", ())):
            raise ValueError("an optimizer's rate, betas or other numbers are out of range")
    names, kind = KEPT.get(type(optimizer), (set().union(*optimizer.state.values()), object))
    for parameter, kept in optimizer.state.items():
        moments = {name: value for name, value in kept.items() if name != "step" and value is not None}
        counted = isinstance(step := kept.get("step", 0), kind) and 0 <= float(step) < 2**63
        if set(kept) != names or not counted or any(torch.as_tensor(m).shape != parameter.shape for m in moments.values()):
            raise ValueError(f"an optimizer's state is not steps and moments of its parameter's shape {list(parameter.shape)}")
        check_finite("an optimizer", moments)


def check_finite(whose: str, tensors: dict[str, Tensor]) -> None:
    """Raise ValueError with the name of a tensor that holds NaN or an infinity."""
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise ValueError(f"{name} of {whose} is not finite")
