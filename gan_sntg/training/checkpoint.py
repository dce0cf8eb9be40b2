"""Checkpoints: all state of a run in one file, written atomically, several generations kept."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from gan_sntg.data.loader import Loader
from gan_sntg.distributed import rank
from gan_sntg.errors import InputError, first_line
from gan_sntg.files.array_files import load_tensors
from gan_sntg.files.atomic import sync_folder, write_atomically
from gan_sntg.rng import go_on, of_another_device
from gan_sntg.training.loop import Progress
from gan_sntg.training.meter import Meter
from gan_sntg.training.method import Method
from gan_sntg.training.optim import check_finite, load_optimizer

FORMAT = 2
READ = (1, 2)  # 1: of the end of an interval alone
NEW_DRAWS = "random numbers of its own, those of that device being unknown here, and so not to the bit as it would have there"


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
    """Restore a state, to go on from. Raises InputError with its path where it does not fit.

    Generators of another kind of device cannot go on: others are derived in their place, which is said on stderr.
    """
    with fitting(path):
        put_back_networks(state, path, method, progress)
        for name, optimizer in method.optimizers.items():
            load_optimizer(optimizer, state["optimizers"][name])
        moved = of_other_devices(state, method, streams)
        for name, generator in method.generators.items():
            go_on(generator, state["generators"][name], progress.step)
        streams.load_state_dict(state["streams"], progress.step)
        method.settings = {str(name): float(value) for name, value in state.get("settings", {}).items()}
        if meter is not None:
            meter.load_state_dict(state.get("meter", []))
    if moved and rank() == 0:
        print(f"{path} was written on another kind of device; the run goes on from step {progress.step} with {NEW_DRAWS}", file=sys.stderr)


def of_other_devices(state: dict, method: Method, streams: Loader) -> bool:
    """Whether the state's generators were on another kind of device than those here."""
    pairs = [(generator, state["generators"][name]) for name, generator in method.generators.items()]
    pairs += [(stream.generator, state["streams"][name]["generator"]) for name, stream in streams.streams.items()]
    return any(of_another_device(generator, saved) for generator, saved in pairs)


def put_back_networks(state: dict, path: Path, method: Method, progress: Progress, prepared: bool = True) -> None:
    """Restore networks and progress alone, on any device. Raises InputError as `put_back`.

    A method that is not `prepared` lacks what it takes from the data for training alone; what a state holds of that is left out.
    """
    with fitting(path):
        if missing := method.load_state_dict(state["method"], strict=prepared).missing_keys:
            raise ValueError(f"{missing[0]} is missing")
        progress.load_state_dict(state["progress"])
        check_finite("the method", dict(method.named_parameters()))  # statistics are NaN before they are taken


@contextmanager
def fitting(path: Path, remedy: str = "Use the config that wrote it") -> Iterator[None]:
    """Turn an error within into an InputError: the state of this file does not fit."""
    try:
        yield
    except InputError:
        raise
    except (KeyError, TypeError, RuntimeError, ValueError, AttributeError) as error:
        reason = first_line(error)
        raise InputError(f"{path} does not fit this configuration ({reason}); nothing was changed. {remedy}") from error


def read(path: Path, device: torch.device | str) -> dict:
    """The checkpoint's state on `device`. Raises InputError where it is damaged or of another format."""
    try:
        state = load_tensors(path, device)
        found = state["format"]
    except Exception as error:  # see load_tensors
        raise InputError(
            f"{path} is not a readable checkpoint ({first_line(error)}); nothing was changed. "
            "Restore it from a copy, or train the run again in another folder"
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
