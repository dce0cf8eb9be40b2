"""Searches of options on validation images: rows of a grid, values to try and seeds, from YAML."""

import random
import shlex
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from statistics import fmean

from gan_sntg.errors import InputError, UnhealthyError
from gan_sntg.experiments.executors import Limits, Local, execute
from gan_sntg.experiments.grid import KEY, Column, Row, load_grid, load_table
from gan_sntg.experiments.plan import Cell, configuration
from gan_sntg.experiments.statistics import summary
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.options import config_parser
from gan_sntg.runs.seeds import whole_numbers

RUNS = Path("runs")
BEST = 4  # trials that go on to a further stage
WATCHED = "--validation true --interval_epochs 50".split()
Trial = dict[str, str]  # values of options of the method, by name; several that go together are joined by commas


@dataclass(frozen=True)
class SearchedRow:
    """A row of the grid and the values to try of each option of its method.

    key: COLUMN/ROW, or ROW where the grid has one column; sample: how many combinations are drawn, in place of all; seeds: of each stage,
    in place of the search's.
    """

    key: str
    values: dict[str, list[str]]
    sample: int = 0
    seeds: list[str] = field(default_factory=list)

    def trials(self) -> dict[str, Trial]:
        """The combinations that are tried, by the names of their folders."""
        every = [*product(*self.values.values())]
        chosen = random.Random(0).sample(every, self.sample) if self.sample else every
        return {"-".join(trial).replace(",", "_"): dict(zip(self.values, trial, strict=True)) for trial in chosen}


@dataclass(frozen=True)
class Search:
    """The rows to search.

    seeds: of each stage, as --seeds has them; options: words of every `train`, on top of the grid's.
    """

    name: str
    grid: str
    rows: dict[str, SearchedRow]
    seeds: list[str]
    options: str = ""

    def cells(self, row: SearchedRow, trials: dict[str, Trial], seeds: list[int]) -> list[Cell]:
        """The runs of trials, below runs/<name>/search. Raises InputError for an unknown row or option."""
        grid = load_grid(self.grid)
        found = [cell for name, cell in grid.cells.items() if f"/{name}".endswith(f"/{row.key}")]
        if len(found) != 1:
            raise InputError(f"{self.name}: {row.key} names {len(found)} cells of {self.grid}; name one, as COLUMN/ROW")
        base, reader, cells = [*grid.words(*found[0]), *shlex.split(self.options)], config_parser(), []
        for name, trial in trials.items():
            words = [*base, *option_words(trial), *WATCHED]
            config, place = configuration(words, reader), (Row(name, name), Column(row.key, row.key))
            for seed in seeds:
                folder = RUNS / self.name / "search" / row.key / name / str(seed)
                cells.append(Cell(*place, seed, folder, [*words, "--seed", str(seed), "--data_seed", str(seed)], config))
        return cells

    def run(self, row: SearchedRow, processes: int) -> dict:
        """Try all trials at the seeds of the first stage, then the best at those of each further one.

        The best mean of the last stage is chosen. Finished runs are only read. Raises UnhealthyError where runs fail.
        """
        trials, scores = row.trials(), {}
        for seeds in row.seeds or self.seeds:
            cells, stage = self.cells(row, trials, whole_numbers("seeds", seeds)), {}
            for cell, error in zip(cells, validation_errors(cells, processes), strict=True):
                stage.setdefault(cell.row.key, []).append(error)
            scores |= stage
            trials = {name: trials[name] for name in sorted(stage, key=lambda name: fmean(stage[name]))[:BEST]}
        rows = [{"trial": name, "errors": errors} | summary(errors) for name, errors in scores.items()]
        return {"chosen": next(iter(trials.values())), "trials": sorted(rows, key=lambda row: (-row["n"], row["mean"]))}


def validation_errors(cells: list[Cell], processes: int) -> list[float]:
    """Run the cells, and read the averaged weights' errors. Raises UnhealthyError where runs fail."""
    if failed := execute(Local(processes), cells, Limits()):
        lines = [f"{outcome.cell.folder}: {outcome.message}" for outcome in failed]
        raise UnhealthyError("\n  ".join([f"{len(failed)} trials failed; the same command tries them again", *lines]))
    return [RunFolder(cell.folder).read_result()["validation_error"] for cell in cells]


def option_words(trial: Trial) -> list[str]:
    """The words of `train` for a trial."""
    pairs = [pair for names, values in trial.items() for pair in zip(names.split(","), values.split(","), strict=True)]
    return [word for name, value in pairs for word in (f"--method.{name}", value)]


def load_search(name: str) -> Search:
    """Read a search of configs/search, or a YAML file of one. Raises InputError."""
    return load_table(Search, name, "search", "plane", f"({KEY}/)?{KEY}")
