"""How are the public sets' files read? idx, MATLAB and CIFAR's pickles, none of them able to run code."""

import math
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gan_sntg.core.data.matlab import read_arrays
from gan_sntg.core.data.packed import GZIP, MOST_BYTES, unpacked
from gan_sntg.core.errors import InputError

AGAIN = "it is damaged or another file; fetch it again"


def read_idx(path: Path, dimensions: int) -> Tensor:
    """The uint8 array of an idx file, gzipped where its name ends in .gz. Raises InputError unless it has `dimensions`."""
    try:
        data = unpacked(path.read_bytes(), GZIP, MOST_BYTES) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, zlib.error) as error:
        raise InputError(f"{path} cannot be unpacked ({error}): {AGAIN}") from error
    start = 4 + 4 * dimensions
    if data[:4] != bytes([0, 0, 8, dimensions]) or len(data) < start:
        raise InputError(f"{path} is no idx file of {dimensions} dimensions of bytes: {AGAIN}")
    shape = struct.unpack(f">{dimensions}I", data[4:start])
    if len(data) - start != math.prod(shape) or len(data) == start:
        raise InputError(f"{path} says it holds {' x '.join(map(str, shape))} bytes, but has {len(data) - start}: {AGAIN}")
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=start).reshape(shape).copy())


def read_mat(path: Path) -> tuple[Tensor, Tensor]:
    """SVHN's X [32, 32, 3, N] and y in 1..10 as x uint8 [N, 3, 32, 32] and y int64 [N], the digit 0 (10 in the file) as 0.

    Raises InputError where the file is none or holds something else.
    """
    try:
        arrays = read_arrays(path.read_bytes())
        x, y = arrays["X"], arrays["y"].reshape(-1)
    except (OSError, ValueError, KeyError, MemoryError, struct.error, zlib.error) as error:
        raise InputError(f"{path} is no readable MATLAB file with X and y ({error}): {AGAIN}") from error
    if x.dtype != np.uint8 or x.shape != (32, 32, 3, len(y)) or not len(y):
        raise InputError(f"{path}: X is {x.dtype} {list(x.shape)}, not uint8 [32, 32, 3, {len(y)}] for its {len(y)} labels: {AGAIN}")
    if y.dtype.kind not in "uif" or not np.isin(y, np.arange(1, 11)).all():
        raise InputError(f"{path}: its labels are not all whole numbers in 1..10: {AGAIN}")
    y = torch.from_numpy(y.astype(np.int64)) % 10
    return torch.from_numpy(np.ascontiguousarray(x.transpose(3, 2, 0, 1))), y


class _Inert:
    """Stands for any object that a batch names: it keeps what it is given and does nothing."""

    def __init__(self, *arguments):
        self.arguments, self.state = arguments, None

    def __setstate__(self, state):
        self.state = state


class _Reader(pickle.Unpickler):
    """Knows the three names by which NumPy pickles an array, and imports none of them."""

    names = {
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
    }

    def find_class(self, module: str, name: str) -> type:
        if (module, name) not in self.names:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no batch needs")
        return _Inert


def read_batch(path: Path, labels: str) -> tuple[Tensor, Tensor]:
    """One of CIFAR's pickled batches as x uint8 [n, 3, 32, 32] and y int64 [n], the list under `labels`.

    Nothing that the pickle names is imported or called. Raises InputError where it is no such batch.
    """
    try:
        with path.open("rb") as file:
            batch = _Reader(file, encoding="bytes").load()
        batch = {key.decode() if isinstance(key, bytes) else key: value for key, value in batch.items()}
        y = batch[labels]
        _, shape, dtype, fortran, pixels = batch["data"].state
        plain = dtype.arguments[0] in (b"u1", "u1") and not fortran and isinstance(pixels, bytes)
        right = plain and shape == (len(y), 3072) and len(pixels) == 3072 * len(y) > 0
        right = right and all(type(k) is int and 0 <= k < 2**63 for k in y)
    except Exception as error:  # a pickle may hold anything, so that reading it may fail in any way
        raise InputError(f"{path} is no readable batch with data and {labels} ({type(error).__name__}: {error}): {AGAIN}") from error
    if not right:
        raise InputError(f"{path}: data is not uint8 [n, 3072] beside n whole {labels} of 0 or more: {AGAIN}")
    x = np.frombuffer(pixels, np.uint8).reshape(-1, 3, 32, 32).copy()
    return torch.from_numpy(x), torch.tensor(y, dtype=torch.int64)
