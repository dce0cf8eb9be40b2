"""Where does the time of a step go? Seconds by part, each without the parts inside it, and the most memory held meanwhile."""

import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch


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
