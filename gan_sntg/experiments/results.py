"""Results of a plan's finished runs, here and in earlier reports; unlike runs are refused."""

import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from gan_sntg.errors import InputError, refusing
from gan_sntg.experiments.plan import SEEDS, Cell, Plan, config_hashes, configuration, plan_cells
from gan_sntg.files.json_files import is_number, read_json
from gan_sntg.runs.folder import BEFORE_AUTO, RunFolder
from gan_sntg.runs.options import metric_of
from gan_sntg.runs.parsing import parameters

TEST = "last", "averaged", "chosen"  # test errors of a run: of its last weights, their average, and that of best.pt
WORST = "worst_class"  # the largest error of a class, of validation images where some were held out, else of test images
HELD_OUT = "validation"  # the averaged weights' error of validation images, where some were held out


class CellResult(NamedTuple):
    """A finished run. errors: in percent by kind, `chosen` and HELD_OUT where there was validation.

    checked: whether its configuration is known to be the cell's.
    """

    cell: Cell
    errors: dict[str, float]
    seconds: float
    split: str
    data: str
    machine: str
    rolled_back: bool
    precision: str
    checked: bool = True


FROM_ERRORS = "noise", "labels"  # kinds of figure that are drawn from errors alone
Earlier = dict[tuple[str, int], CellResult]  # runs of earlier reports by the cell's name and seed
Results = dict[str, list[CellResult]]  # finished runs by the cell's name, in the order of the plan


def collect(plan: Plan, earlier: Earlier | None = None) -> Results:
    """Read every finished run. Raises InputError where runs do not go together.

    earlier: those of earlier reports, which stand beside them.
    """
    results: Results = {}
    first: dict[tuple, CellResult] = {}
    runs = {(cell.name, cell.seed): read_result(cell) for cell in plan.cells if RunFolder(cell.folder).finished} | (earlier or {})
    place = {name: k for k, name in enumerate(plan.grid.cells)}
    for run in (runs[key] for key in sorted(runs, key=lambda key: (place[key[0]], key[1]))):
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


def join_reports(plan: Plan, paths: Iterable[str]) -> tuple[Earlier, list[str]]:
    """Runs of reports (JSON files) that are not finished here, and the commands that made them.

    A report may hold other cells and seeds than the plan. Raises InputError where it is of another grid, scale or options of `train`,
    where a run's configuration is another than the grid's of today, and where two reports hold one run.
    """
    here, found, commands = {(cell.name, cell.seed) for cell in plan.cells if RunFolder(cell.folder).finished}, {}, []
    for path in map(Path, paths):
        with refusing(f"--add {path} is no report of `gan-sntg reproduce`", "give the JSON file that it wrote"):
            made = read_json(path)
            check_report(plan, path, made)
            runs = {(run.cell.name, run.cell.seed): run for run in runs_of(plan, path, made)}
            own = [str(command) for command in (made["command"], *made.get("added", []))]
        if twice := sorted(found.keys() & runs.keys()):
            name, seed = twice[0]
            other = found[name, seed].cell.folder.parents[2]
            raise InputError(f"--add: {path} and {other} both hold {name}, seed {seed}; give one of them")
        found |= {run: result for run, result in runs.items() if run not in here}
        commands += own if runs.keys() - here else []
    return found, list(dict.fromkeys(commands))


def check_report(plan: Plan, path: Path, made: dict) -> None:
    """Raise InputError unless runs of a report may stand beside those of the plan."""
    kind = plan.grid.figure.get("kind")
    if kind not in (None, *FROM_ERRORS):
        raise InputError(f"--add: {plan.grid.name} ends in a figure, which is drawn from run folders; copy those to --out")
    for part, there, asked in (("grid", made["grid"], plan.grid.name), ("scale", made["scale"], plan.options.scale)):
        if there != asked:
            raise InputError(f"--add {path}: {part} {there} there, {asked} here; runs of the two are not averaged")
    if absent := sorted(made["cells"].keys() - plan.grid.cells.keys()):
        raise InputError(f"--add {path} holds {absent[0]}, which {plan.grid.name} does not have")


def runs_of(plan: Plan, path: Path, made: dict) -> Iterator[CellResult]:
    """Every run of a report.

    Raises InputError where its configuration is another, or test errors are asked for and not there.
    """
    for name, found in made["cells"].items():
        row, column = plan.grid.cells[name]
        if not all(isinstance(seed, int) for seed in found["seeds"]):
            raise ValueError(f"the seeds of {name} are {found['seeds']}")
        for k, cell in enumerate(plan_cells(plan.grid, [(row, column)], found["seeds"], path, plan.options)):
            checked = compare(path, cell, found, list(made["words"]) == plan.options.words)
            errors = {kind: percent(error["values"][k]) for kind, error in found["errors"].items()}
            if "averaged" not in errors and (plan.options.test_errors or HELD_OUT not in errors):
                raise InputError(f"--add {path} does not show test errors; make it again with --test_errors true")
            split, seconds, rolled_back = str(found["split_sha256"][k]), float(found["seconds"][k]), cell.seed in found["rolled_back"]
            made_on, precision = (str(found["data_sha256"]), " or ".join(found["machines"])), str(found["precision"])
            yield CellResult(cell, errors, seconds, split, *made_on, rolled_back, precision, checked)


def compare(path: Path, cell: Cell, found: dict, same_words: bool) -> bool:
    """Whether a report's cell is known to be of the grid's configuration.

    It is not where another version made it, with other options; same_words: whether its words after -- are those of now, by which that
    is judged. Raises InputError where it is of another.
    """
    hashes = config_hashes(cell.config)
    checked = found.get("options_sha256") == hashes["options_sha256"]
    same = found["config_sha256"] == hashes["config_sha256"] if checked else same_words
    if not same or found["epochs"] != cell.config["epochs"]:
        raise InputError(f"--add {path}: {cell.name} is of another configuration than is asked for here; runs of the two are not averaged")
    return checked


def percent(value: float) -> float:
    """An error as it stands in a report. Raises ValueError for what is none."""
    if not is_number(value) or not 0 <= value <= 100:
        raise ValueError(f"{value} is no error in percent")
    return float(value)
