"""Pairs of a batch (Sec. 4.3) and their distances: disjoint halves, a random sample, or all."""

from abc import ABC, abstractmethod
from enum import member
from functools import lru_cache
from math import sqrt
from typing import NamedTuple, Self

import torch
from torch import Tensor

from gan_sntg.configurable import Choice, Configurable
from gan_sntg.errors import InputError
from gan_sntg.networks.passes import at_least_float32


class Pairs(NamedTuple):
    """Pairs (i, j) of places in a batch of B: each [S] int64."""

    i: Tensor
    j: Tensor

    def norms(self, h: Tensor) -> Tensor:
        """|h_i - h_j|. h [B, D] -> [S]; gradient 0 where h_i = h_j."""
        return torch.linalg.vector_norm(h[self.i] - h[self.j], dim=1)

    def to(self, device: torch.device | str) -> Self:
        """The same pairs on a device."""
        return self._make(index.to(device) for index in self)


class EveryPair(Pairs):
    """Every i < j of the whole batch, ordered by i, then j, as `torch.pdist` orders them."""

    def norms(self, h: Tensor) -> Tensor:
        """Norms without a tensor [S, D]; on CUDA the backward pass of pdist takes one of [B - 1, B, D]."""
        return torch.nn.functional.pdist(h)


class TwoHalves(Pairs):
    """Every i of the first half of the whole batch with i + B / 2, in order."""

    def norms(self, h: Tensor) -> Tensor:
        """Norms without copies of the halves."""
        first, second = h.chunk(2)
        return torch.linalg.vector_norm(first - second, dim=1)


@lru_cache(maxsize=4)
def halves(n: int, device: torch.device | str | None = None) -> TwoHalves:
    """Pairs (i, i + n/2) of a shuffled batch, as the authors' code has. Raises InputError for odd n or 0."""
    if n % 2 or n < 2:
        raise InputError(f"halves pairs the two halves of a batch, but got {n} examples; use an even batch size or another pairing")
    i = torch.arange(n // 2, device=device)
    return TwoHalves(i, i + n // 2)


def sampled(n: int, s: int, generator: torch.Generator) -> Pairs:
    """s pairs, uniform over i != j with replacement (Sec. 4.3). Raises InputError if n < 2 or s < 1."""
    if n < 2 or s < 1:
        raise InputError(f"sampled draws pairs of different examples, but got {s} pairs of {n} examples; use at least 1 pair of 2")
    i = torch.randint(n, (s,), generator=generator, device=generator.device)
    j = torch.randint(n - 1, (s,), generator=generator, device=generator.device)
    return Pairs(i, j + (j >= i))


@lru_cache(maxsize=4)
def all_pairs(n: int, device: torch.device | str | None = None) -> EveryPair:
    """Every pair i < j once, n (n - 1) / 2 in all. Raises InputError if n < 2."""
    if n < 2:
        raise InputError(f"all_pairs needs at least 2 examples, but got {n}; use a larger batch")
    return EveryPair(*torch.triu_indices(n, n, offset=1, device=device))


def euclidean(h: Tensor, pairs: Pairs) -> Tensor:
    """|h_i - h_j| (Eq. 8) in float32 or float64. h [B, D] -> [S]; its gradient is 0 where h_i = h_j."""
    return pairs.norms(at_least_float32(h))


def rms(h: Tensor, pairs: Pairs) -> Tensor:
    """|h_i - h_j| / sqrt(D), as in the authors' code: a margin m corresponds to m sqrt(D) in Eq. 8."""
    return euclidean(h, pairs) / sqrt(h.shape[1])


class Distance(Choice):
    """Which distance between features: `rms` (the authors' code) or `euclidean` (Eq. 8)."""

    rms = member(rms)
    euclidean = member(euclidean)


class Pairing(Configurable, ABC):
    """How pairs are chosen in a batch of n: `pairing(n, generator)`, on the generator's device."""

    @abstractmethod
    def __call__(self, n: int, generator: torch.Generator) -> Pairs:
        """The pairs."""


class Halves(Pairing):
    """`halves`: n/2 disjoint pairs."""

    def __call__(self, n: int, generator: torch.Generator) -> Pairs:
        """First half with second half; draws nothing."""
        return halves(n, generator.device)


class Sampled(Pairing):
    """`sampled`: a number of random pairs."""

    def __init__(self, pairs: int):
        """pairs: how many are drawn of a batch."""
        self.pairs = pairs  # a step (s of Sec. 4.3)

    def __call__(self, n: int, generator: torch.Generator) -> Pairs:
        """`pairs` draws from the generator."""
        return sampled(n, self.pairs, generator)


class AllPairs(Pairing):
    """`all_pairs`: every pair once."""

    def __call__(self, n: int, generator: torch.Generator) -> Pairs:
        """Every i < j; draws nothing."""
        return all_pairs(n, generator.device)
