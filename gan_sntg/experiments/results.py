"""Results of a grid's finished runs; runs that were not made alike are refused."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

from gan_sntg.errors import InputError
from gan_sntg.experiments.grid import Cell, Grid
from gan_sntg.experiments.statistics import difference, summary
from gan_sntg.files.json_files import read_json
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.options import config_parser, flat, identity

KINDS = ("last", "averaged", "chosen")  # errors of a run: of its last weights, their average, and that where validation error was least
SEEDS = ("seed", "data_seed")
CHOSEN = "validation_error/averaged"


class CellResult(NamedTuple):
    """A finished run. errors: test errors in percent by kind, `chosen` only where validation images were held out."""

    folder: Path
    seed: int
    errors: dict[str, float]
    seconds: float
    config: dict[str, str]
    split: str
    data: str
    environment: dict
    rolled_back: bool


def read_result(cell: Cell) -> CellResult:
    """Raises InputError where the folder is damaged."""
    folder = RunFolder(cell.folder)
    result, sessions = folder.read_result(), folder.sessions()
    try:
        data = read_json(folder.split)["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder.split} cannot be read ({error}); delete {cell.folder} and run the same command again") from error
    errors = {"last": result["test_error_last"], "averaged": result["test_error_averaged"]} | chosen(folder)
    own = {name: value for name, value in result["config"].items() if name not in SEEDS}
    try:
        config = asked_for(with_defaults(json.dumps(own).replace(str(cell.files), "{files}")), cell)
    except InputError as error:
        raise InputError(f"{folder.result} holds no configuration of a run ({error}); move {cell.folder} away") from error
    rolled_back = result.get("rolled_back_from_step") is not None
    environment = sessions[-1] if sessions else {}
    return CellResult(cell.folder, cell.seed, errors, result["seconds"], config, result["split_sha256"], data, environment, rolled_back)


def asked_for(config: dict[str, str], cell: Cell) -> dict[str, str]:
    """A run's flat configuration without what is its own: seeds, and the names of files beside it."""
    return {name: value.replace(str(cell.files), "{files}") for name, value in config.items() if name not in SEEDS}


@cache
def with_defaults(config: str) -> dict[str, str]:
    """A configuration (JSON) of `train`, flat, with the defaults of options that are newer than it. Raises InputError."""
    reader = config_parser()
    return flat(identity(yaml.safe_load(reader.dump(reader.parse_object(json.loads(config)), skip_unset=False))))


def chosen(folder: RunFolder) -> dict[str, float]:
    """The test error after the epoch of least validation error, the first of several; nothing where that was not measured."""
    rows = [row for row in folder.rows() if row.get(CHOSEN) is not None and row.get("test_error/averaged") is not None]
    return {"chosen": min(rows, key=lambda row: row[CHOSEN])["test_error/averaged"]} if rows else {}


def collect_results(cells: list[Cell], configs: dict[str, dict[str, str]]) -> dict[str, list[CellResult]]:
    """The finished runs of each cell's name, by seed. configs: what each name's are to be, flat and but for seeds.

    Raises InputError where a run is of another configuration, or runs that stand in one table were not made alike.
    """
    out: dict[str, list[CellResult]] = {}
    for cell in cells:
        if RunFolder(cell.folder).finished:
            out.setdefault(cell.name, []).append(read_result(cell))
    for name, runs in out.items():
        for run in runs:
            check_config(run, configs[name])
    columns: dict[str, list[CellResult]] = {}
    for name, runs in out.items():
        columns.setdefault(name.partition("/")[0], []).extend(runs)
    for runs in columns.values():
        check_alike(
            runs, lambda run: None, lambda run: {"precision": run.config.get("precision"), "the data (sha256)": run.data}, "of one column"
        )
        check_alike(runs, lambda run: run.seed, lambda run: {"the split (sha256)": run.split}, "of one column and seed")
    return out


def check_config(run: CellResult, asked: dict[str, str]) -> None:
    """Raise InputError where a run is not what the grid and the command ask for."""
    for name in sorted(run.config | asked):
        if run.config.get(name) != asked.get(name):
            raise InputError(
                f"{run.folder} holds a run of another configuration ({name}: {run.config.get(name)} there, {asked.get(name)} asked for), "
                "which is not averaged with the others; give another --out, or move that folder away"
            )


def check_alike(runs: list[CellResult], group: Callable, parts: Callable, which: str) -> None:
    """Raise InputError where two runs of a group differ in one of the parts {name: value}."""
    first: dict = {}
    for run in runs:
        other = first.setdefault(group(run), run)
        mine, others = parts(run), parts(other)
        for name in sorted(mine | others):
            if mine.get(name) != others.get(name):
                raise InputError(
                    f"{name} of {run.folder} is {short(mine.get(name))}, of {other.folder} {short(others.get(name))}: runs {which} that "
                    "differ in that are not put into one table; move one of them away and run the same command again"
                )


def short(value: str | None) -> str:
    """The beginning."""
    return str(value)[:16]


def summarize(grid: Grid, runs: dict[str, list[CellResult]]) -> dict:
    """{"cells": by name, "differences": by "column: row - row"}: what the report prints, and every error."""
    cells = {}
    for row, column in grid.pairs():
        name = f"{column.key}/{row.key}"
        if name in runs:
            cells[name] = {"row": row.name, "column": column.name, "paper": row.paper.get(column.key)} | figures(runs[name])
    differences = {}
    for row, column in grid.pairs():
        names = f"{column.key}/{row.key}", f"{column.key}/{row.against}"
        if row.against and all(name in runs for name in names):
            mine, other = ({run.seed: run.errors["averaged"] for run in runs[name]} for name in names)
            if mine.keys() & other.keys():
                key = f"{column.name}: {row.name} - {grid.rows[row.against].name}"
                differences[key] = difference(other, mine)
    return {"cells": cells, "differences": differences}


def figures(runs: list[CellResult]) -> dict:
    """Errors of each kind with their summary, and how the runs were made."""
    kinds = {kind: [run.errors[kind] for run in runs] for kind in KINDS if all(kind in run.errors for run in runs)}
    first = runs[0]
    made = {
        "seeds": [run.seed for run in runs],
        "errors": {kind: {"values": values} | summary(values) for kind, values in kinds.items()},
        "precision": first.config.get("precision"),
        "epochs": first.config.get("epochs"),
        "data_sha256": first.data,
        "split_sha256": [run.split for run in runs],
        "rolled_back": [run.seed for run in runs if run.rolled_back],
    }
    machines = sorted({f"{run.environment.get('device')}, torch {run.environment.get('packages', {}).get('torch')}" for run in runs})
    return made | {"seconds": [run.seconds for run in runs], "machines": machines}
