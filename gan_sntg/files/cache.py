"""User's cache of what takes long to fit, in $GAN_SNTG_CACHE, else ~/.cache/gan-sntg."""

import contextlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from gan_sntg.files.atomic import write_atomically
from gan_sntg.files.hashes import sha256_of
from gan_sntg.files.tensor_files import load_tensors


def key_of(kind: str, x: Tensor) -> str:
    """Name of the statistics `kind` of the examples x [N, ...]: a hash of both."""
    return f"{kind}-{sha256_of(f'{kind} {tuple(x.shape)} {x.dtype}', x)[:32]}"


def cached(key: str, shapes: dict[str, tuple[int, ...]], fit: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """float32 tensors of these names and shapes, kept under `key`, or else fitted and kept from now on.

    A damaged file is replaced; a folder that cannot be written costs only time.
    """
    path = Path(os.environ.get("GAN_SNTG_CACHE") or Path.home() / ".cache" / "gan-sntg", f"{key}.pt")
    with contextlib.suppress(Exception):  # see load_tensors
        found = load_tensors(path)
        if {name: (tuple(t.shape), t.dtype) for name, t in found.items()} == {n: (s, torch.float32) for n, s in shapes.items()}:
            return found
    found, buffer = fit(), io.BytesIO()
    torch.save(found, buffer)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, buffer.getbuffer())
    return found
