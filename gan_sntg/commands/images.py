"""Which images belong to compared runs? Real ones to stand beside samples, and how many are tested on: as kept, else from the data."""

from dataclasses import replace
from pathlib import Path

import torch

from gan_sntg.commands.building import read_run
from gan_sntg.commands.splits import source_of
from gan_sntg.core.data.base import Source
from gan_sntg.core.data.manifests import load_split
from gan_sntg.core.errors import InputError
from gan_sntg.core.generators import purpose_generator
from gan_sntg.core.record import RunFolder
from gan_sntg.page.run import Real, Run, read_png
from gan_sntg.samples import grid, png

COUNT = 100  # as many real images as a run keeps


def completed(runs: list[Run], paths: list[Path], root: str | None) -> tuple[list[Run], Real]:
    """The runs with their numbers of test images, and real images; where no folder keeps them, from the data of the first run."""
    known = {run.split.sha256: run.test_images for run in runs if run.test_images}
    kept = next((run.real for run in runs if run.real), None)
    source, missing = None, ""
    if kept is None or any(run.split.sha256 not in known for run in runs):
        source, missing = found(RunFolder(paths[0]), root)
    if source:
        known[source.sha256] = len(source.test_y)
    counted = [replace(run, test_images=known.get(run.split.sha256)) for run in runs]
    picture = read_png(kept)[0] if kept else drawn(source, runs[0]) if source else None
    return counted, Real(picture, missing)


def found(folder: RunFolder, root: str | None) -> tuple[Source | None, str]:
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


def drawn(source: Source, run: Run) -> bytes | None:
    """Images of the run's pool as a PNG; None where the data are points."""
    if len(source.image_shape) != 3:
        return None
    pool = run.split.pool(source)
    order = torch.randperm(len(pool), generator=purpose_generator(0, "display"))
    return bytes(png(grid(source.train_x[pool[order[:COUNT]]])))
