"""Gaussian noise and dropout layers, drawn from a named generator."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gan_sntg.distributed.ranks import process_group


class Draw(NamedTuple):
    """What a layer drew in a pass: `fill` is the method of a tensor that filled one of this form."""

    fill: str
    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    def __call__(self, generator: torch.Generator | None) -> Tensor:
        """The numbers that the same layer would draw in such a pass."""
        like = torch.empty_strided(self.size, self.stride, dtype=self.dtype, device=self.device)
        return getattr(like, self.fill)(generator=generator)


class Noise(nn.Module):
    """A layer that disturbs x at random in training and passes it on in evaluation.

    It draws from `generator` (set by `drawing_from`; torch's global one without) unless its numbers are `given`.
    """

    def __init__(self):
        """Draws from torch's global generator."""
        super().__init__()
        self.generator: torch.Generator | None = None
        self.given: Tensor | None = None
        self.record: list[tuple[Noise, Draw]] | None = None

    def draw(self, fill: str, x: Tensor) -> Tensor:
        """Random numbers of the form of x, float32 at the least: the same whatever the precision, and bfloat16 would be too coarse."""
        if self.given is not None:
            return self.given
        like = torch.empty_like(x, dtype=torch.promote_types(x.dtype, torch.float32))
        if self.record is not None:
            self.record.append((self, Draw(fill, tuple(like.shape), like.stride(), like.dtype, like.device)))
        return process_group().drawn(len(like), lambda rows: getattr(lengthened(like, rows), fill)(generator=self.generator))


def lengthened(like: Tensor, rows: int) -> Tensor:
    """A tensor of so many rows of the form of those of `like` [n, ...], stored in the same order; `like` itself where it has as many."""
    if rows == len(like):
        return like
    row = like[0]
    strides = (row.numel(), *row.stride()) if like.stride(0) >= row.numel() else None
    size = rows, *row.shape
    return like.new_empty(size) if strides is None else torch.empty_strided(size, strides, dtype=like.dtype, device=like.device)


class GaussianNoise(Noise):
    """x + std * N(0, 1) in training, x in evaluation, any shape."""

    def __init__(self, std: float):
        """std: in units of x."""
        super().__init__()
        self.std = std

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as x; the gradient passes unchanged."""
        if not self.training or self.std == 0:
            return x
        return x + (self.std * self.draw("normal_", x)).to(x.dtype)


class Dropout(Noise):
    """Each element of x is 0 with probability p, else x / (1 - p), in training; x in evaluation. Any shape, never whole channels."""

    def __init__(self, p: float):
        """p: in [0, 1)."""
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as x; the gradient is masked alike."""
        if not self.training or self.p == 0:
            return x
        kept = self.draw("uniform_", x) >= self.p  # uniform numbers are four times as fast as bernoulli_ on a CPU
        return x * kept.to(x.dtype).div_(1 - self.p)


@contextmanager
def having(layers: list[Noise], name: str, values: list) -> Iterator[None]:
    """Within it, the attribute `name` of each layer is its own one of `values`."""
    before = [getattr(m, name) for m in layers]
    try:
        for m, value in zip(layers, values, strict=True):
            setattr(m, name, value)
        yield
    finally:
        for m, previous in zip(layers, before, strict=True):
            setattr(m, name, previous)


def noise_layers(net: nn.Module) -> list[Noise]:
    """Those of `net`."""
    return [m for m in net.modules() if isinstance(m, Noise)]


@contextmanager
def drawing_from(net: nn.Module, generator: torch.Generator | None) -> Iterator[None]:
    """Within it, every `Noise` layer of `net` draws from `generator`."""
    layers = noise_layers(net)
    with having(layers, "generator", [generator] * len(layers)):
        yield


@contextmanager
def recorded(net: nn.Module) -> Iterator[list[tuple[Noise, Draw]]]:
    """Within it, the layers of `net` that draw note what they draw, in the list that is given back, in their order."""
    layers, record = noise_layers(net), []
    with having(layers, "record", [record] * len(layers)):
        yield record


@contextmanager
def given(record: list[tuple[Noise, Draw]], draws: list[Tensor]) -> Iterator[None]:
    """Within it, the layers of the record take `draws`, one each, and touch no generator."""
    with having([layer for layer, _ in record], "given", draws):
        yield
