"""Time, memory and floating-point operations of the parts of a training step."""

import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from gan_sntg.data.loader import Batch
from gan_sntg.graph.sntg import SNTG
from gan_sntg.networks.ema import Average
from gan_sntg.networks.precision import Precision
from gan_sntg.training.cuda_graphs import EagerGradients, gradients
from gan_sntg.training.meter import Meter, Terms
from gan_sntg.training.optim import parameters

TARGETS, DIRECTION = WHOLE = "teacher pass", "adversarial direction"  # parts that keep the networks' passes within them


class Stopwatch:
    """`seconds` by part. A part in another stops the other's clock. Each change of part waits for a GPU."""

    def __init__(self, device: torch.device):
        """device: where the work is done."""
        self.device, self.since = device, 0.0
        self.seconds: dict[str, float] = defaultdict(float)
        self.running: list[str] = []

    def change(self) -> None:
        """Give the time since the last change to the part that runs, once the device is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = time.perf_counter()
        if self.running:
            self.seconds[self.running[-1]] += now - self.since
        self.since = now

    def start(self, name: str) -> None:
        """Begin a part."""
        self.change()
        self.running.append(name)

    def stop(self) -> None:
        """End the part that runs."""
        self.change()
        self.running.pop()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Within it, time counts for `name`."""
        self.start(name)
        try:
            yield
        finally:
            self.stop()

    def watch(self, owner: Any, name: str, part: str | Callable[..., str]) -> None:
        """Count each call of owner's attribute `name` for `part`, or for what that makes of the arguments."""
        call = getattr(owner, name)

        def timed(*args, **kwargs):
            with self.part(part if isinstance(part, str) else part(*args, **kwargs)):
                return call(*args, **kwargs)

        setattr(owner, name, timed)


class TimedSNTG(SNTG):
    """Another SNTG, timed: forward, and by hooks on R_S and on its own view of the features backward."""

    def __init__(self, sntg: SNTG, watch: Stopwatch):
        """sntg: that computes R_S, and whose settings it has."""
        vars(self).update(vars(sntg))
        self.sntg, self.watch = sntg, watch

    def __call__(self, h: Tensor, *args, **kwargs) -> Tensor:
        """R_S."""
        h = h.view_as(h)
        with self.watch.part("graph loss"):
            term = self.sntg(h, *args, **kwargs)
        term.register_hook(lambda grad: self.watch.start("graph loss"))
        h.register_hook(lambda grad: self.watch.stop())
        return term


@dataclass
class TimedGradients(EagerGradients):
    """Gradients found eagerly, the backward pass timed."""

    watch: Stopwatch

    def __call__(self, method, name: str, batch: Batch, t: int) -> Terms:
        """As `EagerGradients`."""
        terms = method.losses[name][1](batch, t)
        with self.watch.part("backward"):
            return gradients(parameters(method.optimizers[name]), terms)


def watch_parts(method: Any, watch: Stopwatch) -> None:
    """Time the parts of the method's steps from now on, gradients found eagerly."""
    names = {id(net): f"forward {name}" for name, net in method.named_children()}

    def pass_of(net: nn.Module, *_) -> str:
        return watch.running[-1] if watch.running[-1] in WHOLE else names.get(id(net), TARGETS)

    parts = [(module, "execution", pass_of) for module in method.modules()]
    parts += [(module, "update", "averages") for module in method.modules() if isinstance(module, Average)]
    parts += [(optimizer, "step", "optimizer") for optimizer in method.optimizers.values()]
    parts += [(method, "follow", "averages"), (method, "targets", TARGETS), (method, "direction", DIRECTION)]
    parts += [(getattr(method, "teacher", None), "targets", TARGETS)]
    for owner, name, part in parts:
        if hasattr(owner, name):
            watch.watch(owner, name, part)
    method.gradients, method.sntg = TimedGradients(watch), TimedSNTG(method.sntg, watch)


def breakdown(method: Any, batches: Iterator[Batch], t: int, precision: Precision, device: torch.device, steps: int) -> dict[str, float]:
    """Seconds per step by part in epoch t; together a little longer than a step. Uses the method up.

    "graph loss" is R_S forward and, from its value to the features, backward, without the teacher's pass.
    """
    watch, meter = Stopwatch(device), Meter()
    watch_parts(method, watch)
    for _ in range(steps):
        with watch.part("data"):
            batch = next(batches)
        with watch.part("rest"), precision(device):
            terms = method.step(batch, t)
        with watch.part("logging"):
            meter.add(terms, 0)
    return {part: seconds / steps for part, seconds in watch.seconds.items()}


def flops_of(step: Callable[[], object]) -> int:
    """Floating-point operations of products and convolutions, forward and backward, of one call."""
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def forget_peak_memory(device: torch.device) -> None:
    """Let `peak_memory` begin anew, where the system can: on a GPU and on Linux."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory(device: torch.device) -> float:
    """The most memory held on the GPU, or by this process, since it was forgotten, in MB (2^20 bytes)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    with suppress(OSError):
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
