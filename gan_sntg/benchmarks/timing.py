"""Timings of a configuration by precision and mode, and the machine's own limits."""

import itertools
from collections.abc import Callable, Iterator
from statistics import median

import torch
from jsonargparse import Namespace
from torch.utils.benchmark import Timer

from gan_sntg.benchmarks.baseline import NaiveStep, keep_layout
from gan_sntg.benchmarks.profile import breakdown, flops_of, forget_peak_memory, peak_memory
from gan_sntg.networks.precision import Precision
from gan_sntg.runs.build import RunObjects, build, parse_run, pick_device
from gan_sntg.training.cuda_graphs import EagerGradients, eager_gradients
from gan_sntg.training.meter import Meter

REPEATS = 5
WARM_UP = 6  # steps; recording takes three of them


def timer(call: Callable[[], object]) -> Timer:
    """A timer of a call, with the threads of now; on a GPU it waits for the device."""
    return Timer("call()", globals={"call": call}, num_threads=torch.get_num_threads())


def best(call: Callable[[], object]) -> float:
    """Seconds of the fastest of a few calls: a ceiling is what can be reached."""
    return min(timer(call).timeit(1).mean for _ in range(REPEATS))


def ceilings(device: torch.device) -> dict[str, float]:
    """FLOP/s of "products <precision>" (2 n^3 operations), and bytes/s of "copy", read and written."""
    n, rates = 8192 if device.type == "cuda" else 2048, {}
    for precision in Precision:
        a, b = (torch.randn(n, n, device=device, dtype=getattr(torch, precision.value)) for _ in range(2))
        rates[f"products {precision.value}"] = 2 * n**3 / best(lambda a=a, b=b: a @ b)
    x = torch.ones(2**28, dtype=torch.uint8, device=device)
    y = torch.empty_like(x)
    return rates | {"copy": 2 * x.numel() / best(lambda: y.copy_(x))}


class Way:
    """One way to train one configuration: its objects, and seconds a step of each timing."""

    def __init__(self, name: str, parts: RunObjects, t: int, precision: Precision, naive: NaiveStep | None = None):
        """t: the epoch that its ramps are in."""
        self.name, self.parts, self.t, self.precision, self.naive = name, parts, t, precision, naive
        self.meter = Meter()
        self.batches = itertools.chain.from_iterable(parts.streams.epoch() for _ in itertools.count())
        self.seconds: list[float] = []
        self.steps, self.memory = 1, 0.0

    def step(self) -> None:
        """One step as `loop.fit` takes it, data and logging included."""
        if self.naive is not None:
            self.naive(self.t)
            return
        batch = next(self.batches)
        with self.precision(self.parts.device):
            terms = self.parts.method.step(batch, self.t)
        self.meter.add(terms, 0)

    def warm_up(self, seconds: float) -> None:
        """Take a few steps, and choose how many make a timing that long."""
        for _ in range(WARM_UP if self.recorded else 1):
            self.step()
        self.steps = max(1, round(seconds / timer(self.step).timeit(1).mean))

    def measure(self) -> None:
        """One timing, after two steps or more that do not count."""
        forget_peak_memory(self.parts.device)
        self.seconds.append(timer(self.step).timeit(self.steps).mean)
        self.memory = max(self.memory, peak_memory(self.parts.device))

    @property
    def recorded(self) -> bool:
        """Whether its steps are CUDA graphs."""
        return type(self.parts.method.gradients) is not EagerGradients

    def figures(self, flops: int) -> dict:
        """What was measured; flops: of a step."""
        found = {"ms_a_step": [1e3 * s for s in self.seconds], "median_ms": 1e3 * median(self.seconds), "steps_a_timing": self.steps}
        found |= {"flop_rate": flops / median(self.seconds), "peak_mb": self.memory}
        if self.naive is not None:
            return found
        parts = breakdown(self.parts.method, self.batches, self.t, self.precision, self.parts.device, max(3, self.steps))
        return found | {"parts_ms": {name: 1e3 * s for name, s in sorted(parts.items(), key=lambda item: -item[1])}}


def measure(options: Namespace, file: str) -> dict:
    """Time one configuration in all ways, taking turns."""
    ways = list(make_ways(options, file))
    for way in ways:
        way.warm_up(options.seconds)
    for _ in range(options.repeats):
        for way in ways:
            way.measure()
    first = ways[0]
    with eager_gradients(first.parts.method):
        flops = flops_of(first.step)
    images = sum(len(view.y) for view in next(first.batches) if view is not None)
    return {"images_a_step": images, "flops_a_step": flops, "ways": {way.name: way.figures(flops) for way in ways}}


def make_ways(options: Namespace, file: str) -> Iterator[Way]:
    """Each asked for, on objects of its own; temporal ensembling has one epoch behind it."""
    t, graphs = parse_run(options, file, [])[1].epochs - 1, options.cuda_graphs if pick_device(options.device).type == "cuda" else [False]
    for precision, compiled, recorded in itertools.product(options.precision, options.compile, graphs):
        words = {"precision": precision.value, "compile": compiled, "cuda_graphs": recorded}
        way = Way("", started(options, file, [w for name, value in words.items() for w in (f"--{name}", str(value).lower())]), t, precision)
        way.name = f"{precision.value}{' compiled' * compiled}{' recorded' * way.recorded}"
        yield way
    if options.plain:
        parts = started(options, file, [])
        keep_layout(parts.method)
        yield Way("plain layers", parts, t, Precision.float32)
    if options.naive:
        parts = started(options, file, [])
        pool, streams = parts.streams.pool, parts.streams
        sizes = streams.batch_size, streams.streams["labeled"].batch_size if "labeled" in streams.streams else 0
        yield Way("naive", parts, t, Precision.float32, NaiveStep(parts.method, pool, *sizes, options.workers))


def started(options: Namespace, file: str, more: list[str]) -> RunObjects:
    """The objects of a run of this file, started, with one step and the end of an epoch behind it."""
    threads = ["--threads", str(options.threads)] if options.threads else []
    parts = build(*parse_run(options, file, threads + more))
    parts.method.start(parts.streams.example(parts.method.start_size, "start"))
    parts.method.step(next(iter(parts.streams.epoch())), 0)
    parts.method.end_epoch()
    return parts
