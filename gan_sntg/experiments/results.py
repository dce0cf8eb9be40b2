"""Results of a plan's finished runs; runs that were not made alike are refused."""

import json
from functools import cache
from typing import NamedTuple

from gan_sntg.errors import InputError, refusing
from gan_sntg.experiments.plan import SEEDS, Cell, Plan, configuration
from gan_sntg.files.json_files import read_json
from gan_sntg.runs.folder import BEFORE_AUTO, RunFolder
from gan_sntg.runs.options import metric_of
from gan_sntg.runs.parsing import parameters

TEST = "last", "averaged", "chosen"  # test errors of a run: of its last weights, their average, and that of best.pt
WORST = "worst_class"  # the largest error of a class, of validation images where some were held out, else of test images
HELD_OUT = "validation"  # the averaged weights' error of validation images, where some were held out


class CellResult(NamedTuple):
    """A finished run. errors: in percent by kind, `chosen` and HELD_OUT where there was validation."""

    cell: Cell
    errors: dict[str, float]
    seconds: float
    split: str
    data: str
    machine: str
    rolled_back: bool
    precision: str


Results = dict[str, list[CellResult]]  # finished runs by the cell's name, in the order of the plan


def collect(plan: Plan) -> Results:
    """Read every finished run. Raises InputError where runs do not go together."""
    results: Results = {}
    first: dict[tuple, CellResult] = {}
    for run in (read_result(cell) for cell in plan.cells if RunFolder(cell.folder).finished):
        results.setdefault(run.cell.name, []).append(run)
        column, seed = run.cell.column.key, run.cell.seed
        asked = run.cell.config["precision"]
        for part, group, which in (
            ("data", (column,), "of one column"),
            ("split", (column, seed), "of one column and seed"),
            ("precision", (column, run.cell.row.against or run.cell.row.key, asked), "of one row, or of two that are compared,"),
        ):
            other = first.setdefault((part, *group), run)
            mine, others = getattr(run, part), getattr(other, part)
            if mine != others:
                name = part if part == "precision" else f"{part} (sha256)"
                raise InputError(
                    f"the {name} of {run.cell.folder} is {mine[:16]}, of {other.cell.folder} {others[:16]}: runs {which} that "
                    "differ in that are not put into one table; move one of them away and run the same command again"
                )
    return results


def read_result(cell: Cell) -> CellResult:
    """The result of a finished cell. Raises InputError where its folder is damaged or another's."""
    folder = RunFolder(cell.folder)
    result, sessions = folder.read_result(), folder.sessions()
    with refusing(f"{folder.split} cannot be read", f"delete {cell.folder} and run the same command again"):
        data = str(read_json(folder.split)["sha256"])
    check_config(cell, result["config"])
    errors = {"last": result["test_error_last"], "averaged": result["test_error_averaged"]}
    by = f"validation_{metric_of(cell.config)}/averaged"
    if measured := [row for row in folder.rows() if row.get(by) is not None and row.get("test_error/averaged") is not None]:
        errors["chosen"] = min(measured, key=lambda row: row[by])["test_error/averaged"]  # the first epoch of the least
    if result.get("validation_error") is not None:
        errors[HELD_OUT] = result["validation_error"]
    if result.get("worst_class_error") is not None:
        errors[WORST] = result["worst_class_error"]
    session = sessions[-1] if sessions else {}
    machine = f"{session.get('device')}, torch {session.get('packages', {}).get('torch')}"
    rolled_back = result.get("rolled_back_from_step") is not None
    precision = without_seeds(result["config"])["precision"]
    return CellResult(cell, errors, result["seconds"], result["split_sha256"], data, machine, rolled_back, precision)


def check_config(cell: Cell, config: dict) -> None:
    """Raise InputError where a run's configuration is not the cell's."""
    try:
        there = without_seeds(config)
    except InputError as error:
        result = RunFolder(cell.folder).result
        raise InputError(f"{result} holds no configuration of a run ({error}); move {cell.folder} away") from error
    for name in sorted(there | cell.config):
        if there.get(name) != cell.config.get(name) and (name, cell.config.get(name)) != ("precision", "auto"):
            raise InputError(
                f"{cell.folder} holds a run of another configuration ({name}: {there.get(name)} there, {cell.config.get(name)} asked for), "
                "which is not averaged with the others; give another --out, or move that folder away"
            )


def without_seeds(config: dict) -> dict[str, str]:
    """What makes a run what it is, but for seeds: a result's configuration as of `with_defaults`."""
    return with_defaults(json.dumps({name: value for name, value in config.items() if name not in SEEDS}))


@cache
def with_defaults(config: str) -> dict[str, str]:
    """A configuration (JSON), flat, with the defaults of options that are newer. Raises InputError."""
    tree = BEFORE_AUTO | json.loads(config)
    data = tree.get("data")
    if isinstance(data, dict) and "root" in parameters(str(data.get("class_path"))):  # a place, which results leave out
        data["init_args"] = {"root": ""} | (data.get("init_args") or {})
    return configuration(tree)


def compared(results: Results, test_errors: bool) -> str:
    """The kind of error that reports and figures show: HELD_OUT where images were held out.

    test_errors: whether test errors are asked for all the same. Raises InputError where only some of the runs held images out.
    """
    held_out = [HELD_OUT in run.errors for runs in results.values() for run in runs]
    if test_errors or not any(held_out):
        return "averaged"
    if not all(held_out):
        raise InputError(
            "validation images are held out in some of the runs only, whose errors cannot be compared with those of the others; "
            "give --validation to all, after --, or --test_errors true once all is chosen"
        )
    return HELD_OUT
