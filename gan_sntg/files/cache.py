"""User's cache of statistics that take long to fit."""

import io
import os
from pathlib import Path

import torch
from torch import Tensor

from gan_sntg.files.atomic import write_atomically
from gan_sntg.files.hashes import sha256_of
from gan_sntg.files.tensor_files import load_tensors


def cache_folder() -> Path:
    """The variable GAN_SNTG_CACHE, else ~/.cache/gan-sntg."""
    return Path(os.environ.get("GAN_SNTG_CACHE") or Path.home() / ".cache" / "gan-sntg")


def key_of(kind: str, x: Tensor) -> str:
    """Name of the statistics `kind` of the examples x [N, ...]: a hash of both."""
    return f"{kind}-{sha256_of(f'{kind} {tuple(x.shape)} {x.dtype}', x)[:32]}"


def recall(key: str, shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor] | None:
    """float32 tensors of these names and shapes that `keep` wrote; None where they are absent or damaged."""
    try:
        found = load_tensors(cache_folder() / f"{key}.pt")
        whole = {name: (tuple(t.shape), t.dtype) for name, t in found.items()} == {n: (s, torch.float32) for n, s in shapes.items()}
    except Exception:  # see load_tensors; what is not there is fitted again
        return None
    return found if whole else None


def keep(key: str, tensors: dict[str, Tensor]) -> None:
    """Write tensors for `recall`; a folder that cannot be written costs only time."""
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        write_atomically(cache_folder() / f"{key}.pt", buffer.getbuffer())
    except OSError:
        return
