"""Facts of compared runs, read from their folders alone, warnings, and groups of one configuration."""

import io
import os
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from gan_sntg.data.dataset import Dataset
from gan_sntg.data.recorded import RecordedData
from gan_sntg.data.splits import load_split, read_split
from gan_sntg.errors import InputError, advice_to_readers, refusing
from gan_sntg.evaluation.fidelity_records import Measurement, comparable, measurements
from gan_sntg.evaluation.samples import grid, png
from gan_sntg.experiments.results import without_seeds
from gan_sntg.experiments.statistics import mcnemar
from gan_sntg.files.array_files import file_sha256
from gan_sntg.files.mapped import indexed
from gan_sntg.rng import purpose_generator
from gan_sntg.runs.build import read_run, source_of
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.options import flat, identity

MOST_BYTES = 10_500_000  # of all grids as PNG: base64 makes a page of 14 MB of them
REAL_IMAGES = 100  # in a grid, as many as a run keeps
GRID_FILE = re.compile(r"epoch_(\d{1,9})\.png")


class ComparedRun:
    """One run as its folder has it.

    options, place: of its configuration and of the last session, flat. rows: of metrics.jsonl. result: None while it is unfinished.
    grids: files by epoch. real: file of the training images' grid. measured: oldest first; fidelity: the one to show, if any.
    test_images: their number, where it is known. epoch: the last that is recorded, else 0. has_generator: one that may not have drawn yet.
    """

    def __init__(self, index: int, name: str, folder: RunFolder):
        """index: among those compared. Raises InputError where there is no run, or a file of it is damaged."""
        folder.check_made()
        self.index, self.name, self.folder = index, name, folder
        self.measured = measurements(folder.path)
        self.fidelity: Measurement | None = None
        self.result = folder.read_result() if folder.finished else None
        self.options = flat(identity(folder.read_options()))
        self.place = flat((folder.sessions() or [{}])[-1])
        self.split, self.split_sha256 = read_split(folder.split), file_sha256(folder.split)
        self.rows = folder.rows()
        found = [(GRID_FILE.fullmatch(path.name), path) for path in folder.samples.glob("epoch_*.png")]
        self.grids = dict(sorted((int(match[1]), path) for match, path in found if match))
        self.real = folder.real if folder.real.is_file() else None
        self.test_images = (self.result or {}).get("test_images") or recorded_tests(folder)
        self.epoch = self.rows[-1]["epoch"] if self.rows else 0
        self.has_generator = bool(self.grids) or any(key.startswith("method.init_args.generator.") for key in self.options)

    def grid_at(self, epoch: int) -> int | None:
        """The epoch of the grid to show at `epoch`: that one, else the nearest before it, if any."""
        return max((e for e in self.grids if e <= epoch), default=None)

    def captioned(self, epoch: int) -> tuple[str, Image.Image | None]:
        """The name and the grid at `epoch`, or the nearest before it, whose epoch is then in the caption."""
        at = self.grid_at(epoch)
        if at is None:
            return f"{self.name} (no grid yet)", None
        return self.name if at == epoch else f"{self.name} (epoch {at})", read_png(self.grids[at])[1]

    def grids_at(self, epochs: list[int]) -> list[int]:
        """The epochs of the grids to show at these."""
        return sorted({e for e in map(self.grid_at, epochs) if e is not None})


def recorded_tests(folder: RunFolder) -> int | None:
    """A run's number of test images, where its folder holds it. Raises InputError if damaged."""
    return RecordedData(str(folder.data)).facts.test_examples if folder.data.is_file() else None


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
    runs, refusal = [ComparedRun(k, name, RunFolder(path)) for k, (path, name) in enumerate(zip(paths, names, strict=True))], ""
    try:
        for name, shown in comparable({run.name: run.measured for run in runs}).items():
            runs[names.index(name)].fidelity = shown
    except InputError as error:
        refusal = str(error)
    data = [run.options.get("data.class_path", run.options.get("data")) for run in runs]
    for path, own in zip(paths, data, strict=True):
        if own != data[0]:
            raise InputError(f"{path} was trained on {own}, but {paths[0]} on {data[0]}; give runs on one data set")
    real, no_real = complete(runs, root)
    return Comparison(runs, shown_epochs(runs, most_epochs), real, no_real, refusal)


