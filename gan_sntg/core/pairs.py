"""Which pairs of a batch are there (Sec. 4.3)? Disjoint ones, a random sample, or all."""

import torch
from torch import Tensor

from gan_sntg.core.errors import InputError

Pairs = tuple[Tensor, Tensor]


def halves(n: int, device: torch.device | str | None = None) -> Pairs:
    """Example i of the first half with example i of the second: n/2 disjoint pairs, as in the authors' code.

    Only right on a shuffled batch. Raises InputError if n is odd or 0.
    """
    if n % 2 or n < 2:
        raise InputError(f"halves pairs the two halves of a batch, but got {n} examples; use an even batch size or another pairing")
    i = torch.arange(n // 2, device=device)
    return i, i + n // 2


def sampled(n: int, s: int, generator: torch.Generator) -> Pairs:
    """s pairs, uniform over i != j with replacement: their mean is an unbiased estimate of the mean over all pairs (Sec. 4.3).

    Raises InputError if n < 2 or s < 1.
    """
    if n < 2 or s < 1:
        raise InputError(f"sampled draws pairs of different examples, but got {s} pairs of {n} examples; use at least 1 pair of 2")
    i = torch.randint(n, (s,), generator=generator, device=generator.device)
    j = torch.randint(n - 1, (s,), generator=generator, device=generator.device)
    return i, j + (j >= i)


def all_pairs(n: int, device: torch.device | str | None = None) -> Pairs:
    """Every pair i < j once: n (n - 1) / 2 pairs. Raises InputError if n < 2."""
    if n < 2:
        raise InputError(f"all_pairs needs at least 2 examples, but got {n}; use a larger batch")
    i, j = torch.triu_indices(n, n, offset=1, device=device)
    return i, j
