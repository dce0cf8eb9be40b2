"""Measure how fast configurations train: ms per step and part, memory, FLOP/s beside the machine's."""

import itertools
import json
import shlex
import sys
from pathlib import Path

import torch
from jsonargparse import Namespace
from rich.console import Console
from rich.table import Column, Table

from gan_sntg.benchmarks.timing import ceilings, measure
from gan_sntg.errors import InputError, refusing
from gan_sntg.files.atomic import write_atomically
from gan_sntg.files.json_files import read_json
from gan_sntg.files.yaml_files import config_file
from gan_sntg.networks.passes import Precision, has_bfloat16
from gan_sntg.runs.build import parse_run, pick_device
from gan_sntg.runs.folder import environment
from gan_sntg.runs.options import DEVICES, Noises, RunOptions, check_option
from gan_sntg.runs.parsing import Parser

COLUMNS = "ms per step", "least to most", "images/s", "GFLOP/s", "of products", "peak MB", "naive's time / this", "before / this"
OWN = {"--config", "--precision", "--compile", "--noise", "--cuda_graphs", "--threads", "--device"}
EXAMPLES = """examples:
  gan-sntg bench --config configs/mnist_100/fm_gan.yaml --synthetic
  gan-sntg bench --config configs/cifar10_4000_aug/vat_ent.yaml --synthetic --options '' '--method.probe derivatives'
"""


def parser() -> Parser:
    """Which configurations, in which ways."""
    parser = Parser(
        prog="gan-sntg bench", description="Time full training steps past all ramps, ways and repeats interleaved.", epilog=EXAMPLES
    )
    parser.add_argument("--config", type=str, nargs="+", help="YAML files of runs")
    precisions = "ways to compute; default: float32, and bfloat16 where the device has instructions for it"
    parser.add_argument("--precision", type=Precision, nargs="+", default=[], help=precisions)
    parser.add_argument("--compile", type=bool, nargs="+", default=[False], help="plain passes (false), compiled ones (true), or both")
    parser.add_argument("--noise", type=Noises, nargs="+", default=["fresh"], help="numbers that are drawn, of a table, or both")
    parser.add_argument("--options", type=str, nargs="+", default=[""], help="texts of run options, each a way: '--method.stream two'")
    parser.add_argument("--cuda_graphs", type=bool, nargs="+", default=[True], help="on a GPU: recorded steps, written ones, or both")
    parser.add_argument("--naive", type=bool, default=True, help="the usual way of peers' code beside them, in float32")
    parser.add_argument("--plain", type=bool, default=False, help="our own steps in float32, but of images stored channel by channel")
    parser.add_argument("--workers", type=int, default=1, help="its processes that prepare images, for each kind of image")
    parser.add_argument("--repeats", type=int, default=5, help="timings of each way; ways take turns")
    parser.add_argument("--seconds", type=float, default=2.0, help="least length of a timing")
    parser.add_argument("--synthetic", action="store_true", help="random images of the declared shapes in place of files")
    parser.add_argument("--root", type=str | None, default=None, help="folder of the data, as --data.root of a run")
    parser.add_argument("--device", type=str, default="auto", help=DEVICES)
    parser.add_argument("--threads", type=int | None, default=None, help="CPU threads")
    parser.add_argument("--out", type=str | None, default=None, help="JSON file to write")
    parser.add_argument("--against", type=str | None, default=None, help="JSON file of an earlier run on this machine to compare with")
    return parser