def complete(runs: list[ComparedRun], root: str | None) -> tuple[bytes | None, str]:
    """Give the runs their numbers of test images; real images as a PNG, or None and why there are none."""
    known = {run.split.sha256: run.test_images for run in runs if run.test_images}
    kept = next((run.real for run in runs if run.real), None)
    needed = kept is None or any(run.split.sha256 not in known for run in runs)
    source, missing = data_of(runs[0].folder, root) if needed else (None, "")
    if source:
        known[source.sha256] = len(source.test_y)
    for run in runs:
        run.test_images = known.get(run.split.sha256)
    return read_png(kept)[0] if kept else real_grid(source, runs[0]) if source else None, missing


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
        return None, advice_to_readers(str(error), ["root"])
    return source, ""


def real_grid(source: Dataset, run: ComparedRun) -> bytes | None:
    """Images of the run's pool as a PNG; None where the data are points."""
    if len(source.image_shape) != 3:
        return None
    pool = run.split.pool(source)
    order = torch.randperm(len(pool), generator=purpose_generator(0, "display"))
    return bytes(png(grid(source.pixels.shown(indexed(source.train_x, pool[order[:REAL_IMAGES]])))))


def shown_epochs(runs: list[ComparedRun], most: int) -> list[int]:
    """All epochs with a grid, or `most` or fewer, so that their grids are not too large."""
    epochs = sorted({epoch for run in runs for epoch in run.grids})
    for count in range(min(most, len(epochs)), 2, -1):
        kept = spread(epochs, count)
        if sum(run.grids[e].stat().st_size for run in runs for e in run.grids_at(kept)) <= MOST_BYTES:
            return kept
    return spread(epochs, 2)


def spread(epochs: list[int], count: int) -> list[int]:
    """`count` of the epochs, evenly, with the first and the last."""
    if count >= len(epochs):
        return epochs
    return [epochs[round(k * (len(epochs) - 1) / (count - 1))] for k in range(count)]


def read_png(path: Path) -> tuple[bytes, Image.Image]:
    """The bytes and the picture of a file. Raises InputError where it is damaged."""
    with refusing(f"{path} is not a readable PNG", "delete it, or restore it from a copy"):
        data = path.read_bytes()
        return data, Image.open(io.BytesIO(data), formats=["PNG"]).convert("RGB")


def shortest_names(paths: list[Path]) -> list[str]:
    """The last parts of each path, as few as tell them apart, without those at the end that all share."""
    parts = [Path(os.path.abspath(path)).parts for path in paths]
    count = next(n for n in range(1, max(map(len, parts)) + 1) if len({own[-n:] for own in parts}) == len(parts))
    kept = [list(own[-count:]) for own in parts]
    while len({own[-1] for own in kept}) == 1:
        kept = [own[:-1] for own in kept]
    return ["/".join(own) for own in kept]


def warnings(runs: list[ComparedRun]) -> dict[str, list[str]]:
    """What to read before comparing: runs that are `unfinished` or `unpaired`, or of `other_epochs`."""
    first, said = runs[0], {"unfinished": [], "unpaired": [], "other_epochs": []}
    for run in runs:
        if not run.result:
            said["unfinished"].append(f"{run.name} is unfinished: epoch {run.epoch} of {run.options.get('epochs', '?')}.")
    if images := ", ".join(run.name for run in runs if run.split.sha256 != first.split.sha256):
        said["unpaired"].append(f"Other images, those tested on too, than {first.name} has: {images} (SHA-256 of the data differ).")
    if splits := ", ".join(run.name for run in runs if run.split_sha256 != first.split_sha256):
        who = f"another split than {first.name} has: {splits}"
        said["unpaired"].append(f"Not paired: {who}; a difference may come from the labels drawn.")
    epochs = {run.name: run.fidelity.generator.get("epoch") for run in runs if run.fidelity}
    if len(set(epochs.values())) > 1:
        who = ", ".join(f"{name} {epoch}" for name, epoch in epochs.items())
        said["other_epochs"].append(f"Fidelity is that of generators after different epochs: {who}.")
    return said


def image_tests(runs: list[ComparedRun]) -> tuple[dict[int, dict], list[str]]:
    """McNemar's test of each run against the first, by index, and sentences on those that have none."""
    first, found, left_out = runs[0], {}, {}
    for run in runs[1:]:
        if why := image_test_obstacle(first, run):
            left_out.setdefault(why, []).append(run.name)
        else:
            found[run.index] = mcnemar(*(predicted != true for predicted, true in (own.folder.read_classes() for own in (first, run))))
    return found, [f"No McNemar test of {', '.join(names)}: {why}." for why, names in left_out.items()]


