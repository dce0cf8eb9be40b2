"""Time, memory and floating-point operations of the parts of a training step."""

import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from gan_sntg.data.loader import Batch
from gan_sntg.networks.compile import EagerForward, use
from gan_sntg.networks.ema import Average
from gan_sntg.networks.precision import Precision
from gan_sntg.training.meter import Meter
from gan_sntg.training.method import Method


class Stopwatch:
    """`seconds` by part. A part inside another stops the outer one's clock. On a GPU the device is waited for at each change of part."""

    def __init__(self, device: torch.device):
        """device: where the work is done."""
        self.device, self.seconds = device, defaultdict(float)
        self.running: list[str] = []
        self.since = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Within it, time counts for `name`."""
        self._change()
        self.running.append(name)
        try:
            yield
        finally:
            self._change()
            self.running.pop()

    def _change(self) -> None:
        now = moment(self.device)
        if self.running:
            self.seconds[self.running[-1]] += now - self.since
        self.since = now

    @contextmanager
    def watching(self, owner: object, name: str, part: str) -> Iterator[None]:
        """Within it, calls of the attribute `name` of `owner` count for `part`."""
        own, call = name in vars(owner), getattr(owner, name)

        def timed(*args, **kwargs):
            with self.part(part):
                return call(*args, **kwargs)

        setattr(owner, name, timed)
        try:
            yield
        finally:
            if own:
                setattr(owner, name, call)
            else:
                delattr(owner, name)


def moment(device: torch.device) -> float:
    """Seconds on a clock, when the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def seconds_a_call(call: Callable[[], object], times: int, device: torch.device) -> float:
    """The mean of `times` calls in a row."""
    began = moment(device)
    for _ in range(times):
        call()
    return (moment(device) - began) / times


def forget_peak_memory(device: torch.device) -> None:
    """Let `peak_memory` begin anew, where the system can: on a GPU and on Linux."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory(device: torch.device | None = None) -> float:
    """The most memory held on the GPU, or by this process, since it was forgotten, in MB (2^20 bytes)."""
    if device is not None and device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    with suppress(OSError):
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


WHOLE = ("teacher pass", "adversarial direction")  # parts that keep the networks' passes within them
TARGETS, DIRECTION = WHOLE


class TimedPasses(EagerForward):
    """Another execution, its passes timed by the network."""

    def __init__(self, execution: EagerForward, watch: Stopwatch, method: Method):
        """execution: that does the passes."""
        self.execution, self.watch = execution, watch
        self.names = {id(net): f"forward {name}" for name, net in method.named_children()}

    def __call__(self, net: nn.Module, x: Tensor, generator: torch.Generator | None):
        """What the execution returns."""
        inside = self.watch.running[-1] if self.watch.running[-1:] and self.watch.running[-1] in WHOLE else None
        with self.watch.part(inside or self.names.get(id(net), TARGETS)):
            return self.execution(net, x, generator)


def breakdown(method: Method, batches: Iterator[Batch], t: int, precision: Precision, device: torch.device, steps: int) -> dict[str, float]:
    """Seconds a step by part, in epoch t. They add up to a step that is a little longer than one without a stopwatch.

    "graph loss" is R_S forward and, from its value to the features, backward, without the teacher's pass.
    """
    watch, meter, execution = Stopwatch(device), Meter(), method.execution
    with ExitStack() as stack:
        for owner, name, part in watched(method):
            stack.enter_context(watch.watching(owner, name, part))
        graph = GraphBackward(method, watch, stack)
        use(TimedPasses(execution, watch, method), method)
        stack.callback(use, execution, method)
        for _ in range(steps):
            with watch.part("data"):
                batch = next(batches)
            with watch.part("rest"), precision(device):
                terms = method.step(batch, t)
            with watch.part("logging"):
                meter.add(terms, 0)
    seconds = {part: value / steps for part, value in watch.seconds.items()}
    again = seconds.pop(graph.part, 0.0)
    if again:
        seconds["graph loss"] += again
        seconds["backward"] -= again
    return seconds


def watched(method: Method) -> list[tuple[object, str, str]]:
    """(owner, attribute, part) of all that is timed besides the networks' passes."""
    teacher = getattr(method, "teacher", None)
    found = [(torch.autograd, "backward", "backward"), (Average, "update", "averages")]
    found += [(optimizer, "step", "optimizer") for optimizer in method.optimizers.values()]
    owners = [(method, "graph_term", "graph loss"), (method, "targets", TARGETS), (method, DIRECTION.split()[1], DIRECTION)]
    owners += [(method, "follow", "averages"), (teacher, "targets", TARGETS)]
    return found + [(owner, name, part) for owner, name, part in owners if hasattr(owner, name)]


class GraphBackward:
    """Takes the gradient of the graph's term by the features once more, on the clock, whenever the method makes the term."""

    part = "graph loss backward"

    def __init__(self, method: Method, watch: Stopwatch, stack: ExitStack):
        """stack: that undoes it."""
        if not hasattr(method, "graph_term"):
            return
        make = method.graph_term

        def made(found, *t):
            term, h = make(found, *t), [h for _, h, _ in found][:1] if isinstance(found, list) else [found.h]
            values = list(term.values()) if isinstance(term, dict) else [term]
            with watch.part(self.part):
                for value in values:
                    torch.autograd.grad(value, h, retain_graph=True)
            return term

        method.graph_term = made
        stack.callback(setattr, method, "graph_term", make)  # which `watched` put there, and takes away


def flops_of(step: Callable[[], object]) -> int:
    """Floating-point operations of products and convolutions, forward and backward, of one call."""
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()
