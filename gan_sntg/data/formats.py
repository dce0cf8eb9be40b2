"""Readers of idx, MATLAB 5 and CIFAR files that cannot execute code."""

import math
import pickle
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gan_sntg.errors import InputError

HEADER, VERSION = 128, b"\0\1IM"  # of the file; its last four bytes, where numbers begin with their lowest byte
DTYPES = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"}
NAME, SHAPE, FLAGS, MATRIX, PACKED = 1, 5, 6, 14, 15
COMPLEX, NUMBERS = 0x800, range(6, 16)  # of a matrix: that it has a second part; classes that are full arrays of numbers


def read_arrays(data: bytes) -> dict[str, np.ndarray]:
    """Every array of numbers in the file, by name. Raises ValueError, struct.error or zlib.error where it is none or damaged."""
    if len(data) < HEADER or data[HEADER - 4 : HEADER] != VERSION:
        raise ValueError("it does not begin as a MATLAB 5 file does")
    found, left = {}, MOST_BYTES
    for kind, content in elements(memoryview(data)[HEADER:]):
        if kind == PACKED:
            content = memoryview(unpacked(content, ZLIB, left))
            left -= len(content)
        for inner, matrix in elements(content) if kind == PACKED else [(kind, content)]:
            if inner != MATRIX:
                raise ValueError(f"it holds an element of kind {inner} where a matrix should be")
            name, array = read_matrix(matrix)
            found |= {name: array}
    return found


def elements(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Kind and content of each element. Raises ValueError where the last is cut off."""
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        small = kind >> 16  # up to four bytes stand within the tag
        start, size = (at + 4, small) if small else (at + 8, size)
        if start + size > len(data) or small > 4:
            raise ValueError("an element says that it is longer than what follows")
        yield kind & 0xFFFF if small else kind, data[start : start + size]
        at = at + 8 if small else start + size + (0 if kind == PACKED else -size % 8)


def read_matrix(data: memoryview) -> tuple[str, np.ndarray]:
    """Name and array. Raises ValueError where it is no real array of numbers."""
    parts = list(elements(data))
    if [kind for kind, _ in parts[:3]] != [FLAGS, SHAPE, NAME] or len(parts) != 4 or parts[3][0] not in DTYPES:
        raise ValueError("a matrix is not flags, shape, name and numbers")
    (_, flags), (_, shape), (_, name), (kind, numbers) = parts
    word = struct.unpack_from("<I", flags)[0]
    sides = [side for (side,) in struct.iter_unpack("<i", shape)]
    values = np.frombuffer(numbers, DTYPES[kind])
    if word & 0xFF not in NUMBERS or word & COMPLEX or not 2 <= len(sides) <= 8 or min(sides) < 0 or math.prod(sides) != len(values):
        raise ValueError(f"a matrix is not {sides[:8]} real numbers, as it says")
    return bytes(name).decode("ascii"), values.reshape(sides, order="F")


MOST_BYTES = 2**30  # that a file of a public set unpacks to
ZLIB, GZIP = 15, 31  # containers


def unpacked(data: bytes | memoryview, container: int, most: int) -> bytes:
    """Of one stream. Raises zlib.error where it is damaged, has something behind it, or holds more than `most` bytes."""
    stream = zlib.decompressobj(wbits=container)
    found = stream.decompress(data, max(most, 1))  # 0 would be no limit
    if not stream.eof or stream.unused_data:
        raise zlib.error(f"it is cut off, has something behind it or holds more than {most:,} bytes")
    return found


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
