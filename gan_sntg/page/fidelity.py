"""What does a comparison say of sample quality? Figures that were measured in one way, and otherwise only in what the ways differ."""

import math

from gan_sntg.page.markup import Markup, element, folded, joined, named, table
from gan_sntg.page.run import Run
from gan_sntg.page.tables import NONE, contrast
from gan_sntg.provenance import Score

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
    return table(caption, ["run", *map(titled, names), "generator of epoch"], rows, "numbers")


def titled(name: str) -> str:
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
