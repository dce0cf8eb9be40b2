"""What is a training step made of? Seconds of each part, and its floating-point operations, counted."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from gan_sntg.core.average import Average
from gan_sntg.core.data.streams import Batch
from gan_sntg.core.engine import Meter, Method
from gan_sntg.core.execution import Plain, use
from gan_sntg.core.precision import Precision
from gan_sntg.core.stopwatch import Stopwatch

WHOLE = ("teacher pass", "adversarial direction")  # parts that keep the networks' passes within them
TARGETS, DIRECTION = WHOLE


class TimedPasses(Plain):
    """Another execution, its passes timed by the network."""

    def __init__(self, execution: Plain, watch: Stopwatch, method: Method):
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

        def made(found) -> Tensor:
            term, h = make(found), [h for _, h, _ in found] if isinstance(found, list) else [found.h]
            with watch.part(self.part):
                torch.autograd.grad(term, h, retain_graph=True)
            return term

        method.graph_term = made
        stack.callback(setattr, method, "graph_term", make)  # which `watched` put there, and takes away


def flops_of(step: Callable[[], object]) -> int:
    """Floating-point operations of products and convolutions, forward and backward, of one call."""
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()
