"""Timings of a configuration by precision and mode, and the machine's own limits."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from jsonargparse import Namespace

from gan_sntg.benchmarks.baseline import NaiveStep, plain_layers
from gan_sntg.benchmarks.profile import breakdown, flops_of, forget_peak_memory, moment, peak_memory, seconds_a_call
from gan_sntg.files.yaml_files import load_yaml
from gan_sntg.networks.precision import Precision
from gan_sntg.runs.build import RunObjects, build, epochs_of, pick_device, stand_in
from gan_sntg.runs.options import config_parser
from gan_sntg.training.cuda_graphs import EagerGradients, directly
from gan_sntg.training.meter import Meter

REPEATS = 5


def best(call, device: torch.device) -> float:
    """Seconds of the fastest of a few calls, after one that does not count: a ceiling is what can be reached."""
    call()
    return min(seconds_a_call(call, 1, device) for _ in range(REPEATS))


def product_rate(precision: Precision, device: torch.device) -> float:
    """FLOP/s of the product of two square matrices in the precision: 2 n^3 operations, n = 2048, on a GPU 8192."""
    n = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(n, n, device=device, dtype=getattr(torch, precision.value)) for _ in range(2))
    return 2 * n**3 / best(lambda: a @ b, device)


def copy_rate(device: torch.device) -> float:
    """Bytes a second read and written in copying 256 MB."""
    x = torch.ones(2**28, dtype=torch.uint8, device=device)
    y = torch.empty_like(x)
    return 2 * x.numel() / best(lambda: y.copy_(x), device)


def ceilings(device: torch.device) -> dict[str, float]:
    """FLOP/s of "products <precision>", and bytes/s of "copy"."""
    return {f"products {p.value}": product_rate(p, device) for p in Precision} | {"copy": copy_rate(device)}


class Way:
    """One way to train one configuration: its objects, and seconds a step of each timing."""

    layers: Callable[[], AbstractContextManager] = nullcontext  # within which its steps are taken

    def __init__(self, name: str, parts: RunObjects, t: int, precision: Precision, naive: NaiveStep | None = None):
        """t: the epoch that its ramps are in."""
        self.name, self.parts, self.t, self.precision, self.naive = name, parts, t, precision, naive
        self.batches, self.meter = forever(parts), Meter()
        self.seconds: list[float] = []
        self.steps, self.memory = 1, 0.0

    def step(self) -> None:
        """One step as `engine.fit` takes it, data and logging included."""
        if self.naive is not None:
            self.naive(self.t)
            return
        batch = next(self.batches)
        with self.layers(), self.precision(self.parts.device):
            terms = self.parts.method.step(batch, self.t)
        self.meter.add(terms, 0)

    def warm_up(self, seconds: float) -> None:
        """Take a few steps, and choose how many make a timing that long."""
        for _ in range(3 if type(self.parts.method.gradients) is EagerGradients else 6):  # recording takes three of them
            began = moment(self.parts.device)
            self.step()
            took = moment(self.parts.device) - began
        self.steps = max(1, round(seconds / took))

    def measure(self) -> None:
        """One timing."""
        device = self.parts.device
        forget_peak_memory(device)
        began = moment(device)
        for _ in range(self.steps):
            self.step()
        self.seconds.append((moment(device) - began) / self.steps)
        self.memory = max(self.memory, peak_memory(device))

    @property
    def median(self) -> float:
        """Seconds a step."""
        return sorted(self.seconds)[len(self.seconds) // 2]


def forever(parts: RunObjects) -> Iterator:
    """Batches, epoch after epoch."""
    return itertools.chain.from_iterable(parts.streams.epoch() for _ in itertools.count())


def measure(options: Namespace, file: str) -> dict:
    """Time one configuration in all ways, taking turns."""
    ways = list(make_ways(options, file))
    for way in ways:
        way.warm_up(options.seconds)
    for _ in range(options.repeats):
        for way in ways:
            way.measure()
    first = ways[0]
    with directly(first.parts.method):
        flops = flops_of(first.step)
    found = {way.name: figures(way, flops) for way in ways}
    return {"images_a_step": sum(len(v.y) for v in next(first.batches) if v is not None), "flops_a_step": flops, "ways": found}


def make_ways(options: Namespace, file: str) -> Iterator[Way]:
    """Each asked for, on objects of its own; temporal ensembling has one epoch behind it."""
    graphs = options.cuda_graphs if pick_device(options.device).type == "cuda" else [False]
    for precision, compiled, recorded in itertools.product(options.precision, options.compile, graphs):
        words = {"precision": precision.value, "compile": compiled, "cuda_graphs": recorded}
        parts = made(options, file, [word for name, value in words.items() for word in (f"--{name}", str(value).lower())])
        name = f"{precision.value}{' compiled' * compiled}{' recorded' * (type(parts.method.gradients) is not EagerGradients)}"
        yield Way(name, parts, epochs_of(file) - 1, precision)
    if options.plain:
        way = Way("plain layers", made(options, file, []), epochs_of(file) - 1, Precision.float32)
        way.layers = plain_layers
        yield way
    if options.naive:
        parts = made(options, file, [])
        pool, streams = parts.streams.pool, parts.streams
        sizes = streams.batch_size, streams.streams["labeled"].batch_size if "labeled" in streams.streams else 0
        yield Way("naive", parts, epochs_of(file) - 1, Precision.float32, NaiveStep(parts.method, pool, *sizes, options.workers))


def made(options: Namespace, file: str, more: list[str]) -> RunObjects:
    """The objects of a run of this file, started, with one step and the end of an epoch behind it."""
    given = ["--config", file, "--device", options.device, *more]
    if options.synthetic:
        given += stand_in(file, load_yaml(Path(file)))
    elif options.root:
        given += ["--data.root", options.root]
    if options.threads:
        given += ["--threads", str(options.threads)]
    parser = config_parser()
    parts = build(parser, parser.parse_args(given))
    parts.method.start(parts.streams.example(parts.method.start_size, "start"))
    parts.method.step(next(iter(parts.streams.epoch())), 0)
    parts.method.end_epoch()
    return parts


def figures(way: Way, flops: int) -> dict:
    """What was measured of one way."""
    device = way.parts.device
    found = {"ms_a_step": [1e3 * s for s in way.seconds], "median_ms": 1e3 * way.median, "steps_a_timing": way.steps}
    found |= {"flop_rate": flops / way.median, "peak_mb": way.memory}
    if way.naive is None:
        with way.layers(), directly(way.parts.method):
            parts = breakdown(way.parts.method, way.batches, way.t, way.precision, device, max(3, way.steps))
        found["parts_ms"] = {name: 1e3 * s for name, s in sorted(parts.items(), key=lambda item: -item[1])}
    return found
