"""Check that every weighted term of configurations is alive and moves the network that it should."""

import sys
import time

import torch
from jsonargparse import Namespace
from rich.console import Console
from rich.table import Column, Table

from gan_sntg.benchmarks.profile import peak_memory
from gan_sntg.data.loader import UNLABELED
from gan_sntg.errors import InputError, UnhealthyError
from gan_sntg.networks.passes import Precision
from gan_sntg.runs.build import RunObjects, build, parse_run
from gan_sntg.runs.options import DEVICES
from gan_sntg.runs.parsing import Parser
from gan_sntg.training.method import Method
from gan_sntg.training.term_check import TermReport, examine, last_with_all

EXAMPLES = """examples:
  gan-sntg doctor --config configs/mnist_100/*.yaml --synthetic
"""


def parser() -> Parser:
    """Which configurations, on what."""
    parser = Parser(
        prog="gan-sntg doctor", description="Take a few steps of each configuration after its ramps, and watch every term.", epilog=EXAMPLES
    )
    parser.add_argument("--config", type=str, nargs="+", help="YAML files of runs; all are checked in one process")
    parser.add_argument("--steps", type=int, default=2, help="watched steps")
    parser.add_argument("--batch_size", type=int, default=20, help="images of a step; labelled ones among them where a config has both")
    parser.add_argument("--synthetic", action="store_true", help="random images of the declared shapes in place of files")
    parser.add_argument("--root", type=str | None, default=None, help="folder of the data, as --data.root of a run")
    parser.add_argument("--device", type=str, default="cpu", help=DEVICES)
    parser.add_argument("--precision", type=Precision, default=Precision.float32, help="of products, as of a run")
    return parser


def run(options: Namespace) -> None:
    """Print a table per configuration. Raises UnhealthyError with all that is wrong."""
    if not options.config:
        raise InputError("--config is not set; name one or more YAML files, such as --config configs/*/*.yaml")
    if options.steps < 1 or options.batch_size < 4:
        raise InputError(f"--steps {options.steps} --batch_size {options.batch_size}: give at least 1 and 4")
    console, faults, began = Console(width=None if sys.stdout.isatty() else 120, highlight=False), [], time.perf_counter()
    for file in options.config:
        parser, own = small_run(options, file)
        parts = build(parser, own)
        health = examine(parts.method, parts.streams, last_with_all(parts.method, own.epochs), options.steps, options.precision)
        print_health(console, file, parts, health)
        faults += [f"{file}: {fault}" for fault in health.faults]
    console.print(f"{len(options.config)} configurations in {time.perf_counter() - began:.0f} s")
    if faults:
        raise UnhealthyError("; ".join(faults))


def small_run(options: Namespace, file: str) -> tuple[Parser, Namespace]:
    """Parser and options of a run of this file, with small batches."""
    parser, own = parse_run(options, file, [])
    labeled = min(own.labeled_batch_size or 0, options.batch_size // 2)
    own.batch_size, own.labeled_batch_size = options.batch_size - labeled, labeled or None
    return parser, own


def print_health(console: Console, file: str, parts: RunObjects, health: TermReport) -> None:
    """One configuration's table, what it was fed and what is wrong."""
    pool, y, batch = parts.streams.pool, parts.streams.pool.y, next(iter(parts.streams.epoch()))
    counts = torch.bincount(y[y != UNLABELED], minlength=parts.source.num_classes).tolist()
    labels = " ".join(map(str, counts)) if len(counts) <= 10 else f"{min(counts)} to {max(counts)} in {len(counts)} classes"
    views = {name: view.x for name, view in batch._asdict().items() if view is not None}
    sizes = ", ".join(f"{name} {list(x.shape)}" for name, x in views.items())
    low, high = torch.cat([x.flatten() for x in views.values()]).aminmax()
    console.print(f"{file}: {type(parts.method).__name__} on {parts.source.name}", term_table(parts.method, health), sep="\n")
    console.print(f"labels per class: {labels}; {sizes}; values {low:.3g} to {high:.3g}; {len(pool.unlabeled):,} in the pool")
    moved, peak = ", ".join(sorted(health.moved["step"])), peak_memory(torch.device("cpu"))
    console.print(f"a step took {health.milliseconds:,.0f} ms and moved {moved}; memory so far at most {peak:,.0f} MB")
    for fault in health.faults:
        console.print(f"[red]fault: {fault}")


def term_table(method: Method, health: TermReport) -> Table:
    """A row a term, a column a network that any of them has a gradient into."""
    nets = [net for net in method.networks if any(any(norms[net]) for norms in health.gradients.values())]
    headers = "value", *(f"|gradient| into {net}" for net in nets)
    table = Table("term", *(Column(header, justify="right") for header in headers), "its step moves")
    for term, value in health.terms.items():
        bounds = ((min(norms), max(norms)) for norms in (health.gradients[term][net] for net in nets))
        norms = (f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}" for low, high in bounds)
        table.add_row(term, f"{value:.4g}", *norms, ", ".join(sorted(health.moved[term.split("/")[0]])) or "nothing")
    for term, weight in method.weights().items():
        if not weight:
            table.add_row(term, "off: its weight is 0")
    return table
