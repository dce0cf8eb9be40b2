"""Facts of each compared run, read from its folder alone, and warnings before they are compared."""

import io
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image

from gan_sntg.data.dataset import Dataset
from gan_sntg.data.splits import Split, load_split, read_split
from gan_sntg.errors import InputError
from gan_sntg.evaluation.fidelity_records import Measurement, comparable, measurements
from gan_sntg.evaluation.samples import grid, png
from gan_sntg.files.hashes import file_sha256
from gan_sntg.rng import purpose_generator
from gan_sntg.runs.build import read_run, source_of
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.options import flat, identity

MOST_BYTES = 10_500_000  # of all grids as PNG: base64 makes a page of 14 MB of them
REAL_IMAGES = 100  # in a grid, as many as a run keeps
GRID_FILE = re.compile(r"epoch_(\d{1,9})\.png")


@dataclass(frozen=True)
class ComparedRun:
    """One run as its folder has it; index: among those compared.

    options, place: of its configuration and of the last session, flat. rows: of metrics.jsonl. result: None while it is unfinished.
    grids: files by epoch. real: file of the training images' grid. measured: oldest first; fidelity: the one to show, if any.
    split_sha256: of split.json. test_images: their number, where it is known.
    """

    index: int
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

    def grids_at(self, epochs: list[int]) -> list[int]:
        """The epochs of the grids to show at these."""
        return sorted({e for e in map(self.grid_at, epochs) if e is not None})


class Comparison(NamedTuple):
    """What a page shows.

    epochs: those whose grids are kept. real: training images as a PNG, or None, and then `no_real` says why, "" where the data are points.
    refusal: why no fidelity can be shown, "" where it can.
    """

    runs: list[ComparedRun]
    epochs: list[int]
    real: bytes | None = None
    no_real: str = ""
    refusal: str = ""


def read_comparison(paths: list[Path], names: list[str], most_epochs: int, root: str | None = None) -> Comparison:
    """The runs in these folders, of each at most so many grids.

    The data are read, under `root` where it is given, only if no folder has real images or the number of test images.
    Raises InputError with the name of what is missing or damaged, or where the runs are not on one data set.
    """
    for path in paths:
        RunFolder(path).check_made()
    measured = {name: measurements(path) for path, name in zip(paths, names, strict=True)}
    try:
        fidelity, refusal = comparable(measured), ""
    except InputError as error:
        fidelity, refusal = {}, str(error)
    found = enumerate(zip(paths, names, strict=True))
    runs = [compared_run(k, RunFolder(path), name, measured[name], fidelity.get(name)) for k, (path, name) in found]
    check_one_data_set(paths, runs)
    runs, real, no_real = completed(runs, RunFolder(paths[0]), root)
    return Comparison(runs, shown_epochs(runs, most_epochs), real, no_real, refusal)


def compared_run(index: int, folder: RunFolder, name: str, measured: list[Measurement], fidelity: Measurement | None) -> ComparedRun:
    """The run in a folder. Raises InputError where a file of it is damaged."""
    result = folder.read_result() if folder.finished else None
    grids = [(GRID_FILE.fullmatch(path.name), path) for path in folder.samples.glob("epoch_*.png")]
    return ComparedRun(
        index=index,
        name=name,
        options=flat(identity(folder.read_options())),
        place=flat((folder.sessions() or [{}])[-1]),
        split=read_split(folder.split),
        split_sha256=file_sha256(folder.split),
        rows=folder.rows(),
        result=result,
        grids=dict(sorted((int(match[1]), path) for match, path in grids if match)),
        real=folder.real if folder.real.is_file() else None,
        measured=measured,
        fidelity=fidelity,
        test_images=(result or {}).get("test_images"),
    )


def check_one_data_set(paths: list[Path], runs: list[ComparedRun]) -> None:
    """Raise InputError where the runs were not trained on one data set."""
    data = [run.options.get("data.class_path", run.options.get("data")) for run in runs]
    for path, own in zip(paths, data, strict=True):
        if own != data[0]:
            raise InputError(f"{path} was trained on {own}, but {paths[0]} on {data[0]}; give runs on one data set")


