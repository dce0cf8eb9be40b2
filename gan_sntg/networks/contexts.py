"""Contexts of a network's passes: its mode, attributes of its layers, and the precision of products."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import Enum

import torch
from torch import Tensor, nn


@contextmanager
def attribute(net: nn.Module, kinds: type | tuple[type, ...], name: str, value: object) -> Iterator[None]:
    """Within it, `name` of every layer of `net` of these kinds is `value`; then what it was."""
    layers = [layer for layer in net.modules() if isinstance(layer, kinds)]
    before = [getattr(layer, name) for layer in layers]
    try:
        for layer in layers:
            setattr(layer, name, value)
        yield
    finally:
        for layer, previous in zip(layers, before, strict=True):
            setattr(layer, name, previous)


@contextmanager
def mode(net: nn.Module, training: bool) -> Iterator[None]:
    """Within it, `net` trains or evaluates; then what it did."""
    before = net.training
    try:
        net.train(training)
        yield
    finally:
        net.train(before)


class Precision(Enum):
    """Precision of products in training; weights, optimizers, losses and evaluation stay float32."""

    float32 = "float32"
    bfloat16 = "bfloat16"

    def __call__(self, device: torch.device | str) -> AbstractContextManager:
        """The context to train in: autocast on the device, off for float32."""
        # without a cache, or G's pass through D, after D's update, would take D's casts of before
        return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=self is Precision.bfloat16, cache_enabled=False)


def at_least_float32(x: Tensor) -> Tensor:
    """x, as float32 where its type is shorter: on a CPU autocast leaves norms in bfloat16."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
