"""Checkpoints: all state of a run in one file, written atomically, several generations kept."""

import io
import os
import sys
from pathlib import Path

import torch

from gan_sntg.data.loader import Loader
from gan_sntg.errors import InputError, first_line
from gan_sntg.files.array_files import load_tensors
from gan_sntg.files.atomic import sync_folder, write_atomically
from gan_sntg.training.loop import Progress
from gan_sntg.training.meter import Meter
from gan_sntg.training.method import Method
from gan_sntg.training.optim import check_finite, load_optimizer

FORMAT = 2
READ = (1, 2)  # 1: of the end of an interval alone


def state_of(method: Method, streams: Loader, progress: Progress, meter: Meter | None = None) -> dict:
    """All state that the rest of the run depends on. meter: not empty within an interval."""
    return {
        "format": FORMAT,
        "progress": dict(vars(progress)),
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


def save(path: Path, method: Method, streams: Loader, progress: Progress, meter: Meter | None = None) -> None:
    """Write the checkpoint atomically."""
    write_atomically(path, as_bytes(state_of(method, streams, progress, meter)))


def put_back(state: dict, path: Path, method: Method, streams: Loader, progress: Progress, meter: Meter | None = None) -> None:
    """Restore a state that was read. Raises InputError with the path where it does not fit."""
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
    """The checkpoint's state on `device`. Raises InputError where it is damaged or of another format."""
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


def generation(path: Path, k: int) -> Path:
    """The file of the k-th checkpoint before the last at `path`; k = -1: the next, not yet in place."""
    return path if k == 0 else path.with_name(f"{path.stem}-{k}{path.suffix}" if k > 0 else f"{path.stem}-next{path.suffix}")


def generations(path: Path) -> list[Path]:
    """The checkpoint files that exist, newest first."""
    older = []
    while (before := generation(path, len(older) + 1)).is_file():
        older.append(before)
    return [file for file in (generation(path, -1), path) if file.is_file()] + older


def keep(path: Path, data: bytes | memoryview, count: int) -> None:
    """Write the newest and keep the `count` last; none is dropped before its successor is on disk."""
    following = generation(path, -1)
    write_atomically(following, data)
    for k in range(count - 1, 0, -1):
        if generation(path, k - 1).exists():
            os.replace(generation(path, k - 1), generation(path, k))
    os.replace(following, path)
    sync_folder(path.parent)
    for old in generations(path)[count:]:
        old.unlink()


def newest(path: Path, device: torch.device | str) -> tuple[dict, Path]:
    """The newest readable state and its file; reports a damaged newer one. Raises InputError."""
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