def completed(runs: list[ComparedRun], first: RunFolder, root: str | None) -> tuple[list[ComparedRun], bytes | None, str]:
    """The runs with their numbers of test images; real images, or why there are none."""
    known = {run.split.sha256: run.test_images for run in runs if run.test_images}
    kept = next((run.real for run in runs if run.real), None)
    needed = kept is None or any(run.split.sha256 not in known for run in runs)
    source, missing = data_of(first, root) if needed else (None, "")
    if source:
        known[source.sha256] = len(source.test_y)
    counted = [replace(run, test_images=known.get(run.split.sha256)) for run in runs]
    return counted, read_png(kept)[0] if kept else real_grid(source, runs[0]) if source else None, missing


def data_of(folder: RunFolder, root: str | None) -> tuple[Dataset | None, str]:
    """The data that a run was trained on, else None and why they are not there. Nothing is downloaded."""
    try:
        _, options = read_run(folder.path)
        given = options.data.get("init_args") or {}
        if root and "root" in given:
            options.data.init_args.root = root
        if "download" in given:
            options.data.init_args.download = False
        source = source_of(options)
        load_split(folder.split, source)
    except InputError as error:
        return None, str(error)
    return source, ""


def real_grid(source: Dataset, run: ComparedRun) -> bytes | None:
    """Images of the run's pool as a PNG; None where the data are points."""
    if len(source.image_shape) != 3:
        return None
    pool = run.split.pool(source)
    order = torch.randperm(len(pool), generator=purpose_generator(0, "display"))
    return bytes(png(grid(source.train_x[pool[order[:REAL_IMAGES]]])))


def shown_epochs(runs: list[ComparedRun], most: int) -> list[int]:
    """All epochs with a grid, or `most` or fewer, so that their grids are not too large."""
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


def size_of(runs: list[ComparedRun], epochs: list[int]) -> int:
    """Bytes of all grids that are shown at these epochs."""
    return sum(run.grids[e].stat().st_size for run in runs for e in run.grids_at(epochs))


def read_png(path: Path) -> tuple[bytes, Image.Image]:
    """The bytes and the picture of a file. Raises InputError where it is damaged."""
    try:
        data = path.read_bytes()
        return data, Image.open(io.BytesIO(data), formats=["PNG"]).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} is not a readable PNG ({error}); delete it, or restore it from a copy") from error


def shortest_names(paths: list[Path]) -> list[str]:
    """The last parts of each path, as few as tell them apart, without those at the end that all share."""
    parts = [Path(os.path.abspath(path)).parts for path in paths]
    count = next(n for n in range(1, max(map(len, parts)) + 1) if len({own[-n:] for own in parts}) == len(parts))
    kept = [list(own[-count:]) for own in parts]
    while len({own[-1] for own in kept}) == 1:
        kept = [own[:-1] for own in kept]
    return ["/".join(own) for own in kept]


def all_warnings(comparison: Comparison) -> list[str]:
    """Every sentence, for those who see only the terminal."""
    runs = comparison.runs
    return [*unfinished(runs), *unpaired(runs), *([comparison.refusal] if comparison.refusal else []), *other_epochs(runs)]


def unfinished(runs: list[ComparedRun]) -> list[str]:
    """A sentence for each run without a result."""
    return [f"{run.name} is unfinished: epoch {run.epoch} of {run.options.get('epochs', '?')}." for run in runs if not run.result]


def unpaired(runs: list[ComparedRun]) -> list[str]:
    """Why a difference of errors may come from images or labels: which runs have others than the first."""
    images = [run.name for run in runs if run.split.sha256 != runs[0].split.sha256]
    splits = [run.name for run in runs if run.split_sha256 != runs[0].split_sha256]
    sentences = []
    if images:
        sentences.append(f"Other images, those tested on too, than {runs[0].name} has: {', '.join(images)} (SHA-256 of the data differ).")
    if splits:
        who = f"another split than {runs[0].name} has: {', '.join(splits)}"
        sentences.append(f"Not paired: {who}; a difference may come from the labels drawn.")
    return sentences


def other_epochs(runs: list[ComparedRun]) -> list[str]:
    """A sentence where fidelity is that of generators of different epochs."""
    epochs = {run.name: run.fidelity.generator.get("epoch") for run in runs if run.fidelity}
    if len(set(epochs.values())) < 2:
        return []
    return [f"Fidelity is that of generators after different epochs: {', '.join(f'{name} {epoch}' for name, epoch in epochs.items())}."]
