"""Measure how fast configurations train: ms a step and where they go, memory, and FLOP/s beside what the machine can do."""

import itertools
import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from jsonargparse import Namespace
from rich.console import Console
from rich.table import Table

from gan_sntg.breakdown import breakdown, flops_of
from gan_sntg.commands.building import Parts, build, config_parser, pick_device
from gan_sntg.commands.doctor import epochs_of, stand_in
from gan_sntg.commands.parsing import Parser, load_yaml
from gan_sntg.core.ceilings import ceilings
from gan_sntg.core.engine import Meter
from gan_sntg.core.errors import InputError
from gan_sntg.core.precision import Precision
from gan_sntg.core.record import environment
from gan_sntg.core.stopwatch import forget_peak_memory, moment, peak_memory
from gan_sntg.naive import NaiveStep


def parser() -> Parser:
    """Which configurations, in which ways."""
    parser = Parser(prog="gan-sntg bench", description="Time full training steps past all ramps, ways and repeats interleaved.")
    parser.add_argument("--config", type=str, nargs="+", help="YAML files of runs")
    parser.add_argument("--precision", type=Precision, nargs="+", default=[Precision.float32, Precision.bfloat16], help="ways to compute")
    parser.add_argument("--compile", type=bool, nargs="+", default=[False], help="plain passes (false), compiled ones (true), or both")
    parser.add_argument("--naive", type=bool, default=True, help="the usual way of peers' code beside them, in float32")
    parser.add_argument("--workers", type=int, default=1, help="its processes that prepare images, for each kind of image")
    parser.add_argument("--repeats", type=int, default=5, help="timings of each way; ways take turns")
    parser.add_argument("--seconds", type=float, default=2.0, help="least length of a timing")
    parser.add_argument("--synthetic", action="store_true", help="random images of the declared shapes in place of files")
    parser.add_argument("--root", type=str | None, default=None, help="folder of the data, as --data.root of a run")
    parser.add_argument("--device", type=str, default="auto", help="cpu, cuda or auto")
    parser.add_argument("--threads", type=int | None, default=None, help="CPU threads")
    parser.add_argument("--out", type=str | None, default=None, help="JSON file to write")
    parser.add_argument("--against", type=str | None, default=None, help="JSON file of an earlier run on this machine to compare with")
    return parser


class Way:
    """One way to train one configuration: its objects, and seconds a step of each timing."""

    def __init__(self, name: str, parts: Parts, t: int, precision: Precision, naive: NaiveStep | None = None):
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
        with self.precision(self.parts.device):
            terms = self.parts.method.step(batch, self.t)
        self.meter.add(terms, 0)

    def warm_up(self, seconds: float) -> None:
        """Take a few steps, and choose how many make a timing that long."""
        for _ in range(3):
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


def forever(parts: Parts) -> Iterator:
    """Batches, epoch after epoch."""
    return itertools.chain.from_iterable(parts.streams.epoch() for _ in itertools.count())


def run(options: Namespace) -> dict:
    """Print a table a configuration; returns what the JSON file holds."""
    check(options)
    device, console = pick_device(options.device), Console(width=None if sys.stdout.isatty() else 130, highlight=False)
    if options.threads:
        torch.set_num_threads(options.threads)
    earlier = json.loads(Path(options.against).read_text()) if options.against else None
    found = {"command": shlex.join(["gan-sntg", *sys.argv[1:]]), "environment": environment(device), "ceilings": ceilings(device)}
    found["configs"] = {}
    for file in options.config:
        found["configs"][file] = measure(options, file)
        report(console, file, found, earlier)
    if options.out:
        Path(options.out).write_text(json.dumps(found, indent=1) + "\n")
    return found


