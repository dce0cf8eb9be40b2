"""What do the tables of a comparison say: errors with intervals, and where configurations differ?"""

from gan_sntg.core.evaluate import wilson
from gan_sntg.page.markup import Markup, breakable, element, folded, joined, named, table
from gan_sntg.page.run import Run

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
