"""How are the public sets' files fetched? By torchvision, without the part of it that unpickles them, and into the folder only."""

import contextlib
import fcntl
import os
import tarfile
from collections.abc import Iterator


def fetch(kind: type, root: str, **named: str) -> None:
    """Call `download` of torchvision's class `kind`, not its constructor, which reads what was fetched; named: fields that it needs.

    Raises OSError, RuntimeError or TarError where the files cannot be had, or do not stay under root.
    """
    fetcher = kind.__new__(kind)
    vars(fetcher).update(named, root=root)
    with alone(root), confined_archives():
        fetcher.download()


@contextlib.contextmanager
def alone(root: str) -> Iterator[None]:
    """Within, no other process fetches into the folder: each waits for the one before, and finds what that fetched."""
    os.makedirs(root, exist_ok=True)
    folder = os.open(root, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


@contextlib.contextmanager
def confined_archives() -> Iterator[None]:
    """Within, tarfile unpacks nothing to outside the folder that it is told, no links to there and no devices (its filter `data`)."""
    before = tarfile.TarFile.extraction_filter
    tarfile.TarFile.extraction_filter = staticmethod(tarfile.data_filter)
    try:
        yield
    finally:
        tarfile.TarFile.extraction_filter = before
