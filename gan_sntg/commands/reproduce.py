"""Train a table or figure of the paper: every cell of a grid at every seed, then the report."""

import os
import signal
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

from jsonargparse import Namespace
from rich.console import Console

from gan_sntg.errors import StoppedError, UnhealthyError
from gan_sntg.experiments.executors import Engine, Local, Outcome, Ray, Remaining, Task
from gan_sntg.experiments.figures import picture
from gan_sntg.experiments.grid import Cell, Grid, load_grid
from gan_sntg.experiments.plan import make_plan
from gan_sntg.experiments.report import command, heading, notes, write_report
from gan_sntg.experiments.results import collect_results, summarize
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.parsing import Parser
from gan_sntg.runs.stopping import LATER

SIGNALS = signal.SIGTERM, signal.SIGUSR1
DESCRIPTION = (
    "Train every cell of a grid (configs/grids) at every seed, each a run of `gan-sntg train` of its own, and write the report. Finished "
    "cells are skipped, unfinished ones go on from their checkpoints, failed ones are tried again. Words after -- go to every train."
)


class Parted(Parser):
    """A parser that leaves the words after -- as they are, in `words`."""

    def parse_args(self, args: list[str], *rest, **named) -> Namespace:
        """As the parser's."""
        own = args[: args.index("--")] if "--" in args else args
        options = super().parse_args(own, *rest, **named)
        options.words = list(args[len(own) + 1 :])
        return options


def parser() -> Parser:
    """Which grid, which of its cells, how long, where, and on what."""
    parser = Parted(prog="gan-sntg reproduce", usage="%(prog)s GRID [options] [-- options of `gan-sntg train`]", description=DESCRIPTION)
    parser.add_argument("grid", type=str, help="table1 to table5, fig2 to fig6, digits, mnist-cpu, or the YAML file of a grid")
    parser.add_argument(
        "--seeds", type=str | None, default=None, help="0..9, or 0,3,5; each of the run and of its labels. Default: the grid's"
    )
    parser.add_argument("--only", type=str, nargs="+", default=[], help="cells whose COLUMN/ROW matches, with * and ?")
    parser.add_argument("--scale", type=float, default=1.0, help="length of the schedules; averages, ramps and decay are scaled with it")
    parser.add_argument("--max_minutes", type=float | None, default=None, help="save, stop and report in good time before so many are over")
    parser.add_argument("--processes", type=int | None, default=None, help="cells at once on this machine; default: its cores / threads")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of a cell, on which its sums depend; part of the run")
    parser.add_argument("--retries", type=int, default=1, help="how often a cell that failed is tried again")
    parser.add_argument("--engine", type=str, default="local", help="local, or ray (pip install 'gan-sntg[cluster]')")
    parser.add_argument("--address", type=str | None, default=None, help="of the Ray cluster; default: one that is started here")
    parser.add_argument("--gpus", type=float, default=0.0, help="with --engine ray: of each cell, such as 1 or 0.5")
    parser.add_argument("--out", type=str | None, default=None, help="folder of the runs; default runs/reproduce/<grid>[_scale<s>]")
    parser.add_argument("--report", type=str | None, default=None, help="folder of the report; default OUT/report")
    return parser


def run(options: Namespace) -> None:
    """Train, report, and say what failed or is left."""
    grid = load_grid(options.grid)
    cells, configs, path = make_plan(grid, options)
    collect_results(cells, configs)  # before hours are spent on what cannot be put into one table
    end = None if options.max_minutes is None else time.time() + 60 * options.max_minutes
    failed: list[Outcome] = []
    try:
        engine = make_engine(options, cells)
        with signals():
            failed = train(engine, cells, options, end)
    finally:
        report(grid, cells, configs, options, path, failed)
    if failed:
        lines = [f"{o.task.cell.folder}: {o.message} (all of it: {o.task.cell.folder.with_suffix('.log')})" for o in failed]
        raise UnhealthyError("\n  ".join([f"{len(failed)} cells failed; the same command tries them again", *lines]))
    left = [cell for cell in cells if not RunFolder(cell.folder).finished]
    if left:
        raise StoppedError(f"its time is over, with {len(left)} of {len(cells)} cells left", LATER)


def train(engine: Engine | None, cells: list[Cell], options: Namespace, end: float | None) -> list[Outcome]:
    """Run what is not finished, cells that read another's run after it; the outcomes of those that failed each time."""
    place, data = Path.cwd(), {name: os.environ[name] for name in ("GAN_SNTG_DATA", "GAN_SNTG_CACHE") if name in os.environ}
    todo = [Task(cell, options.threads, end, place, data) for cell in cells if not RunFolder(cell.folder).finished]
    remaining = Remaining(cells, options.processes or cores() // options.threads or 1)
    print(f"{len(cells)} cells, {len(cells) - len(todo)} of them finished", file=sys.stderr)
    given_up = []
    for wave in [[task for task in todo if task.cell.needed is None], [task for task in todo if task.cell.needed is not None]]:
        failed = []
        for attempt in range(options.retries + 1):
            failed = attempted(engine, [o.task for o in failed] if attempt else wave, remaining)
        given_up += failed
    return given_up


def attempted(engine: Engine | None, tasks: list[Task], remaining: Remaining) -> list[Outcome]:
    """Run tasks, with a line for each that ends; the outcomes of those that failed."""
    failed, console = [], Console(stderr=True, highlight=False)
    if not tasks:
        return []
    with closing(engine.run(tasks)) as outcomes, console.status(remaining.text()) as status:
        for outcome in outcomes:
            if outcome.status == LATER and outcome.task.end is not None:
                continue  # its time is over
            if outcome.status:
                failed.append(outcome)
            console.print(remaining.line(outcome), markup=False, soft_wrap=True)
            status.update(remaining.text())
    return failed


def make_engine(options: Namespace, cells: list[Cell]) -> Engine | None:
    """That of the options; None where there is nothing to run."""
    if all(RunFolder(cell.folder).finished for cell in cells):
        return None
    if options.engine == "ray":
        return Ray(options.address, options.gpus)
    return Local(options.processes or max(1, cores() // options.threads))


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def signals():
    """Within it, SIGTERM and SIGUSR1 end the program in good order: runs are saved, what is finished is reported."""

    def stop(number: int, _frame) -> None:
        raise StoppedError(f"{signal.Signals(number).name} came", LATER)

    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def report(grid: Grid, cells: list[Cell], configs: dict, options: Namespace, path: Path, failed: list[Outcome]) -> None:
    """Write what is finished, print the tables and say where they are."""
    runs = collect_results(cells, configs)
    if not runs:
        return
    made = {"command": command(grid, options), "grid": grid.name, "of": grid.of, "title": grid.title, "scale": options.scale}
    made |= {"words": options.words} | summarize(grid, runs)
    made |= {"heading": heading(grid, options), "notes": notes(made, cells, failed)}
    files = write_report(path, made)
    if grid.figure:
        files += picture(grid, runs, path)
    print(files[1].read_text())
    print("report:", *files, sep="\n  ")
