"""Forward passes in training, eager or compiled, with noise from a named generator."""

import sys
from typing import Any

import torch
from torch import Tensor, nn

from gan_sntg.networks.noise import Noise, drawing_from

PROGRAMS = 256  # that a process may compile of one function: layers, their modes and sizes of batches; torch stops at 8


class EagerForward:
    """`execution(net, x, generator)` is net(x) with the noise of its layers drawn from the generator."""

    def __call__(self, net: nn.Module, x: Tensor, generator: torch.Generator | None) -> Any:
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

    def __call__(self, net: nn.Module, x: Tensor, generator: torch.Generator | None) -> Any:
        """What net(x) returns, but for rounding."""
        if self.failed:
            return super().__call__(net, x, generator)
        before = generator.get_state() if generator is not None else None
        try:
            with drawing_from(net, generator):
                return self.compiled(net, x)
        except Exception as error:  # whatever a compiler of another machine may raise
            if not type(error).__module__.startswith("torch._"):
                raise
            self.failed = True
            print(f"compiling failed, and passes are not compiled: {' '.join(str(error).split())[:200]}", file=sys.stderr)
            if before is not None and generator is not None:
                generator.set_state(before)
            return super().__call__(net, x, generator)


def use(execution: EagerForward, method: nn.Module) -> None:
    """Let the method, and what it is made of, make all passes in training by `execution`."""
    for module in method.modules():
        if hasattr(module, "execution"):
            module.execution = execution  # pyright: ignore[reportArgumentType]
