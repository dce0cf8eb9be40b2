"""SHA-256 of files, tensors and weights."""

import hashlib
from pathlib import Path

import numpy as np
from torch import Tensor, nn


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(*parts: str | Tensor) -> str:
    """SHA-256 of texts and of the values of tensors, one after another."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else np.ascontiguousarray(part.detach().cpu().numpy()).data)
    return digest.hexdigest()


def weights_sha256(net: nn.Module) -> str:
    """SHA-256 of the names, shapes and values in a network's state, on any device."""
    state = net.state_dict().items()
    return sha256_of(*(part for name, x in state for part in (f"{name} {tuple(x.shape)} {x.dtype}\n", x)))


def tensor_sha256(x: Tensor) -> str:
    """SHA-256 of the shape, dtype and values of x."""
    return sha256_of(f"{tuple(x.shape)} {x.dtype}\n", x)