def image_test_obstacle(first: ComparedRun, other: ComparedRun) -> str:
    """Why two runs cannot be compared image by image; "" where they can."""
    if lacking := [why for run in (first, other) if (why := no_classes(run))]:
        return "; ".join(lacking)
    same_data = first.split.sha256 == other.split.sha256 or same_tests(first.folder, other.folder)
    same = same_data and np.array_equal(first.folder.read_classes()[1], other.folder.read_classes()[1])
    return "" if same else f"tested on other images than {first.name}, or with other labels"


def no_classes(run: ComparedRun) -> str:
    """Why there are no classes of a run's test images; "" where there are."""
    if not run.result:
        return f"{run.name} is unfinished"
    if not run.folder.classes.is_file():
        return f"{run.name} has no {run.folder.classes.name}, which `gan-sntg evaluate {shlex.quote(str(run.folder.path))}` writes"
    return ""


def same_tests(first: RunFolder, other: RunFolder) -> bool:
    """Whether two folders record the same test images, of data whose training images differ."""
    if not (first.data.is_file() and other.data.is_file()):
        return False
    a, b = (RecordedData(str(folder.data)).facts for folder in (first, other))
    return (a.test_sha256, a.test_labels_sha256) == (b.test_sha256, b.test_labels_sha256)


class Group(NamedTuple):
    """Finished runs of one configuration, by seed and data seed. config: flat, without seeds."""

    config: dict[str, str]
    runs: dict[tuple[int, int], ComparedRun]

    def errors(self, name: str) -> dict[tuple[int, int], float]:
        """An error of each run's result, in percent."""
        return {seeds: run.result[name] for seeds, run in self.runs.items() if run.result}


def grouped(runs: list[ComparedRun]) -> list[Group]:
    """Runs by configuration, in the order given. Raises InputError where one table cannot hold them."""
    groups: dict[tuple, Group] = {}
    for run in runs:
        check_alike(runs[0], run)
        config = config_of(run)
        group = groups.setdefault(tuple(sorted(config.items())), Group(config, {}))
        with refusing(f"{run.folder.config} has an invalid seed", f"leave {run.folder.path} out"):
            seeds = int(run.options["seed"]), run.split.data_seed
        if (other := group.runs.setdefault(seeds, run)) is not run:
            both, which = f"{other.folder.path} and {run.folder.path}", "seed {}, data seed {}".format(*seeds)
            raise InputError(f"{both} hold the same run ({which}), which counts once; leave one of them out")
    return [*groups.values()]


def config_of(run: ComparedRun) -> dict[str, str]:
    """A finished run's configuration, flat, without seeds. Raises InputError where it is none of today."""
    try:
        return without_seeds(run.result["config"] if run.result else {})
    except InputError as error:
        raise InputError(f"{run.folder.result} holds no configuration of a run ({error}); leave {run.folder.path} out") from error


def check_alike(first: ComparedRun, run: ComparedRun) -> None:
    """Raise InputError unless a run is finished, and its error of the same images as that of the first."""
    path, before = run.folder.path, first.folder.path
    if not run.result:
        epochs = run.options.get("epochs", "?")
        raise InputError(f"{path} is unfinished (epoch {run.epoch} of {epochs}); train it to its end, or leave it out")
    if run.split.sha256 != first.split.sha256:
        data, others = (f"{own.split.data} with SHA-256 {own.split.sha256[:12]}..." for own in (run, first))
        raise InputError(f"{path} was trained on {data}, but {before} on {others}; give runs on the same data")
    if first.test_images and run.test_images and run.test_images != first.test_images:
        count = f"{run.test_images} images, but {before} on {first.test_images}"
        raise InputError(f"{path} was tested on {count}; give runs with the same test images")
    if first.result and (run.result["validation_error"] is None) != (first.result["validation_error"] is None):
        which, other = (before, path) if run.result["validation_error"] is None else (path, before)
        raise InputError(
            f"{which} held validation images out, by whose error it is compared, and {other} did not: one table shows errors of one kind; "
            "give runs that all did, or none that did"
        )
