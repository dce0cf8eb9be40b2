"""Which checkpoints of a run are kept? The last ones, the newest first, so that one that was damaged leaves the one before it."""

import os
import sys
from pathlib import Path

import torch

from gan_sntg.core.checkpoint import read, sync_folder, write_atomically
from gan_sntg.core.errors import InputError


def generation(path: Path, k: int) -> Path:
    """The file of the k-th checkpoint before the last, whose file is `path`; -1: the next one, whole but not yet in its place."""
    return path if k == 0 else path.with_name(f"{path.stem}-{k}{path.suffix}" if k > 0 else f"{path.stem}-next{path.suffix}")


def generations(path: Path) -> list[Path]:
    """Those that are there, the newest first."""
    older = []
    while (before := generation(path, len(older) + 1)).is_file():
        older.append(before)
    return [file for file in (generation(path, -1), path) if file.is_file()] + older


def keep(path: Path, data: bytes | memoryview, count: int) -> None:
    """Write the newest, and keep the `count` last: none is given up before its successor is on the disk under a name that is read."""
    following = generation(path, -1)
    write_atomically(following, data)
    for k in range(count - 1, 0, -1):
        if generation(path, k - 1).exists():
            os.replace(generation(path, k - 1), generation(path, k))
    os.replace(following, path)
    sync_folder(path.parent)
    k = count
    while (old := generation(path, k)).exists():
        old.unlink()
        k += 1


def newest(path: Path, device: torch.device | str) -> tuple[dict, Path]:
    """The newest state that can be read, and its file; says on stderr which newer one was passed over, and why. Raises InputError."""
    refused = []
    for file in generations(path):
        try:
            state = read(file, device)
        except InputError as error:
            refused.append(error)
            continue
        if refused:
            print(f"{refused[0]}\n  The checkpoint before it, {file}, is whole: this is gone on from", file=sys.stderr)
        return state, file
    raise refused[0] if refused else InputError(f"there is no checkpoint {path}; train the run first")
