"""Where are statistics kept that take long to fit? In a folder of the user's cache, by the hash of what they were fitted on."""

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gan_sntg.core.checkpoint import write_atomically
from gan_sntg.core.tensor_files import load_tensors


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
