"""Forward passes in training, eager or compiled, with noise from a named generator."""

import sys
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from gan_sntg.networks.batch_norm import frozen_statistics
from gan_sntg.networks.noise import Draw, Noise, drawing_from, given, recorded

PROGRAMS = 256  # a process may compile: networks, their modes and sizes of batches; torch stops at 8


class EagerForward:
    """`execution(net, x, generator)` is net(x) with the noise of its layers drawn from the generator."""

    def __call__(self, net: nn.Module, x: Tensor, generator: torch.Generator | None) -> Tensor | tuple[Tensor, Tensor]:
        """What net(x) returns."""
        with drawing_from(net, generator):
            return net(x)


class CompiledForward(EagerForward):
    """The same, through `torch.compile`, forward and backward: a program for each kind of network and form of x, whatever the weights.

    Noise is drawn outside the program, the numbers that the plain pass draws. Where compiling fails, one line on stderr says why, and
    the passes are plain from then on.
    """

    def __init__(self):
        """Nothing is compiled before it is called."""
        torch._dynamo.config.recompile_limit = max(PROGRAMS, torch._dynamo.config.recompile_limit)
        self.compiled = torch.compile(forward, dynamic=False, fullgraph=True)
        self.records: WeakKeyDictionary[nn.Module, dict] = WeakKeyDictionary()
        self.failed = False

    def __call__(self, net: nn.Module, x: Tensor, generator: torch.Generator | None) -> Tensor | tuple[Tensor, Tensor]:
        """What net(x) returns, but for rounding."""
        if self.failed:
            return super().__call__(net, x, generator)
        record = self.record(net, x)
        before = generator.get_state() if generator is not None else None
        try:
            with given(record, [draw(generator) for _, draw in record]):
                return self.compiled(net, x)
        except Exception as error:  # whatever a compiler of another machine may raise
            if not type(error).__module__.startswith("torch._"):
                raise
            self.failed = True
            print(f"compiling failed, and passes are not compiled: {' '.join(str(error).split())[:200]}", file=sys.stderr)
            if generator is not None:
                generator.set_state(before)
            return super().__call__(net, x, generator)

    def record(self, net: nn.Module, x: Tensor) -> list[tuple[Noise, Draw]]:
        """What the layers of `net` draw in a pass over such an x; found by one that leaves no trace, the first time."""
        known = self.records.setdefault(net, {})
        form = tuple(x.shape), x.stride(), x.dtype, net.training, torch.is_autocast_enabled(x.device.type)
        if form not in known:
            with torch.no_grad(), frozen_statistics(net), drawing_from(net, torch.Generator(x.device)), recorded(net) as record:
                net(x)
            known[form] = record
        return known[form]


def forward(net: nn.Module, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
    """What is compiled."""
    return net(x)


def use(execution: EagerForward, method: nn.Module) -> None:
    """Let the method, and what it is made of, make all passes in training by `execution`."""
    for module in method.modules():
        if hasattr(module, "execution"):
            module.execution = execution
