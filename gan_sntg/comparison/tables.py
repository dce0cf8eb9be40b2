"""Tables of a comparison: errors with intervals, sample quality, and options that differ."""

import math

from gan_sntg.comparison.html import Markup, breakable, element, folded, joined, named, table
from gan_sntg.comparison.runs import Run
from gan_sntg.evaluation.classification import wilson
from gan_sntg.evaluation.fidelity_records import Score

BETTER = {"is": "↑", "fid": "↓", "kid": "↓", "precision": "↑", "recall": "↑"}  # by the beginning of a score's name


def fidelity(runs: list[Run], refusal: str) -> Markup:
    """A row a run that was measured, and how all of these were measured; no figure at all where `refusal` says why not."""
    measured = [(k, run) for k, run in enumerate(runs) if run.measured]
    if not measured:
        return element("p", "Not measured in any of these runs.", class_="quiet")
    if refusal:
        return joined(element("p", f"No figures: {refusal}.", class_="refusal"), ways(measured))
    left_out = ", ".join(run.name for run in runs if not run.measured)
    return joined(figures(measured), element("p", f"Not measured: {left_out}.", class_="quiet") if left_out else "", way(measured[0][1]))


def figures(measured: list[tuple[int, Run]]) -> Markup:
    """The scores with their intervals."""
    names = list(dict.fromkeys(name for _, run in measured for name in run.fidelity.scores))
    rows = [
        [named(k, run.name), *(score(run.fidelity.scores.get(name)) for name in names), run.fidelity.generator.get("epoch", NONE)]
        for k, run in measured
    ]
    interval = measured[0][1].fidelity.provenance.get("interval", "its own")
    caption = f"Sample quality, measured in one way; below each figure its interval ({interval}). ↑: more is better; ↓: less is."
    return table(caption, ["run", *map(fidelity_titled, names), "generator of epoch"], rows, "numbers")


def fidelity_titled(name: str) -> str:
    """The score's name, and which way is better where it is known."""
    return f"{name} {BETTER.get(name.partition('_')[0], '')}".strip()


def score(found: Score | None) -> Markup | str:
    """A figure and its interval."""
    if found is None:
        return NONE
    interval = f"{digits(found.low)} to {digits(found.high)}" if math.isfinite(found.low) and math.isfinite(found.high) else ""
    return joined(digits(found.value), element("small", interval) if interval else "")


def digits(value: float) -> str:
    """Four of them, the last one written though it be 0."""
    return f"{value:#.4g}".rstrip(".")


def way(run: Run) -> Markup:
    """How all were measured, on request."""
    fields = [[name, value] for name, value in sorted(run.fidelity.provenance.items())]
    return folded("How they were measured", table("How they were measured", ["field", "value"], fields))


def ways(measured: list[tuple[int, Run]]) -> Markup:
    """In what the newest measurements of the runs differ."""
    found = [{name: str(value) for name, value in run.measured[-1].provenance.items()} for _, run in measured]
    return contrast("Fields of the measurements", "field", measured, found)


NONE = "–"


def errors(runs: list[Run]) -> Markup:
    """A row a run: its errors in percent, how long it was trained, and what it shares with the others."""
    validated = any(error_of(run, "validation_error") is not None for run in runs)
    head = ["run", "test error, averaged", "test error, last", *["validation error"] * validated, "epochs", "seconds", "seed"]
    rows = []
    for k, run in enumerate(runs):
        found = [with_interval(run, name) for name in ("test_error_averaged", "test_error_last")]
        found += [percent(error_of(run, "validation_error"))] * validated
        shared = [compared([own(r) for r in runs], k) for own in (lambda r: str(r.split.data_seed), lambda r: r.split_sha256[:8])]
        rows.append([titled(k, run), *found, epochs(run), seconds(run), run.options.get("seed", NONE), *shared])
    interval = ", below them the 95 % interval (Wilson) that the number of test images allows: it says nothing of other seeds"
    known = any(run.test_images for run in runs)
    caption = f"Errors in percent of averaged and last weights{interval if known else ''}. ≠: not as in the first run."
    return table(caption, [*head, "data seed", "split"], rows, "numbers")


def titled(index: int, run: Run) -> Markup:
    """The run's name, and whether it is unfinished."""
    return named(index, run.name) if run.result else joined(named(index, run.name), " ", element("em", "unfinished"))


def error_of(run: Run, name: str) -> float | None:
    """An error of the result, else of the last row; None where there is neither."""
    if run.result:
        return run.result.get(name)
    key = {"validation_error": "validation_error/averaged"}.get(name, name.replace("test_error_", "test_error/"))
    return run.rows[-1].get(key) if run.rows else None


def with_interval(run: Run, name: str) -> Markup | str:
    """An error, and its interval where the number of test images is known."""
    error, images = error_of(run, name), run.test_images
    if error is None or not images:
        return percent(error)
    low, high = wilson(round(error * images / 100), images)
    return joined(percent(error), element("small", f"{low:.2f} to {high:.2f}"))


def percent(error: float | None) -> str:
    """With two decimals."""
    return NONE if error is None else f"{error:.2f}"


def epochs(run: Run) -> str:
    """How many of how many."""
    return str(run.result["epochs"]) if run.result else f"{run.epoch} of {run.options.get('epochs', '?')}"


def seconds(run: Run) -> str:
    """Of training."""
    found = run.result["seconds"] if run.result else run.rows[-1].get("seconds") if run.rows else None
    return NONE if found is None else f"{found:,.0f}"


def options(runs: list[Run]) -> Markup:
    """The options in which configurations differ; on request those in which they do not, and the same of versions and machines."""
    shown = list(enumerate(runs))
    places = contrast("Versions and machines", "field", shown, [run.place for run in runs])
    found = [{name.replace("init_args.", ""): value for name, value in run.options.items()} for run in runs]  # as the command line has them
    return joined(contrast("Options", "option", shown, found), folded("Versions and machines", places))


def contrast(what: str, key: str, runs: list[tuple[int, Run]], found: list[dict[str, str]]) -> Markup:
    """Names with different values, a column a run; then, on request, those with one value."""
    names = list(dict.fromkeys(name for values in found for name in values))
    columns = {name: [values.get(name, NONE) for values in found] for name in names}
    same = {name: values[0] for name, values in columns.items() if len(set(values)) == 1}
    rows = [[breakable(name), *(compared(values, k) for k in range(len(runs)))] for name, values in columns.items() if name not in same]
    head = [key, *(named(k, run.name) for k, run in runs)]
    differ = table(f"{what} that differ. ≠: not as in the first run; {NONE}: not there.", head, rows, "values")
    return joined(
        differ if rows else element("p", f"{what} do not differ.", class_="quiet"),
        folded(
            f"{what} that are the same ({len(same)})",
            table(f"{what} that are the same", [key, "value"], [[breakable(name), value] for name, value in same.items()]),
        ),
    )


def compared(values: list[str], index: int) -> Markup | str:
    """The value at `index`, marked where it is not the first one."""
    if values[index] == values[0]:
        return values[index]
    return element("b", element("span", "≠", class_="sign", title="not as in the first run"), "\u00a0", values[index], class_="differs")