def check(options: Namespace) -> None:
    """Raise InputError for options that cannot be."""
    if not options.config:
        raise InputError("--config is not set; name one or more YAML files, such as --config configs/digits_20/*.yaml")
    if options.repeats < 1 or not options.seconds > 0 or options.workers < 0 or (options.threads is not None and options.threads < 1):
        raise InputError("give --repeats and --threads of at least 1, --seconds above 0 and --workers of 0 or more")
    if options.against and not Path(options.against).is_file():
        raise InputError(f"--against {options.against} is no file; give the JSON file of an earlier `gan-sntg bench --out`")
    if options.out and not Path(options.out).resolve().parent.is_dir():
        raise InputError(f"--out {options.out}: its folder does not exist; make it first")


def measure(options: Namespace, file: str) -> dict:
    """Time one configuration in all ways, taking turns."""
    ways = list(make_ways(options, file))
    for way in ways:
        way.warm_up(options.seconds)
    for _ in range(options.repeats):
        for way in ways:
            way.measure()
    first = ways[0]
    flops = flops_of(first.step)
    found = {way.name: figures(way, flops) for way in ways}
    return {"images_a_step": sum(len(v.y) for v in next(first.batches) if v is not None), "flops_a_step": flops, "ways": found}


def make_ways(options: Namespace, file: str) -> Iterator[Way]:
    """Each asked for, on objects of its own; temporal ensembling has one epoch behind it."""
    for precision, compiled in itertools.product(options.precision, options.compile):
        parts = made(options, file, ["--precision", precision.value, "--compile", str(compiled).lower()])
        yield Way(f"{precision.value}{' compiled' * compiled}", parts, epochs_of(file) - 1, precision)
    if options.naive:
        parts = made(options, file, [])
        pool, streams = parts.streams.pool, parts.streams
        sizes = streams.batch_size, streams.streams["labeled"].batch_size if "labeled" in streams.streams else 0
        yield Way("naive", parts, epochs_of(file) - 1, Precision.float32, NaiveStep(parts.method, pool, *sizes, options.workers))


def made(options: Namespace, file: str, more: list[str]) -> Parts:
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
        parts = breakdown(way.parts.method, way.batches, way.t, way.precision, device, max(3, way.steps))
        found["parts_ms"] = {name: 1e3 * s for name, s in sorted(parts.items(), key=lambda item: -item[1])}
    return found


def report(console: Console, file: str, found: dict, earlier: dict | None) -> None:
    """One configuration's tables."""
    cell = found["configs"][file]
    before = earlier["configs"].get(file, {}).get("ways", {}) if earlier else {}
    naive = cell["ways"].get("naive")
    table = Table(title=f"{file}: {cell['images_a_step']} images and {cell['flops_a_step'] / 1e9:,.1f} GFLOP a step")
    for column in (
        "way",
        "ms a step",
        "least to most",
        "images/s",
        "GFLOP/s",
        "of products",
        "peak MB",
        "naive's time / this",
        "before / this",
    ):
        table.add_column(column, justify="left" if column == "way" else "right")
    for name, way in cell["ways"].items():
        ms, kind = way["median_ms"], name.split()[0] if name != "naive" else "float32"
        share = way["flop_rate"] / found["ceilings"][f"products {kind}"]
        spread = f"{min(way['ms_a_step']):,.1f} to {max(way['ms_a_step']):,.1f}"
        ratios = [f"{other['median_ms'] / ms:.2f}" if other else "" for other in (naive, before.get(name))]
        table.add_row(
            name, f"{ms:,.1f}", spread, f"{1e3 * cell['images_a_step'] / ms:,.0f}", f"{way['flop_rate'] / 1e9:,.0f}", f"{share:.0%}",
            f"{way['peak_mb']:,.0f}", *ratios,
        )  # fmt: skip
    console.print(table)
    parts = Table(title="ms of a step by part (with a stopwatch)")
    timed = {name: way["parts_ms"] for name, way in cell["ways"].items() if "parts_ms" in way}
    parts.add_column("part")
    for name in timed:
        parts.add_column(name, justify="right")
    for part in dict.fromkeys(part for way in timed.values() for part in way):
        shares = (f"{way.get(part, 0.0):,.2f}  {way.get(part, 0.0) / sum(way.values()):5.1%}" for way in timed.values())
        parts.add_row(part, *shares)
    console.print(parts)
