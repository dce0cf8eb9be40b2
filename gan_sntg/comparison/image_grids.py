"""Sample grids of several runs side by side, with a slider over the epochs."""

import base64
import io
from typing import NamedTuple

from PIL import Image

from gan_sntg.comparison.runs import ComparedRun, Comparison, read_png

LATENT = "method.init_args.generator.init_args.latent"


class Picture(NamedTuple):
    """A PNG within the page: its data URL, size in pixels, what it shows, and its epoch."""

    source: str
    width: int
    height: int
    shows: str
    epoch: int | None = None


class Figure(NamedTuple):
    """The grids of a run at some of the epochs, one above the other, of which the last one can be seen."""

    run: int
    name: str
    pictures: list[Picture]


class Samples(NamedTuple):
    """A sentence, the slider's epochs, a figure a run that has a generator, then real images or why there are none."""

    note: str
    epochs: list[int]
    figures: list[Figure]
    real: Picture | None
    no_real: str


def sample_figures(comparison: Comparison) -> Samples:
    """What stands under Samples. Raises InputError where a grid is damaged."""
    runs, epochs = comparison.runs, comparison.epochs
    figures = [figure(k, run, epochs) for k, run in enumerate(runs) if run.has_generator]
    if not epochs:
        return Samples("No grid yet." if figures else "No run has a generator.", [], figures, None, "")
    without = ", ".join(run.name for run in runs if not run.has_generator)
    note = grid_note(runs, epochs) + (f" Without a generator: {without}." if without else "")
    real = comparison.real and picture(comparison.real, Image.open(io.BytesIO(comparison.real)), "Grid of training images")
    return Samples(note, epochs, figures, real or None, comparison.no_real or "the data are no images")


def grid_note(runs: list[ComparedRun], epochs: list[int]) -> str:
    """Whether places of the grids have the same z, and which epochs there are."""
    one_size = len({run.options.get(LATENT) for run in runs if run.has_generator}) == 1
    recorded = len({epoch for run in runs for epoch in run.grids})
    same = "The same place is the same z, in all runs and epochs."
    thinned = f" {len(epochs)} of {recorded} epochs are kept, to keep the page small." if len(epochs) < recorded else ""
    return (same if one_size else "Latent sizes differ: no z is the same in all runs.") + thinned


def figure(index: int, run: ComparedRun, epochs: list[int]) -> Figure:
    """The grids of a run that are shown at some of the epochs."""
    shown = sorted({e for e in map(run.grid_at, epochs) if e is not None})
    return Figure(index, run.name, [picture(*read_png(run.grids[e]), f"{run.name}: grid drawn at epoch {e}", e) for e in shown])


def picture(data: bytes, image: Image.Image, shows: str, epoch: int | None = None) -> Picture:
    """A PNG's bytes within the page."""
    return Picture(f"data:image/png;base64,{base64.b64encode(data).decode()}", image.width, image.height, shows, epoch)
