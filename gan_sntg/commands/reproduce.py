"""Train a table or figure of the paper: every cell of a grid at every seed, then the report."""

import signal
import sys
import time
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Literal

from jsonargparse import Namespace
from jsonargparse.typing import NonNegativeInt, PositiveInt

from gan_sntg.errors import InputError, StoppedError, UnhealthyError
from gan_sntg.experiments.executors import Limits, Local, Ray, execute, unfinished
from gan_sntg.experiments.grid import load_grid
from gan_sntg.experiments.plan import Scale, check_labels, label_grid, make_plan
from gan_sntg.experiments.report import write_report
from gan_sntg.experiments.results import collect, compared, join_reports, missing
from gan_sntg.experiments.statistics import Interval
from gan_sntg.files.atomic import check_utf8
from gan_sntg.runs.parsing import Parser
from gan_sntg.runs.seeds import cores
from gan_sntg.runs.stopping import LATER, StopSignals

DESCRIPTION = (
    "Train every cell of a grid (configs/grids) at every seed, each a run of `gan-sntg train` of its own, and write the report. Finished "
    "cells are skipped, unfinished ones go on from their checkpoints, failed ones are tried again. Words after -- go to every train."
)
EXAMPLES = """examples:
  gan-sntg reproduce digits
  gan-sntg reproduce table4 --only 'mnist_100/*' --scale 0.1 -- --data.download true
  gan-sntg reproduce digits --seeds 5..9 --add other_machine/digits.json
  gan-sntg reproduce mnist_100/fm_gan --labels_per_class 2,5,10
"""


class GridParser(Parser):
    """A parser that leaves the words after -- as they are, in `words`."""

    def parse_args(self, args: list[str], *rest, **named) -> Namespace:
        """Parse the words before --, as Parser does."""
        own = args[: args.index("--")] if "--" in args else args
        options = super().parse_args(own, *rest, **named)
        options.words = list(args[len(own) + 1 :])
        return options


def parser() -> Parser:
    """Which grid, which of its cells, how long, where, and on what."""
    usage = "%(prog)s GRID [options] [-- options of `gan-sntg train`]\n       %(prog)s CONFIG --labels_per_class 5,10,20,40 [...]"
    parser = GridParser(prog="gan-sntg reproduce", usage=usage, description=DESCRIPTION, epilog=EXAMPLES)
    parser.add_argument("grid", type=str, help="table1 to table5, fig2 to fig6, digits or another of configs/grids, or a YAML file of one")
    labels = "as 5,10,20,40: CONFIG is one of `train`, whose error with so many labels is drawn, without and with its SNTG"
    parser.add_argument("--labels_per_class", type=str | None, default=None, help=labels)
    parser.add_argument("--seeds", type=str | None, default=None, help="0..9, or 0,3,5: of runs and of their labels; default: the grid's")
    parser.add_argument("--only", type=str, nargs="+", default=[], help="cells whose COLUMN/ROW matches, with * and ?")
    parser.add_argument("--scale", type=Scale, default=1.0, help="length of the schedules; averages, ramps and decay are scaled with it")
    parser.add_argument("--max_minutes", type=float | None, default=None, help="save, stop and report in good time before so many are over")
    parser.add_argument("--processes", type=PositiveInt, default=None, help="cells at once on this machine; default: its cores / threads")
    parser.add_argument("--threads", type=PositiveInt, default=1, help="CPU threads of a cell, on which its sums depend; part of the run")
    parser.add_argument("--retries", type=NonNegativeInt, default=1, help="how often a cell that failed is tried again")
    parser.add_argument("--engine", type=Literal["local", "ray"], default="local", help="ray needs pip install 'gan-sntg[cluster]'")
    parser.add_argument("--address", type=str | None, default=None, help="of the Ray cluster; default: one that is started here")
    parser.add_argument("--gpus", type=float, default=0.0, help="with --engine ray: of each cell, such as 1 or 0.5")
    interval = "of paired differences: Student's, or, of 10 seeds and more, the BCa bootstrap's"
    parser.add_argument("--interval", type=Interval, default="student", help=interval)
    hidden = "show test errors also where validation images are held out, once all is chosen"
    parser.add_argument("--test_errors", type=bool, default=False, help=hidden)
    added = "JSON files of earlier reports of the same grid, as of other machines, whose runs join the report and are not run again here"
    parser.add_argument("--add", type=str, nargs="+", default=[], help=added)
    parser.add_argument("--out", type=str | None, default=None, help="folder of the runs; default runs/reproduce/<grid>[_scale<s>]")
    parser.add_argument("--report", type=str | None, default=None, help="folder of the report; default OUT/report")
    return parser


def run(options: Namespace) -> None:
    """Train, report, and say what failed or is left."""
    if options.engine == "local" and (options.address or options.gpus):
        raise InputError("--address and --gpus are of --engine ray; give that too, or leave them out")
    check_utf8(Path(options.out or "."))
    by_labels = options.labels_per_class is not None
    plan, failed = make_plan(label_grid(options) if by_labels else load_grid(options.grid), options), []
    earlier, commands = join_reports(plan, options.add)
    plan = replace(plan, cells=missing(plan.cells, earlier))
    if by_labels:
        check_labels(plan)
    results = collect(plan, earlier)  # refuses, before hours are spent, what cannot be put into one table
    compared(results, options.test_errors)
    finished, more = sum(map(len, results.values())) - len(earlier), f"; {len(earlier)} runs of earlier reports" if earlier else ""
    print(f"{len(plan.cells)} cells, {finished} of them finished{more}", file=sys.stderr)
    limits = Limits(options.threads, inf if options.max_minutes is None else time.time() + 60 * options.max_minutes)
    try:
        if unfinished(plan.cells):
            with Interrupts():
                failed = execute(make_engine(options), plan.cells, limits, options.retries)
    finally:
        if results := collect(plan, earlier):
            markdown, files = write_report(plan, results, len(failed), commands)
            if plan.grid.figure:
                from gan_sntg.experiments.figures import draw  # noqa: PLC0415  loads matplotlib

                files += draw(plan, results)
            print(markdown)
            print("report:", *files, sep="\n  ")
    if failed:
        lines = [f"{o.cell.folder}: {o.message} (all of it: {o.cell.folder.with_suffix('.log')})" for o in failed]
        raise UnhealthyError("\n  ".join([f"{len(failed)} cells failed. Run the same command to try them again", *lines]))
    if n := len(unfinished(plan.cells)):
        raise StoppedError(f"Time limit reached; {n} of {len(plan.cells)} cells left. Run the same command to resume.", LATER)


def make_engine(options: Namespace) -> Local | Ray:
    """The engine of the options."""
    ray = options.engine == "ray"
    return Ray(options.address, options.gpus) if ray else Local(options.processes or max(1, cores() // options.threads))


class Interrupts(StopSignals):
    """Context in which a signal ends the program in good order, all saved and reported."""

    def note(self, number: int, _frame) -> None:
        """Raise what the program ends with, once: a terminal that is closed may say so twice."""
        again, self.signal = self.signal is not None, self.signal or number
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        if again:
            return
        raise StoppedError(f"{signal.Signals(number).name} received; runs saved. Run the same command to resume.", LATER)
