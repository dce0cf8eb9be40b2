"""Atomic writing of files and folders: whole or not at all."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from gan_sntg.errors import InputError
from gan_sntg.files.paths import at_home


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


def writable(out: str | Path | None, folder: bool = False) -> Path:
    """Path of --out. Raises InputError unless a file, or a new or empty `folder`, can be made there."""
    if not out:
        raise InputError("--out is not set; name the file to write")
    path, why = at_home(out), ""
    with writing(path):  # a name that is too long, a folder that may not be read
        if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
            why = "its folder does not exist or may not be written to"
        elif folder and path.exists() and (not path.is_dir() or any(path.iterdir())):
            why = "it exists and is not an empty folder"
        elif not folder and path.is_dir():
            why = "it is a folder"
    if why:
        raise InputError(f"{path} cannot be written ({why}); choose another with --out")
    return path


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Turn an OSError within into an InputError that names `out`."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error}); choose another with --out") from error


def check_utf8(folder: Path, remedy: str = "choose another with --out") -> None:
    """Raise InputError where a path is not UTF-8, as TensorBoard needs it."""
    try:
        str(folder).encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{str(folder)!r} is not UTF-8, which TensorBoard needs of its folders; {remedy}") from error


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Within it, other processes wait that would be within it too, where the file system has locks."""
    held = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


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
