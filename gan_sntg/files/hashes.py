"""Hashes of files and of weights."""

import hashlib
from pathlib import Path

import numpy as np
from torch import Tensor, nn

BLOCK = 2**20


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def weights_sha256(net: nn.Module) -> str:
    """SHA-256 over names, shapes and values of all that the network's state holds, wherever it lies."""
    digest = hashlib.sha256()
    for name, tensor in net.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).data)
    return digest.hexdigest()


def tensor_sha256(x: Tensor) -> str:
    """SHA-256 over shape, kind and values of x, on the CPU."""
    digest = hashlib.sha256(f"{tuple(x.shape)} {x.dtype}\n".encode())
    digest.update(np.ascontiguousarray(x.numpy()).data)
    return digest.hexdigest()
