"""Timings of a configuration by precision and mode, and the machine's own limits."""

import itertools
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from statistics import median

import torch
from jsonargparse import Namespace
from torch.utils.benchmark import Timer
from torch.utils.flop_counter import FlopCounterMode

from gan_sntg.benchmarks.baseline import NaiveStep, keep_layout
from gan_sntg.benchmarks.profile import forget_peak_memory, peak_memory, watch_parts
from gan_sntg.networks.passes import Precision, has_bfloat16
from gan_sntg.runs.build import RunObjects, build, parse_run, pick_device
from gan_sntg.training.cuda_graphs import CudaGraphGradients, eager_gradients
from gan_sntg.training.meter import Meter

REPEATS = 5


def seconds_of(call: Callable[[], object], times: int = 1) -> float:
    """Seconds per call with the threads of now, after two that do not count; waits for a GPU."""
    return Timer("call()", globals={"call": call}, num_threads=torch.get_num_threads()).timeit(times).mean


def ceilings(device: torch.device, precisions: Iterable[Precision]) -> dict[str, float]:
    """Best FLOP/s of "products <precision>" (2 n^3 each), and bytes/s of "copy", read and written."""
    calls = {}
    for precision in precisions:
        fast = precision is Precision.float32 or has_bfloat16(device)
        n = (8192 if device.type == "cuda" else 2048) if fast else 256  # a product of 2048 without instructions takes ten seconds
        factors = torch.randn(2, n, n, device=device, dtype=getattr(torch, precision.value))
        calls[f"products {precision.value}"] = 2 * n**3, partial(torch.matmul, *factors)
    x = torch.ones(2**28, dtype=torch.uint8, device=device)
    calls["copy"] = 2 * x.numel(), partial(torch.empty_like(x).copy_, x)
    return {name: work / min(seconds_of(call) for _ in range(REPEATS)) for name, (work, call) in calls.items()}


class Way:
    """One way to train one configuration: its objects, and seconds a step of each timing."""

    def __init__(
        self, parts: RunObjects, t: int, precision: Precision = Precision.float32, naive: NaiveStep | None = None, options: str = ""
    ):
        """t: the epoch that its ramps are in; options: the text of run options that it has more than others."""
        self.parts, self.t, self.precision, self.naive, self.options = parts, t, precision, naive, options
        self.meter, self.seconds, self.steps, self.memory = Meter(), [], 1, 0.0
        self.part: Callable[[str], AbstractContextManager] = nullcontext  # or of a stopwatch

    def step(self) -> None:
        """One step as `loop.fit` takes it, data and logging included."""
        if self.naive is not None:
            self.naive(self.t)
            return
        with self.part("data"):
            batch = next(self.parts.streams.epoch())
        with self.part("rest"), self.precision(self.parts.device):
            terms = self.parts.method.step(batch, self.t)
        with self.part("logging"):
            self.meter.add(terms, 0)

    def counts(self) -> dict[str, int]:
        """Operations and images of a step, which is taken."""
        with eager_gradients(self.parts.method), FlopCounterMode(display=False) as counter:
            self.step()
        images = sum(len(view.y) for view in next(self.parts.streams.epoch()) if view is not None)
        return {"flops_a_step": counter.get_total_flops(), "images_a_step": images}

    def figures(self, counts: dict[str, int]) -> dict:
        """What was measured; counts: of the same options' eager step."""
        found = {"ms_a_step": [1e3 * s for s in self.seconds], "median_ms": 1e3 * median(self.seconds), "steps_a_timing": self.steps}
        found |= {"flop_rate": counts["flops_a_step"] / median(self.seconds), "peak_mb": self.memory} | counts
        return found if self.naive is not None else found | {"parts_ms": self.breakdown(max(3, self.steps))}

    def breakdown(self, steps: int) -> dict[str, float]:
        """ms per step by part, the longest first; together a little longer than a step. Uses the method up.

        "graph loss" is R_S forward and, from its value to the features, backward, without the teacher's pass.
        """
        watch = watch_parts(self.parts.method, self.parts.device)
        self.part = watch.part
        for _ in range(steps):
            self.step()
        return {part: 1e3 * s / steps for part, s in sorted(watch.seconds.items(), key=lambda item: -item[1])}


def measure(options: Namespace, file: str) -> dict:
    """Time one configuration in all ways, taking turns."""
    ways = dict(make_ways(options, file))
    for way in ways.values():
        seconds_of(way.step)  # three steps, which a recording takes
        way.steps = max(1, round(options.seconds / seconds_of(way.step)))
    for way in list(ways.values()) * options.repeats:
        forget_peak_memory(way.parts.device)
        way.seconds.append(seconds_of(way.step, way.steps))
        way.memory = max(way.memory, peak_memory(way.parts.device))
    first: dict[str, Way] = {}
    for way in ways.values():
        first.setdefault(way.options, way)
    counts = {text: way.counts() for text, way in first.items()}
    return next(iter(counts.values())) | {"ways": {name: way.figures(counts[way.options]) for name, way in ways.items()}}


def make_ways(options: Namespace, file: str) -> Iterator[tuple[str, Way]]:
    """Each asked for by name, on objects of its own; temporal ensembling has one epoch behind it."""
    graphs = options.cuda_graphs if pick_device(options.device).type == "cuda" else [False]
    dimensions = options.precision, options.compile, options.noise, options.options, graphs
    for precision, compiled, noise, more, recorded in itertools.product(*dimensions):
        words = f"--precision {precision.value} --compile {compiled} --noise {noise} --cuda_graphs {recorded}"
        parts, t = started(options, file, f"{words} {more}")
        recorded = isinstance(parts.method.gradients, CudaGraphGradients)
        marks = (" compiled" * compiled, " table" * (noise == "table"), f" {more}" * bool(more), " recorded" * recorded)
        yield precision.value + "".join(marks), Way(parts, t, precision, options=more)
    if options.plain:
        parts, t = started(options, file)
        keep_layout(parts.method)
        yield "plain layers", Way(parts, t)
    if options.naive:
        parts, t = started(options, file)
        yield "naive", Way(parts, t, naive=NaiveStep(parts.method, parts.streams, options.workers))


def started(options: Namespace, file: str, words: str = "") -> tuple[RunObjects, int]:
    """The objects of a run of this file, with one step and the end of an epoch behind it; its last epoch."""
    threads = f"--threads {options.threads} " if options.threads else ""
    parser, parsed = parse_run(options, file, shlex.split(threads + words))
    parts = build(parser, parsed)
    parts.method.start(parts.streams.example(parts.method.start_size, "start"))
    parts.method.step(next(iter(parts.streams.epoch())), 0)
    parts.method.end_epoch()
    return parts, parsed.epochs - 1
