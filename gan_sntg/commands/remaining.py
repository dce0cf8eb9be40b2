"""How long will a grid take still? From the seconds an epoch took in runs of the same cell, else of the others."""

from collections.abc import Iterable
from statistics import fmean

from gan_sntg.commands.grids import Cell
from gan_sntg.commands.tasks import Outcome
from gan_sntg.core.documents import load_yaml
from gan_sntg.core.errors import InputError
from gan_sntg.core.record import RunFolder


class Remaining:
    """Kept for the cells of a grid that are run `processes` at once."""

    def __init__(self, cells: list[Cell], processes: int):
        """Reads what the run folders hold."""
        self.cells, self.processes = cells, processes

    def text(self) -> str:
        """How many are done, and about how long the others will take."""
        seconds = estimate((cell.name, *progress(cell)) for cell in self.cells)
        about = f", about {duration(seconds / self.processes)} left" if seconds else ""
        return f"{sum(RunFolder(cell.folder).finished for cell in self.cells)} of {len(self.cells)} cells{about}"

    def line(self, outcome: Outcome) -> str:
        """About a task that ended."""
        cell = outcome.task.cell
        if outcome.status:
            return f"{cell.name} seed {cell.seed}: status {outcome.status}: {outcome.message}"
        result = RunFolder(cell.folder).read_result()
        return f"{cell.name} seed {cell.seed}: {result['test_error_averaged']:.2f} %, {duration(result['seconds'])}; {self.text()}"


def progress(cell: Cell) -> tuple[float, float | None]:
    """Of a cell: the part of its epochs that is done, and the seconds that took, None before the first interval."""
    folder = RunFolder(cell.folder)
    try:
        if folder.finished:
            return 1.0, folder.read_result()["seconds"]
        rows = folder.rows()
        return (rows[-1]["epoch"] / load_yaml(folder.config)["epochs"], rows[-1]["seconds"]) if rows else (0.0, None)
    except (InputError, KeyError, TypeError, ZeroDivisionError):
        return 0.0, None


def estimate(cells: Iterable[tuple[str, float, float | None]]) -> float | None:
    """Seconds of work left, from (name, part done, seconds that took) of every cell; None where nothing was measured."""
    cells = list(cells)
    lengths: dict[str, list[float]] = {}
    for name, done, seconds in cells:
        if seconds and done:
            lengths.setdefault(name, []).append(seconds / done)
    if not lengths:
        return None
    other = fmean(fmean(found) for found in lengths.values())
    return sum((1 - done) * (fmean(lengths[name]) if name in lengths else other) for name, done, _ in cells)


def duration(seconds: float) -> str:
    """Rounded, such as 40 s, 12 min or 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
