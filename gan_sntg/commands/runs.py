"""What do run folders say? All that `compare` shows of each, read without the data and without building anything."""

import hashlib
import os
import re
from pathlib import Path

from gan_sntg.commands.building import identity
from gan_sntg.commands.train import flat
from gan_sntg.core.data.manifests import read_split
from gan_sntg.core.documents import load_yaml
from gan_sntg.core.errors import InputError
from gan_sntg.core.record import RunFolder
from gan_sntg.page.run import Run
from gan_sntg.provenance import Measurement, comparable, measurements

GRID = re.compile(r"epoch_(\d{1,9})\.png")


def read_runs(paths: list[Path], names: list[str]) -> tuple[list[Run], str]:
    """Those in these folders, and why their fidelity cannot be compared, if so.

    Raises InputError with the name of what is missing or damaged, or where they are not on one data set.
    """
    for path in paths:
        RunFolder(path).check_made()
    measured = {name: measurements(path) for path, name in zip(paths, names, strict=True)}
    fidelity, refusal = same_way(measured)
    runs = [read(path, name, measured[name], fidelity.get(name)) for path, name in zip(paths, names, strict=True)]
    data = [run.options.get("data.class_path", run.options.get("data")) for run in runs]
    for path, found in zip(paths, data, strict=True):
        if found != data[0]:
            raise InputError(f"{path} was trained on {found}, but {paths[0]} on {data[0]}; give runs on one data set")
    return runs, refusal


def same_way(measured: dict[str, list[Measurement]]) -> tuple[dict[str, Measurement], str]:
    """The measurements to show by run; none, and why, where they were not made in one way."""
    try:
        return comparable(measured), ""
    except InputError as error:
        return {}, str(error)


def read(path: Path, name: str, measured: list[Measurement], fidelity: Measurement | None) -> Run:
    """The run in a folder. Raises InputError where a file of it is damaged."""
    folder = RunFolder(path)
    finished = folder.read_result() if folder.finished else None
    return Run(
        name=name,
        options=flat(identity(load_yaml(folder.config))),
        place=flat((folder.sessions() or [{}])[-1]),
        split=read_split(folder.split),
        split_sha256=hashlib.sha256(folder.split.read_bytes()).hexdigest(),
        rows=folder.rows(),
        result=finished,
        grids=grids(folder),
        real=folder.real if folder.real.is_file() else None,
        measured=measured,
        fidelity=fidelity,
        test_images=(finished or {}).get("test_images"),
    )


def grids(folder: RunFolder) -> dict[int, Path]:
    """Files by epoch, the first epoch first."""
    found = [(GRID.fullmatch(path.name), path) for path in folder.samples.glob("epoch_*.png")]
    return dict(sorted((int(match[1]), path) for match, path in found if match))


def shortest_names(paths: list[Path]) -> list[str]:
    """The last parts of each path, as few as tell them apart, without those at the end that all share."""
    parts = [Path(os.path.abspath(path)).parts for path in paths]
    count = next(n for n in range(1, max(map(len, parts)) + 1) if len({own[-n:] for own in parts}) == len(parts))
    kept = [list(own[-count:]) for own in parts]
    while len({own[-1] for own in kept}) == 1:
        kept = [own[:-1] for own in kept]
    return ["/".join(own) for own in kept]
