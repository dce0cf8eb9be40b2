"""Tables of a comparison: errors with intervals, sample quality, and options that differ."""

import math
from typing import NamedTuple

from gan_sntg.comparison.runs import ComparedRun
from gan_sntg.evaluation.classification import wilson
from gan_sntg.evaluation.fidelity_records import Measurement, Score

BETTER = {"is": "↑", "fid": "↓", "kid": "↓", "precision": "↑", "recall": "↑"}  # by the beginning of a score's name
NONE = "–"
INTERVAL = ", below them the 95 % interval (Wilson) that the number of test images allows: it says nothing of other seeds"


class Cell(NamedTuple):
    """A text, what stands below it in small letters, and what marks it: a run's sign, a remark, or that it is not the first run's."""

    text: str
    below: str = ""
    run: int | None = None
    remark: str = ""
    differs: bool = False


class Table(NamedTuple):
    """A table whose head titles the columns; the first cell of a row titles the row."""

    caption: str
    head: list[Cell]
    rows: list[list[Cell]]
    numeric: bool = False


class Paragraph(NamedTuple):
    """A sentence."""

    text: str
    quiet: bool = True


class Folded(NamedTuple):
    """What is shown on request only."""

    summary: str
    blocks: list["Table | Paragraph | Folded"]


Block = Table | Paragraph | Folded


def cells(*texts: str) -> list[Cell]:
    """Plain ones."""
    return [Cell(text) for text in texts]


def fidelity_blocks(runs: list[ComparedRun], refusal: str) -> list[Block]:
    """A row a run that was measured, and how all of these were measured; no figure at all where `refusal` says why not."""
    measured = [(k, run) for k, run in enumerate(runs) if run.measured]
    if not measured:
        return [Paragraph("Not measured in any of these runs.")]
    if refusal:
        newest = [{name: str(value) for name, value in run.measured[-1].provenance.items()} for _, run in measured]
        return [Paragraph(f"No figures: {refusal}.", quiet=False), *contrast("Fields of the measurements", "field", measured, newest)]
    shown = [(k, run.name, run.fidelity) for k, run in measured if run.fidelity]
    left_out = ", ".join(run.name for run in runs if not run.measured)
    how = "How they were measured"
    fields = [cells(name, str(value)) for name, value in sorted(shown[0][2].provenance.items())]
    blocks = [score_table(shown), *([Paragraph(f"Not measured: {left_out}.")] if left_out else [])]
    return [*blocks, Folded(how, [Table(how, cells("field", "value"), fields)])]


def score_table(measured: list[tuple[int, str, Measurement]]) -> Table:
    """The scores with their intervals, a row for (index, name, measurement) of each run."""
    names = list(dict.fromkeys(name for _, _, found in measured for name in found.scores))
    rows = [
        [Cell(name, run=k), *(score_cell(found.scores.get(s)) for s in names), Cell(str(found.generator.get("epoch", NONE)))]
        for k, name, found in measured
    ]
    titles = [f"{name} {BETTER.get(name.partition('_')[0], '')}".strip() for name in names]
    interval = measured[0][2].provenance.get("interval", "its own")
    caption = f"Sample quality, measured in one way; below each figure its interval ({interval}). ↑: more is better; ↓: less is."
    return Table(caption, cells("run", *titles, "generator of epoch"), rows, numeric=True)


def score_cell(score: Score | None) -> Cell:
    """A figure and its interval."""
    if score is None:
        return Cell(NONE)
    finite = math.isfinite(score.low) and math.isfinite(score.high)
    return Cell(four_digits(score.value), f"{four_digits(score.low)} to {four_digits(score.high)}" if finite else "")


def four_digits(value: float) -> str:
    """The last one is written though it be 0."""
    return f"{value:#.4g}".rstrip(".")


def error_table(runs: list[ComparedRun]) -> Table:
    """A row a run: its errors in percent, how long it was trained, and what it shares with the others."""
    validated = any(error_of(run, "validation_error") is not None for run in runs)
    head = ["run", "test error, averaged", "test error, last", *["validation error"] * validated, "epochs", "seconds", "seed"]
    seeds, splits = [str(run.split.data_seed) for run in runs], [run.split_sha256[:8] for run in runs]
    rows = []
    for k, run in enumerate(runs):
        errors = [error_cell(run, name) for name in ("test_error_averaged", "test_error_last")]
        errors += [Cell(percent(error_of(run, "validation_error")))] * validated
        seconds = run.result["seconds"] if run.result else run.rows[-1].get("seconds") if run.rows else None
        epochs = str(run.result["epochs"]) if run.result else f"{run.epoch} of {run.options.get('epochs', '?')}"
        length = cells(epochs, NONE if seconds is None else f"{seconds:,.0f}", run.options.get("seed", NONE))
        name = Cell(run.name, run=k, remark="" if run.result else "unfinished")
        rows.append([name, *errors, *length, compared(seeds, k), compared(splits, k)])
    interval = INTERVAL if any(run.test_images for run in runs) else ""
    caption = f"Errors in percent of averaged and last weights{interval}. ≠: not as in the first run."
    return Table(caption, cells(*head, "data seed", "split"), rows, numeric=True)


def error_of(run: ComparedRun, name: str) -> float | None:
    """An error of the result, else of the last row; None where there is neither."""
    if run.result:
        return run.result.get(name)
    key = {"validation_error": "validation_error/averaged"}.get(name, name.replace("test_error_", "test_error/"))
    return run.rows[-1].get(key) if run.rows else None


def error_cell(run: ComparedRun, name: str) -> Cell:
    """An error, and its interval where the number of test images is known."""
    error, images = error_of(run, name), run.test_images
    if error is None or not images:
        return Cell(percent(error))
    low, high = wilson(round(error * images / 100), images)
    return Cell(percent(error), f"{low:.2f} to {high:.2f}")


def percent(error: float | None) -> str:
    """With two decimals."""
    return NONE if error is None else f"{error:.2f}"


def option_blocks(runs: list[ComparedRun]) -> list[Block]:
    """The options in which configurations differ; on request those in which they do not, and the same of versions and machines."""
    shown = list(enumerate(runs))
    options = [{name.replace("init_args.", ""): value for name, value in run.options.items()} for run in runs]
    places = "Versions and machines"
    folded = Folded(places, contrast(places, "field", shown, [run.place for run in runs]))
    return [*contrast("Options", "option", shown, options), folded]


def contrast(what: str, key: str, runs: list[tuple[int, ComparedRun]], found: list[dict[str, str]]) -> list[Block]:
    """Names with different values, a column a run; then, on request, those with one value."""
    values = {name: [own.get(name, NONE) for own in found] for name in dict.fromkeys(name for own in found for name in own)}
    same = [cells(name, own[0]) for name, own in values.items() if len(set(own)) == 1]
    rows = [[Cell(name), *(compared(own, k) for k in range(len(own)))] for name, own in values.items() if len(set(own)) > 1]
    head = [Cell(key), *(Cell(run.name, run=k) for k, run in runs)]
    caption = f"{what} that differ. ≠: not as in the first run; {NONE}: not there."
    differ = Table(caption, head, rows) if rows else Paragraph(f"{what} do not differ.")
    title = f"{what} that are the same"
    return [differ, Folded(f"{title} ({len(same)})", [Table(title, cells(key, "value"), same)])]


def compared(values: list[str], index: int) -> Cell:
    """The value at `index`, marked where it is not the first one."""
    return Cell(values[index], differs=values[index] != values[0])
