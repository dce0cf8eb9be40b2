"""What do run folders say? All that `compare` shows of each, read without the data and without building anything."""

import hashlib
import math
import os
import re
from pathlib import Path

from gan_sntg.commands.building import identity
from gan_sntg.commands.parsing import load_yaml
from gan_sntg.commands.train import flat
from gan_sntg.core.data.splits import read_split
from gan_sntg.core.errors import InputError
from gan_sntg.core.record import RunFolder
from gan_sntg.page.run import Run
from gan_sntg.provenance import Measurement, comparable, measurements

GRID = re.compile(r"epoch_(\d{1,9})\.png")
NEEDED = ("test_error_last", "test_error_averaged", "epochs", "seconds")  # numbers of a result


def read_runs(paths: list[Path], names: list[str]) -> tuple[list[Run], str | None]:
    """Those in these folders, and why their figures of sample quality are left out, where they are: they were measured in different ways.

    Raises InputError with the name of what is missing or damaged, and where the runs cannot be compared.
    """
    for path in paths:
        RunFolder(path).check_made()
    found, refused = {name: measurements(path) for path, name in zip(paths, names, strict=True)}, None
    try:
        fidelity = comparable(found)
    except InputError as error:
        fidelity, refused = {}, str(error)
    runs = [read(path, name, fidelity.get(name)) for path, name in zip(paths, names, strict=True)]
    data = [run.options.get("data.class_path", run.options.get("data")) for run in runs]
    for path, found in zip(paths, data, strict=True):
        if found != data[0]:
            raise InputError(f"{path} was trained on {found}, but {paths[0]} on {data[0]}; give runs on one data set")
    return runs, refused


def read(path: Path, name: str, fidelity: Measurement | None) -> Run:
    """The run in a folder. Raises InputError where a file of it is damaged."""
    folder = RunFolder(path)
    try:
        split = read_split(folder.split)
        return Run(
            name=name,
            options=flat(identity(load_yaml(folder.config))),
            place=flat(last_session(folder)),
            split=split,
            split_sha256=hashlib.sha256(folder.split.read_bytes()).hexdigest(),
            rows=rows(folder),
            result=result(folder) if folder.finished else None,
            grids=grids(folder),
            real=folder.real if folder.real.is_file() else None,
            fidelity=fidelity,
        )
    except RecursionError as error:
        raise InputError(f"{path} is damaged: a file in it is nested without end; restore it from a copy") from error


def rows(folder: RunFolder) -> list[dict]:
    """Those of metrics.jsonl, a number that is not finite as None; the last line may be torn. Raises InputError for other damage."""
    try:
        lines = folder.metrics.read_text().splitlines() if folder.metrics.exists() else []
        found = folder.rows()
        if len(found) < len(lines) - 1:
            raise ValueError(f"line {len(found) + 1} is no row")
        return [{key: number(key, value) for key, value in row.items()} for row in found if number("epoch", row["epoch"])]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder.metrics} is damaged ({error}); restore it from a copy, or train again in another folder") from error


def number(key: str, value: object) -> float | None:
    """The value; None where it is not finite or none. Raises ValueError where it is something else than a number."""
    if type(value) not in (int, float, type(None)):
        raise ValueError(f"{key} is {str(value)[:40]!r}, not a number")
    return None if value is None or not math.isfinite(value) else value


def result(folder: RunFolder) -> dict:
    """Of a finished run. Raises InputError where it is damaged."""
    found = folder.read_result()
    try:
        given = {key: number(key, found[key]) for key in NEEDED}
        optional = {key: number(key, found.get(key)) for key in ("validation_error", "test_images")}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder.result} is damaged ({error}); delete it and run the same command to write it again") from error
    return given | optional


def last_session(folder: RunFolder) -> dict:
    """The environment that the run was last trained in; empty where none is recorded. Raises InputError where the file is damaged."""
    found = folder.sessions()
    if not isinstance(found, list) or not all(isinstance(session, dict) for session in found):
        raise InputError(f"{folder.environment} is damaged (no list of sessions); delete it and run the same command again")
    return found[-1] if found else {}


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
