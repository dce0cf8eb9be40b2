"""What does a comparison know of a run, and which of its grids does it show?"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from gan_sntg.core.data.splits import Split
from gan_sntg.core.errors import InputError
from gan_sntg.provenance import Measurement

LATENT = "method.init_args.generator.init_args.latent"
MOST_BYTES = 10_500_000  # of all grids as PNG: base64 makes a page of 14 MB of them


@dataclass(frozen=True)
class Run:
    """What is read from its folder.

    options, place: of its configuration and of the last session, flat. rows: of metrics.jsonl. result: None while it is unfinished.
    grids: files by epoch. real: file of the training images' grid. measured: oldest first; fidelity: the one to show, if any.
    split_sha256: of split.json. test_images: their number, where it is known.
    """

    name: str
    options: dict[str, str]
    place: dict[str, str]
    split: Split
    split_sha256: str
    rows: list[dict]
    result: dict | None
    grids: dict[int, Path]
    real: Path | None
    measured: list[Measurement]
    fidelity: Measurement | None
    test_images: int | None

    @property
    def epoch(self) -> int:
        """The last one that is recorded; 0 where none is."""
        return self.rows[-1]["epoch"] if self.rows else 0

    @property
    def has_generator(self) -> bool:
        """Whether its method has one, which may not have drawn yet."""
        return bool(self.grids) or any(key.startswith("method.init_args.generator.") for key in self.options)

    def grid_at(self, epoch: int) -> int | None:
        """The epoch of the grid to show at `epoch`: that one, else the nearest before it, if any."""
        return max((e for e in self.grids if e <= epoch), default=None)


class Real(NamedTuple):
    """Training images as a PNG, or why there are none."""

    picture: bytes | None
    missing: str = ""


class Comparison(NamedTuple):
    """What a page shows. epochs: those whose grids are kept; refusal: why no fidelity can be shown, "" where it can."""

    runs: list[Run]
    epochs: list[int]
    real: Real
    refusal: str = ""


def shown_epochs(runs: list[Run], most: int) -> list[int]:
    """All epochs with a grid of any run; where they are more than `most`, or their grids too large, fewer, with the first and the last."""
    epochs = sorted({epoch for run in runs for epoch in run.grids})
    count = min(most, len(epochs))
    while count > 2 and size_of(runs, spread(epochs, count)) > MOST_BYTES:
        count -= 1
    return spread(epochs, count)


def spread(epochs: list[int], count: int) -> list[int]:
    """`count` of the epochs, evenly, with the first and the last."""
    if count >= len(epochs):
        return epochs
    return [epochs[round(k * (len(epochs) - 1) / (count - 1))] for k in range(count)]


def size_of(runs: list[Run], epochs: list[int]) -> int:
    """Bytes of all grids that are shown at these epochs."""
    return sum(run.grids[e].stat().st_size for run in runs for e in {run.grid_at(epoch) for epoch in epochs} if e is not None)


def read_png(path: Path) -> tuple[bytes, Image.Image]:
    """The bytes and the picture. Raises InputError where the file is damaged."""
    try:
        data = path.read_bytes()
        picture = Image.open(io.BytesIO(data), formats=["PNG"])
        return data, picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} is not a readable PNG ({error}); delete it, or restore it from a copy") from error
