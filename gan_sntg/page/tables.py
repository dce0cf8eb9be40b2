"""What do the tables of a comparison say: errors and fidelity with intervals, and where configurations differ?"""

import math

from gan_sntg.core.evaluate import wilson
from gan_sntg.page.markup import Markup, element, folded, joined, named, table
from gan_sntg.page.run import Run
from gan_sntg.provenance import Score

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
    known = [run for run in runs if (run.result or {}).get("test_images")]
    interval = ", below them the 95 % interval (Wilson) that the number of test images allows: it says nothing of other seeds"
    some = "" if len(known) == len(runs) else " (of finished runs that have recorded it)"
    caption = f"Errors in percent of averaged and last weights{f'{interval}{some}' if known else ''}. ≠: not as in the first run."
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
    error, images = error_of(run, name), (run.result or {}).get("test_images")
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


def fidelity(runs: list[Run], refused: str | None = None) -> Markup:
    """A row a run that was measured, and how all of these were measured; or why they are refused a place side by side."""
    if refused:
        return element("p", f"Left out, since they were not measured in the same way: {refused}.")
    measured = [(k, run) for k, run in enumerate(runs) if run.fidelity]
    if not measured:
        return element("p", "Not measured in any of these runs.", class_="quiet")
    names = list(dict.fromkeys(name for _, run in measured for name in run.fidelity.scores))
    rows = [
        [named(k, run.name), *(score(run.fidelity.scores.get(name)) for name in names), run.fidelity.generator.get("epoch", NONE)]
        for k, run in measured
    ]
    caption = "Figures of sample quality, all measured in the same way, below them their intervals."
    left_out = ", ".join(run.name for run in runs if not run.fidelity)
    way = table("How they were measured", ["field", "value"], [[k, v] for k, v in sorted(measured[0][1].fidelity.provenance.items())])
    return joined(
        table(caption, ["run", *names, "epoch"], rows, "numbers"),
        element("p", f"Not measured: {left_out}.", class_="quiet") if left_out else "",
        folded("How they were measured", way),
    )


def score(found: Score | None) -> Markup | str:
    """A figure and its interval."""
    if found is None:
        return NONE
    interval = f"{found.low:.4g} to {found.high:.4g}" if math.isfinite(found.low) and math.isfinite(found.high) else ""
    return joined(f"{found.value:.4g}", element("small", interval) if interval else "")


def options(runs: list[Run]) -> Markup:
    """The options in which configurations differ; on request those in which they do not, and the same of versions and machines."""
    places = contrast("Versions and machines", "field", runs, [run.place for run in runs])
    return joined(contrast("Options", "option", runs, [run.options for run in runs]), folded("Versions and machines", places))


def contrast(what: str, key: str, runs: list[Run], found: list[dict[str, str]]) -> Markup:
    """Names with different values, a column a run; then, on request, those with one value."""
    names = list(dict.fromkeys(name for values in found for name in values))
    columns = {name: [values.get(name, NONE) for values in found] for name in names}
    same = {name: values[0] for name, values in columns.items() if len(set(values)) == 1}
    rows = [[name, *(compared(values, k) for k in range(len(runs)))] for name, values in columns.items() if name not in same]
    head = [key, *(named(k, run.name) for k, run in enumerate(runs))]
    differ = table(f"{what} that differ. ≠: not as in the first run; {NONE}: not there.", head, rows, "values")
    return joined(
        differ if rows else element("p", f"{what} do not differ.", class_="quiet"),
        folded(f"{what} that are the same ({len(same)})", table(f"{what} that are the same", [key, "value"], [*same.items()])),
    )


def compared(values: list[str], index: int) -> Markup | str:
    """The value at `index`, marked where it is not the first one."""
    if values[index] == values[0]:
        return values[index]
    return element("b", element("span", "≠", class_="sign", title="not as in the first run"), " ", values[index], class_="differs")
