"""How are the arrays of a MATLAB 5 file read that may be damaged? By its tags, all checked: a wrong one makes SciPy's reader crash."""

import math
import struct
from collections.abc import Iterator

import numpy as np

from gan_sntg.core.data.packed import MOST_BYTES, ZLIB, unpacked

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
