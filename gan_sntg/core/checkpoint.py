"""How does a run survive? One file with all its state, written whole or not at all, read back without executing anything."""

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import torch

from gan_sntg.core.data.streams import Streams
from gan_sntg.core.engine import Method, Progress
from gan_sntg.core.errors import InputError, first_line
from gan_sntg.core.meter import Meter
from gan_sntg.core.optim import check_finite, load_optimizer
from gan_sntg.core.tensor_files import load_tensors

FORMAT = 2
READ = (1, 2)  # 1: of the end of an interval alone


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that becomes `path` once it is whole: a temporary one beside it, synced, renamed over it, the folder synced.

    Where writing fails or is interrupted, the temporary file is removed and `path` is as it was.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)  # a link there would lead the bytes elsewhere
    with temporary.open("xb") as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink()
            raise
    sync_folder(path.parent)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A folder to write to that becomes `path`, which is absent or empty, once it is whole: a temporary one beside it, renamed.

    Where writing fails or is interrupted, the temporary folder is removed and `path` is as it was.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.mkdir()
    try:
        yield temporary
        os.sync()
        os.replace(temporary, path)
    except BaseException:
        shutil.rmtree(temporary)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder outlast a loss of power."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_atomically(path: Path, data: bytes | memoryview) -> None:
    """Write all of `data` to `path`, or leave it as it was."""
    with atomic(path) as file:
        file.write(data)


def state_of(method: Method, streams: Streams, progress: Progress, meter: Meter | None = None) -> dict:
    """Everything that the rest of the run depends on: tensors, numbers and strings only. meter: not empty within an interval."""
    return {
        "format": FORMAT,
        "progress": progress.state_dict(),
        "method": method.state_dict(),
        "optimizers": {name: optimizer.state_dict() for name, optimizer in method.optimizers.items()},
        "generators": {name: generator.get_state() for name, generator in method.generators.items()},
        "streams": streams.state_dict(),
        "settings": dict(method.settings),
        "meter": meter.state_dict() if meter else [],
    }


def as_bytes(state: dict) -> memoryview:
    """A state as the file holds it."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getbuffer()


def save(path: Path, method: Method, streams: Streams, progress: Progress, meter: Meter | None = None) -> None:
    """Write the checkpoint atomically."""
    write_atomically(path, as_bytes(state_of(method, streams, progress, meter)))


def restore(path: Path, method: Method, streams: Streams, progress: Progress, meter: Meter | None = None) -> None:
    """Put a checkpoint back into freshly built objects. Raises InputError where it cannot be read or does not fit."""
    put_back(read(path, next(method.parameters()).device), path, method, streams, progress, meter)


def put_back(state: dict, path: Path, method: Method, streams: Streams, progress: Progress, meter: Meter | None = None) -> None:
    """The same of a state that was read. Raises InputError with the path where it does not fit."""
    try:
        method.load_state_dict(state["method"])
        for name, optimizer in method.optimizers.items():
            load_optimizer(optimizer, state["optimizers"][name])
        for name, generator in method.generators.items():
            generator.set_state(state["generators"][name].cpu())
        streams.load_state_dict(state["streams"])
        progress.load_state_dict(state["progress"])
        method.settings = {str(name): float(value) for name, value in state.get("settings", {}).items()}
        if meter is not None:
            meter.load_state_dict(state.get("meter", []))
        check_finite("the method", dict(method.named_parameters()))  # statistics are NaN before they are taken
    except (KeyError, TypeError, RuntimeError, ValueError, AttributeError) as error:
        reason = first_line(error)
        raise InputError(f"{path} does not fit this configuration ({reason}); nothing was changed. Use the config that wrote it") from error


def read(path: Path, device: torch.device | str) -> dict:
    """The checkpoint's state on `device`. Raises InputError where it is none, or not as it was written."""
    try:
        state = load_tensors(path, device)
        found = state["format"]
    except Exception as error:  # see load_tensors
        raise InputError(
            f"{path} is not a readable checkpoint ({first_line(error)}); nothing was changed. "
            "Restore it from a copy, or start again in another folder with --out"
        ) from error
    if found not in READ:
        raise InputError(f"{path} has checkpoint format {found}, this version reads {FORMAT}; use the version that wrote it")
    return state