def run(options: Namespace) -> None:
    """Print a table a configuration, and write the JSON file after each."""
    if not options.config:
        raise InputError("--config is not set; name one or more YAML files, such as --config configs/digits_20/*.yaml")
    files = {name: str(config_file(name)) for name in options.config}
    if options.repeats < 1 or not options.seconds > 0 or options.workers < 0:
        raise InputError("give --repeats of at least 1, --seconds above 0 and --workers of 0 or more")
    check_option("threads", options.threads)
    if options.out and not Path(options.out).resolve().parent.is_dir():
        raise InputError(f"--out {options.out}: its folder does not exist; make it first")
    for file, text in itertools.product(files.values(), options.options):  # what is refused is refused before a minute is spent
        RunOptions.of(parse_run(options, file, run_words(text))[1])
    device, console = pick_device(options.device), Console(width=None if sys.stdout.isatty() else 130, highlight=False)
    torch.set_num_threads(options.threads or torch.get_num_threads())
    options.precision = options.precision or [kind for kind in Precision if kind is Precision.float32 or has_bfloat16(device)]
    earlier = earlier_medians(options.against, environment(device)) if options.against else {}
    limits = ceilings(device, tuple(kind for kind in Precision if kind is Precision.float32 or kind in options.precision))
    found = {"command": shlex.join(["gan-sntg", *sys.argv[1:]]), "environment": environment(device), "ceilings": limits}
    found["configs"] = {}
    for name, file in files.items():
        found["configs"][name] = cell = measure(options, file)
        title = f"{name}: {cell['images_a_step']} images and {cell['flops_a_step'] / 1e9:,.1f} GFLOP per step"
        console.print(way_table(title, cell, limits, earlier.get(short(name), {})), part_table(cell["ways"]))
        if options.out:
            write_atomically(Path(options.out), (json.dumps(found, indent=1) + "\n").encode())


def run_words(text: str) -> list[str]:
    """The words of a text of run options.

    Raises InputError for an open quote, and for options that bench has itself.
    """
    with refusing(f"--options {text!r} cannot be read", "close its quotes"):
        words = shlex.split(text)
    if own := sorted({word.partition("=")[0] for word in words} & OWN):
        raise InputError(f"--options {text!r} sets {', '.join(own)}; give bench that option itself")
    return words


def short(name: str) -> str:
    """A configuration's folder and name, however it was given."""
    return "/".join(Path(name).parts[-2:]).removesuffix(".yaml")


def earlier_medians(file: str, here: dict) -> dict[str, dict[str, float]]:
    """ms per step by configuration and way of an earlier run. Raises InputError if of another machine."""
    try:
        earlier = read_json(Path(file))
        there = {key: earlier["environment"].get(key) for key in ("device", "platform", "threads")}
        cells = {name: cell["ways"].items() for name, cell in earlier["configs"].items()}
        medians = {short(name): {way: float(found["median_ms"]) for way, found in ways} for name, ways in cells.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"--against {file} is no file that `gan-sntg bench --out` wrote ({type(error).__name__}); give one") from error
    if differ := [f"{key} {value} there, {here[key]} here" for key, value in there.items() if value != here[key]]:
        raise InputError(f"--against {file} is of another machine or setting ({'; '.join(differ)}); ratios would mean nothing")
    return medians


def way_table(title: str, cell: dict, ceilings: dict[str, float], before: dict[str, float]) -> Table:
    """A row a way; before: ms per step of the ways of an earlier run."""
    table = Table("way", *(Column(name, justify="right") for name in COLUMNS), title=title)
    naive = cell["ways"].get("naive", {}).get("median_ms")
    for name, way in cell["ways"].items():
        ms, rate, images = way["median_ms"], way["flop_rate"], way.get("images_a_step", cell["images_a_step"])
        share = rate / ceilings[f"products {'bfloat16' if name.startswith('bfloat16') else 'float32'}"]
        spread = f"{min(way['ms_a_step']):,.1f} to {max(way['ms_a_step']):,.1f}"
        figures = f"{1e3 * images / ms:,.0f}", f"{rate / 1e9:,.0f}", f"{share:.0%}", f"{way['peak_mb']:,.0f}"
        table.add_row(name, f"{ms:,.1f}", spread, *figures, *(f"{other / ms:.2f}" if other else "" for other in (naive, before.get(name))))
    return table


def part_table(ways: dict[str, dict]) -> Table:
    """A row a part of a step, a column a way that was timed by part."""
    timed = {name: way["parts_ms"] for name, way in ways.items() if "parts_ms" in way}
    table = Table("part", *(Column(name, justify="right") for name in timed), title="ms of a step by part (with a stopwatch)")
    for part in dict.fromkeys(part for way in timed.values() for part in way):
        table.add_row(part, *(f"{way.get(part, 0.0):,.2f}  {way.get(part, 0.0) / sum(way.values()):5.1%}" for way in timed.values()))
    return table
