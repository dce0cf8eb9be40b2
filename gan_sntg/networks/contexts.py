"""Contexts that set the mode of a network, or an attribute of its layers, for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


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
