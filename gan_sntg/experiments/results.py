"""Results of a plan's finished runs, here and in earlier reports; unlike runs are refused."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from gan_sntg.errors import InputError, refusing
from gan_sntg.experiments.plan import SEEDS, Cell, Plan, configuration, plan_cells
from gan_sntg.files.json_files import is_number, read_json
from gan_sntg.runs.folder import BEFORE_AUTO, RunFolder
from gan_sntg.runs.options import metric_of
from gan_sntg.runs.parsing import parameters

TEST = "last", "averaged", "chosen"  # test errors of a run: of its last weights, their average, and that of best.pt
WORST = "worst_class"  # the largest error of a class, of validation images where some were held out, else of test images
HELD_OUT = "validation"  # the averaged weights' error of validation images, where some were held out


class CellResult(NamedTuple):
    """A finished run. errors: in percent by kind, `chosen` and HELD_OUT where there was validation.

    machines: of an earlier report's run those that its cell names; config: its `identity`, a tree without seeds.
    """

    cell: Cell
    errors: dict[str, float]
    seconds: float
    split: str
    data: str
    machines: tuple[str, ...]
    rolled_back: bool
    config: dict

    @property
    def precision(self) -> str:
        """The precision that it was trained in."""
        return without_seeds(self.config)["precision"]


FROM_ERRORS = "noise", "labels"  # kinds of figure that are drawn from errors alone
Earlier = dict[tuple[str, int], CellResult]  # runs of earlier reports by the cell's name and seed
Results = dict[str, list[CellResult]]  # finished runs by the cell's name, in the order of the grid, seeds rising


def collect(plan: Plan, earlier: Earlier | None = None) -> Results:
    """Read every finished run. Raises InputError where runs do not go together.

    earlier: those of earlier reports, which stand beside them.
    """
    results: Results = {}
    first: dict[tuple, CellResult] = {}
    own = {(cell.name, cell.seed): read_result(cell) for cell in plan.cells if RunFolder(cell.folder).finished}
    runs = (earlier or {}) | own
    place = {name: k for k, name in enumerate(plan.grid.cells)}
    for run in (runs[key] for key in sorted(runs, key=lambda key: (place[key[0]], key[1]))):
        results.setdefault(run.cell.name, []).append(run)
        column, seed = run.cell.column.key, run.cell.seed
        for part, group, which in (
            ("data", (column,), "of one column"),
            ("split", (column, seed), "of one column and seed"),
            ("precision", compared_in(run.cell), "of one row, or of two that are compared,"),
        ):
            other = first.setdefault((part, *group), run)
            mine, others = getattr(run, part), getattr(other, part)
            if mine != others:
                name = part if part == "precision" else f"{part} (sha256)"
                raise InputError(
                    f"the {name} of {run.cell.folder} is {mine[:16]}, of {other.cell.folder} {others[:16]}: runs {which} that "
                    "differ in that are not put into one table; move one away, or leave its report out of --add, and run the command again"
                )
    return results


def compared_in(cell: Cell) -> tuple[str, str, str]:
    """Column, row compared with, and asked precision; runs that share them must be of one precision."""
    return cell.column.key, cell.row.against or cell.row.key, cell.config["precision"]


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
    config = {name: value for name, value in result["config"].items() if name not in SEEDS}
    return CellResult(cell, errors, result["seconds"], result["split_sha256"], data, (machine,), rolled_back, config)


def check_config(cell: Cell, config: dict) -> None:
    """Raise InputError where a run's configuration is not the cell's."""
    try:
        difference = differing(cell, config)
    except InputError as error:
        result = RunFolder(cell.folder).result
        raise InputError(f"{result} holds no configuration of a run ({error}); move {cell.folder} away") from error
    if difference:
        raise InputError(
            f"{cell.folder} holds a run of another configuration ({difference}), which is not averaged with the others; give another "
            "--out, or move that folder away"
        )


def differing(cell: Cell, config: dict) -> str | None:
    """The first option in which a run's configuration is not the cell's, with both values, or None.

    Raises InputError where it is no configuration.
    """
    there = without_seeds(config)
    for name in sorted(there | cell.config):
        if there.get(name) != cell.config.get(name) and (name, cell.config.get(name)) != ("precision", "auto"):
            return f"{name}: {there.get(name)} there, {cell.config.get(name)} asked for"
    return None


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


def join_reports(plan: Plan, paths: Iterable[str]) -> tuple[Earlier, list[str]]:
    """Runs of reports (JSON files) that are not finished here, and the commands that made them.

    A report may hold other cells and seeds than the plan. Raises InputError where it is of another grid or scale, where a run's
    configuration is another than the grid's of now or is not known, and where two reports hold one run.
    """
    here, found, commands = {(cell.name, cell.seed) for cell in plan.cells if RunFolder(cell.folder).finished}, {}, []
    for path in map(Path, paths):
        with refusing(f"--add {path} is no report of `gan-sntg reproduce`", "give the JSON file that it wrote"):
            made = read_json(path)
            check_report(plan, path, made)
            runs = {(run.cell.name, run.cell.seed): run for run in runs_of(plan, path, made)}
            own = [str(command) for command in (made["command"], *made.get("added", [])) if command != plan.command]
        if twice := sorted(found.keys() & runs.keys()):
            name, seed = twice[0]
            other = found[name, seed].cell.folder.parents[2]
            raise InputError(f"--add: {path} and {other} both hold {name}, seed {seed}; give one of them")
        found |= {run: result for run, result in runs.items() if run not in here}
        commands += own if runs.keys() - here else []
    return found, list(dict.fromkeys(commands))


def missing(cells: list[Cell], earlier: Earlier) -> list[Cell]:
    """The cells that no earlier report holds.

    Automatic precision becomes that of the earlier runs that they are compared with.
    """
    found = {compared_in(run.cell): run.precision for run in earlier.values()}
    left = (cell for cell in cells if (cell.name, cell.seed) not in earlier)
    known = ((cell, found.get(compared_in(cell)) if cell.config["precision"] == "auto" else None) for cell in left)
    return [replace(cell, words=[*cell.words, "--precision", precision]) if precision else cell for cell, precision in known]


def check_report(plan: Plan, path: Path, made: dict) -> None:
    """Raise InputError unless runs of a report may stand beside those of the plan."""
    if plan.grid.figure.get("kind") not in (None, *FROM_ERRORS) or any(row.needs or row.first for row in plan.grid.rows.values()):
        raise InputError(f"--add: {plan.grid.name} draws or reads what is in run folders; copy those to --out")
    for part, there, asked in (("grid", made["grid"], plan.grid.name), ("scale", made["scale"], plan.options.scale)):
        if there != asked:
            raise InputError(f"--add {path}: {part} {there} there, {asked} here; runs of the two are not averaged")
    if absent := sorted(made["cells"].keys() - plan.grid.cells.keys()):
        raise InputError(f"--add {path} holds {absent[0]}, which {plan.grid.name} does not have")


def runs_of(plan: Plan, path: Path, made: dict) -> Iterator[CellResult]:
    """Every run of a report. Raises InputError where its configuration is another; see `check_shown`."""
    for name, found in made["cells"].items():
        row, column = plan.grid.cells[name]
        if not all(isinstance(seed, int) for seed in found["seeds"]):
            raise ValueError(f"the seeds of {name} are {found['seeds']}")
        if "config" not in found:
            raise InputError(f"--add {path} is of an earlier version, whose reports hold no configurations; its runs cannot be compared")
        for k, cell in enumerate(plan_cells(plan.grid, [(row, column)], found["seeds"], path, plan.options)):
            if difference := differing(cell, found["config"]):
                raise InputError(f"--add {path}: {name} is of another configuration ({difference}); runs of the two are not averaged")
            errors = {kind: percent(error["values"][k]) for kind, error in found["errors"].items()}
            check_shown(path, set(errors), plan.options.test_errors)
            split, data, machines = str(found["split_sha256"][k]), str(found["data_sha256"]), tuple(map(str, found["machines"]))
            rolled_back, seconds = cell.seed in found["rolled_back"], float(found["seconds"][k])
            yield CellResult(cell, errors, seconds, split, data, machines, rolled_back, found["config"])


def check_shown(path: Path, kinds: set[str], test_errors: bool) -> None:
    """Check that a report shows test errors where they are asked for or no images were held out.

    Raises InputError.
    """
    if HELD_OUT not in kinds and "averaged" not in kinds:
        raise ValueError("a cell has no errors")
    if HELD_OUT in kinds and test_errors and "averaged" not in kinds:
        raise InputError(f"--add {path} hides its test errors; leave --test_errors out, or make that report again with it")
    if HELD_OUT in kinds and not test_errors and "averaged" in kinds:
        raise InputError(f"--add {path} shows test errors, which this report would hide; give --test_errors true")


def percent(value: float) -> float:
    """An error as it stands in a report. Raises ValueError for what is none."""
    if not is_number(value) or not 0 <= value <= 100:
        raise ValueError(f"{value} is no error in percent")
    return float(value)
