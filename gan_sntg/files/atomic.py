"""Atomic writing of files and folders: whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gan_sntg.errors import InputError


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """Temporary file beside `path` that is synced and renamed over it once it is whole.

    Where writing fails or is interrupted, it is removed and `path` is as it was.
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
    """As `atomic`, a temporary folder beside `path`, which is absent or empty."""
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


def check_writable(out: Path) -> None:
    """Raise InputError unless a file or folder can be made at `out`."""
    if not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        raise InputError(f"{out} cannot be written (its folder does not exist or may not be written to); choose another with --out")


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Turn an OSError within into an InputError that names `out`."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error}); choose another with --out") from error


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
