"""Small Ladder networks as methods, away from their start, and which parameters a term reaches."""

import torch

from discriminative import Ladder
from gan_sntg.data.loader import Batch
from gan_sntg.graph import SNTG, AllPairs
from gan_sntg.networks.ladder import DenseLadder
from gan_sntg.schedules import LinearTail
from helpers.method_factories import prepared

FULL, TOP = (1000.0, 10.0, 0.1, 0.1), (0.5,)


def network(weights=FULL, noise: float = 0.3, seed: int = 0) -> DenseLadder:
    torch.manual_seed(seed)
    return DenseLadder((1, 4, 4), 3, widths=(12, 8), noise=noise, decoder="top" if len(weights) == 1 else "full")


def ladder(weights=FULL, noise: float = 0.3, seed: int = 0, sntg: float = 0.5, **options) -> Ladder:
    options = {"schedule": LinearTail(beta1=0.9), "learning_rate": 2e-3, "average_decay": 0.9} | options
    return Ladder(network(weights, noise, seed), weights, sntg=SNTG(sntg, pairing=AllPairs()), **options)


def made_random(method: Ladder) -> Ladder:
    """Every parameter moved away from its start, where most of the decoder has no gradient."""
    for p in method.net.parameters():
        p.data += 0.3 * torch.randn_like(p)
    return method


def case(weights=FULL, noise: float = 0.0, **options) -> tuple[Ladder, Batch]:
    """A method in float64 away from its start, and a batch."""
    method = ladder(weights, noise, **options)
    batch = next(prepared(method, dtype=torch.float64).epoch())
    return made_random(method), batch


def reached(method: Ladder, value: torch.Tensor) -> dict[str, torch.Tensor]:
    """Gradients of a term by parameter, those that are not 0 throughout."""
    named = dict(method.net.named_parameters())
    grads = torch.autograd.grad(value, list(named.values()), allow_unused=True, retain_graph=True)
    return {name: grad for name, grad in zip(named, grads, strict=True) if grad is not None and grad.any()}
