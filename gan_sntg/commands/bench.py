"""Measure how fast configurations train: ms a step and where they go, memory, and FLOP/s beside what the machine can do."""

import json
import shlex
import sys
from pathlib import Path

import torch
from jsonargparse import Namespace
from rich.console import Console
from rich.table import Table

from gan_sntg.benchmarks.timing import ceilings, measure
from gan_sntg.errors import InputError
from gan_sntg.files.atomic import write_atomically
from gan_sntg.files.json_files import read_json
from gan_sntg.networks.precision import Precision
from gan_sntg.runs.build import pick_device
from gan_sntg.runs.folder import environment
from gan_sntg.runs.options import check_option
from gan_sntg.runs.parsing import Parser


def parser() -> Parser:
    """Which configurations, in which ways."""
    parser = Parser(prog="gan-sntg bench", description="Time full training steps past all ramps, ways and repeats interleaved.")
    parser.add_argument("--config", type=str, nargs="+", help="YAML files of runs")
    parser.add_argument("--precision", type=Precision, nargs="+", default=[Precision.float32, Precision.bfloat16], help="ways to compute")
    parser.add_argument("--compile", type=bool, nargs="+", default=[False], help="plain passes (false), compiled ones (true), or both")
    parser.add_argument("--cuda_graphs", type=bool, nargs="+", default=[True], help="on a GPU: recorded steps, written ones, or both")
    parser.add_argument("--naive", type=bool, default=True, help="the usual way of peers' code beside them, in float32")
    parser.add_argument("--plain", type=bool, default=False, help="our own steps in float32, but of layers as they are written down")
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


def run(options: Namespace) -> dict:
    """Print a table a configuration; returns what the JSON file holds."""
    check(options)
    device, console = pick_device(options.device), Console(width=None if sys.stdout.isatty() else 130, highlight=False)
    if options.threads:
        torch.set_num_threads(options.threads)
    earlier = read(options.against, environment(device)) if options.against else {}
    found = {"command": shlex.join(["gan-sntg", *sys.argv[1:]]), "environment": environment(device), "ceilings": ceilings(device)}
    found["configs"] = {}
    for file in options.config:
        found["configs"][file] = measure(options, file)
        report(console, file, found, earlier.get(file, {}))
        if options.out:
            write_atomically(Path(options.out), (json.dumps(found, indent=1) + "\n").encode())
    return found


def check(options: Namespace) -> None:
    """Raise InputError for options that cannot be."""
    if not options.config:
        raise InputError("--config is not set; name one or more YAML files, such as --config configs/digits_20/*.yaml")
    if options.repeats < 1 or not options.seconds > 0 or options.workers < 0:
        raise InputError("give --repeats of at least 1, --seconds above 0 and --workers of 0 or more")
    check_option("threads", options.threads)
    if options.against and not Path(options.against).is_file():
        raise InputError(f"--against {options.against} is no file; give the JSON file of an earlier `gan-sntg bench --out`")
    if options.out and not Path(options.out).resolve().parent.is_dir():
        raise InputError(f"--out {options.out}: its folder does not exist; make it first")


def read(file: str, here: dict) -> dict[str, dict]:
    """By configuration, the ways of an earlier run. Raises InputError where it is none, or was made on another machine."""
    try:
        earlier = read_json(Path(file))
        there = {key: earlier["environment"].get(key) for key in ("device", "platform", "threads")}
        cells = {
            name: {way: {"median_ms": float(found["median_ms"])} for way, found in c["ways"].items()}
            for name, c in earlier["configs"].items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"--against {file} is no file that `gan-sntg bench --out` wrote ({type(error).__name__}); give one") from error
    differ = [f"{key} {value} there, {here[key]} here" for key, value in there.items() if value != here[key]]
    if differ:
        raise InputError(f"--against {file} is of another machine or setting ({'; '.join(differ)}); ratios would mean nothing")
    return cells


def report(console: Console, file: str, found: dict, before: dict) -> None:
    """One configuration's tables; before: the ways of an earlier run."""
    cell = found["configs"][file]
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
        ms, kind = way["median_ms"], "bfloat16" if name.startswith("bfloat16") else "float32"
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
