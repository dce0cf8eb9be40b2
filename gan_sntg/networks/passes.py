"""Passes of a network over a batch: its mode, noise and precision, eager or compiled."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn

from gan_sntg.networks.noise import Noise

PROGRAMS = 256  # that a process may compile of one function: layers, their modes and sizes of batches; torch stops at 8


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


def drawing_from(net: nn.Module, generator: torch.Generator | None) -> AbstractContextManager[None]:
    """Within it, every `Noise` layer of `net` draws from `generator`."""
    return attribute(net, Noise, "generator", generator)


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


class EagerForward:
    """`execution(net, x, generator)` is net(x) with the noise of its layers drawn from the generator."""

    def __call__(self, net: nn.Module, x: Tensor | tuple[Tensor, ...], generator: torch.Generator | None) -> Any:
        """What net(x) returns."""
        with drawing_from(net, generator):
            return net(x)


class CompiledForward(EagerForward):
    """The same through `torch.compile`; eager, after one line on stderr, from where compiling fails."""

    def __init__(self):
        # A compiled program cannot draw from a generator of its own. (Decorated where it is defined, it would slow every command's start.)
        Noise.draw = torch.compiler.disable(Noise.draw)  # pyright: ignore[reportAttributeAccessIssue]
        torch._dynamo.config.recompile_limit = max(PROGRAMS, torch._dynamo.config.recompile_limit)
        self.compiled = torch.compile(lambda net, x: net(x), dynamic=False)
        self.failed = False

    def __call__(self, net: nn.Module, x: Tensor | tuple[Tensor, ...], generator: torch.Generator | None) -> Any:
        """What net(x) returns, but for rounding."""
        if not self.failed:
            before = generator.get_state() if generator else None
            try:
                with drawing_from(net, generator):
                    return self.compiled(net, x)
            except Exception as error:  # whatever a compiler of another machine may raise
                if not type(error).__module__.startswith("torch._"):
                    raise
                self.failed = True
                print(f"compiling failed, and passes are not compiled: {' '.join(str(error).split())[:200]}", file=sys.stderr)
                if generator and before is not None:
                    generator.set_state(before)
        return super().__call__(net, x, generator)


def use(execution: EagerForward, method: nn.Module) -> None:
    """Let the method, and what it is made of, make all passes in training by `execution`."""
    for module in method.modules():
        if hasattr(module, "execution"):
            module.execution = execution  # pyright: ignore[reportArgumentType]
