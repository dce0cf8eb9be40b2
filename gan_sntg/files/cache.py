"""The user's cache: hashes of files checked before, and statistics that take long to fit."""

import hashlib
import io
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gan_sntg.files.atomic import write_atomically
from gan_sntg.files.json_files import read_json
from gan_sntg.files.tensor_files import load_tensors

FILE = "known_files.json"  # {path: [hash, *mark]}
MOST = 1000  # notes kept, the latest
YOUNG = 2 * 10**9  # ns since the last change of a file until it is noted: it could change again within one tick of its clock


def mark_of(path: Path) -> list[int]:
    """What changes with a file: size, times of change of content and of inode, inode and device."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev]


def is_noted(path: Path, digest: str) -> bool:
    """Whether the file was found to have this hash and has not changed since."""
    return _notes().get(os.path.realpath(path)) == [digest, *mark_of(path)]


def note(path: Path, digest: str, mark: list[int]) -> None:
    """Note that the file had this hash with this mark; where it has changed since, or lately, or there is no cache, nothing is noted."""
    if mark_of(path) != mark or time.time_ns() - max(mark[1:3]) < YOUNG:
        return
    notes = list((_notes() | {os.path.realpath(path): [digest, *mark]}).items())[-MOST:]
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        write_atomically(cache_folder() / FILE, json.dumps(dict(notes)).encode())
    except OSError:  # costs time only
        return


def _notes() -> dict:
    try:
        found = read_json(cache_folder() / FILE)
    except (OSError, ValueError):  # what is not there, or damaged, is found again
        return {}
    return found if isinstance(found, dict) else {}


def cache_folder() -> Path:
    """The variable GAN_SNTG_CACHE, else ~/.cache/gan-sntg."""
    return Path(os.environ.get("GAN_SNTG_CACHE") or Path.home() / ".cache" / "gan-sntg")


def key_of(kind: str, x: Tensor) -> str:
    """What names the statistics `kind` of the examples x [N, ...], on the CPU: a hash of both."""
    digest = hashlib.sha256(f"{kind} {tuple(x.shape)} {x.dtype}".encode())
    digest.update(np.ascontiguousarray(x.numpy()).data)
    return f"{kind}-{digest.hexdigest()[:32]}"


def recall(key: str, shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor] | None:
    """float32 tensors of these names and shapes as `keep` left them; None where they are not there or not whole."""
    try:
        found = load_tensors(cache_folder() / f"{key}.pt")
        whole = {name: (tuple(t.shape), t.dtype) for name, t in found.items()} == {n: (s, torch.float32) for n, s in shapes.items()}
    except Exception:  # see load_tensors; what is not there is fitted again
        return None
    return found if whole else None


def keep(key: str, tensors: dict[str, Tensor]) -> None:
    """Write them for `recall`, whole or not at all; a folder that cannot be written costs only time."""
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        write_atomically(cache_folder() / f"{key}.pt", buffer.getbuffer())
    except OSError:
        return
