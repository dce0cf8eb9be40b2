"""Time of the parts of a training step, and the memory that it takes."""

import resource
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gan_sntg.data.loader import Batch
from gan_sntg.files.memory import release_memory
from gan_sntg.graph.sntg import SNTG
from gan_sntg.networks.passes import use
from gan_sntg.training.cuda_graphs import gradients
from gan_sntg.training.meter import Terms
from gan_sntg.training.optim import parameters

WHOLE = TARGETS, DIRECTION = "teacher pass", "clean pass, direction"  # parts that keep all within them for themselves
PARTS = {"targets": TARGETS, "direction": DIRECTION, "follow": "averages", "update": "averages"}  # of methods, teachers and averages


class Stopwatch:
    """`seconds` by part. A part in another stops the other's clock. Each change of part waits for a GPU."""

    def __init__(self, device: torch.device):
        self.device, self.since = device, 0.0
        self.seconds: dict[str, float] = defaultdict(float)
        self.running: list[str] = []

    def turn(self, name: str | None = None) -> None:
        """Begin a part, or end the one that runs, once the device is done with what came before."""
        torch.get_device_module(self.device).synchronize()
        now = time.perf_counter()
        if self.running:
            self.seconds[self.running[-1]] += now - self.since
        self.since = now
        self.running = [*self.running, name] if name else self.running[:-1]

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Within it, or in calls of what it decorates, time counts for `name`."""
        self.turn(next((part for part in self.running if part in WHOLE), name))
        try:
            yield
        finally:
            self.turn()


class TimedSNTG(SNTG):
    """Another SNTG, timed: forward, and by hooks on R_S and on its own view of the features backward."""

    sntg: SNTG
    watch: Stopwatch

    def __init__(self, sntg: SNTG, watch: Stopwatch):
        vars(self).update(vars(sntg), sntg=sntg, watch=watch)  # no part of itself

    def __call__(self, h: Tensor, *args, **kwargs) -> Tensor:
        """R_S."""
        h = h.view_as(h)
        with self.watch.part("graph loss"):
            term = self.sntg(h, *args, **kwargs)
        term.register_hook(lambda grad: self.watch.turn("graph loss"))
        h.register_hook(lambda grad: self.watch.turn())
        return term


def watch_parts(method: Any, device: torch.device) -> Stopwatch:
    """Time the parts of the method's steps from now on, gradients found eagerly."""
    watch, execution = Stopwatch(device), method.execution
    names = {net: f"forward {name}" for name, net in method.named_children()}

    def timed_pass(net: nn.Module, *args) -> Any:
        with watch.part(names.get(net) or names.get(getattr(net, "net", None), TARGETS)):  # Ladder's `BothPaths`: its net and decoder
            return execution(net, *args)

    def timed_gradients(method: Any, name: str, batch: Batch, t: int) -> Terms:
        terms = method.losses[name][1](batch, t)
        with watch.part("backward"):
            return gradients(parameters(method.optimizers[name]), terms)

    use(timed_pass, method)  # pyright: ignore[reportArgumentType]
    method.gradients, method.sntg = timed_gradients, TimedSNTG(method.sntg, watch)
    watched = [(module, *part) for module in method.modules() for part in PARTS.items()]
    for owner, name, part in watched + [(optimizer, "step", "optimizer") for optimizer in method.optimizers.values()]:
        if callable(getattr(owner, name, None)):
            setattr(owner, name, watch.part(part)(getattr(owner, name)))
    return watch


def forget_peak_memory(device: torch.device) -> None:
    """Let `peak_memory` begin anew, where the system can: on a GPU and on Linux.

    Memory that the process keeps, though it is free, is returned.
    """
    release_memory()
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
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
