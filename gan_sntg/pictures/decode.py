"""Decoding of many picture files: threads, a cache by content, progress, and what cannot be read."""

import hashlib
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from PIL import features
from torch import Tensor

from gan_sntg.distributed import rank
from gan_sntg.errors import InputError
from gan_sntg.files.array_files import cached, file_sha256
from gan_sntg.files.import_paths import installed
from gan_sntg.files.mapped import kept_file, mapped, taken, write
from gan_sntg.files.memory import PLACE
from gan_sntg.pictures.measured import MeasuredReader
from gan_sntg.pictures.reader import DARK, REMEDY, PictureReader

BLOCK, LARGE = 500, 2**20  # pictures that are cached together, and the bytes of their files from which on they are
FIRST_SAID = 1.0  # seconds of reading from which on is said how far it is
THREADS = 8  # at most, for each may hold a picture of MOST_PIXELS
DECODERS = "pillow", "tifffile", "pydicom", "torchvision"
Reader = PictureReader | MeasuredReader


class Decoded(NamedTuple):
    """Images uint8 [n, C, size, size] of the paths that can be read, and the problems of others.

    bits: those that each uses if it has 16, else 0.
    """

    x: Tensor
    bits: list[int]
    paths: list[Path]
    problems: dict[Path, str]


def decode(paths: list[Path], reader: Reader) -> Decoded:
    """All pictures, by several threads; those of large files come from the cache where it has them.

    The cache knows a picture by its content, and is forgotten with another version of a decoder. Where the images of a run are to be
    mapped, they are decoded into one file of the cache.
    """
    threads, into = min(torch.get_num_threads(), THREADS), _into_file if PLACE.get().mapped else _into_memory
    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(threads) as pool:  # Pillow's own limits; ours is lower
        return into(paths, reader, pool)


def _into_memory(paths: list[Path], reader: Reader, pool: ThreadPoolExecutor) -> Decoded:
    x, bits, problems, start = torch.empty(len(paths), *reader.shape, dtype=reader.dtype), [], {}, 0
    for part in _blocks(paths, reader, pool, cache=True):
        x[start : start + len(part.x)] = part.x
        bits, problems, start = bits + part.bits, problems | part.problems, start + len(part.x)
    read = [i for i, path in enumerate(paths) if path not in problems]
    return Decoded(taken(x, torch.tensor(read, dtype=torch.int64)), [bits[i] for i in read], [paths[i] for i in read], problems)


def _into_file(paths: list[Path], reader: Reader, pool: ThreadPoolExecutor) -> Decoded:
    """Mapped images: a file of those that can be read, then each path's bits and whether it is read."""
    n, size, problems = len(paths), prod(reader.shape) * reader.dtype.itemsize, {}

    def facts(path: Path) -> np.ndarray:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 2 * n))
            return np.frombuffer(file.read(), np.uint8).reshape(2, -1)

    def whole(path: Path) -> bool:
        if path.stat().st_size < 2 * n or path.stat().st_size != size * int(facts(path)[1].sum()) + 2 * n:
            return False
        for i in np.flatnonzero(facts(path)[1] == 0):
            try:
                reader.decoded(paths[i])
                return False  # there was no memory for it then
            except InputError as error:
                problems[paths[i]] = str(error)
        return True

    def fill(file: BinaryIO) -> None:
        found = []
        problems.clear()
        for part in _blocks(paths, reader, pool, cache=False):
            read = torch.tensor([path not in part.problems for path in part.paths])
            write(file, part.x[read])
            problems.update(part.problems)
            found.append(torch.stack([torch.tensor(part.bits), read]).to(torch.uint8))
        write(file, torch.cat(found, 1))

    path = kept_file(f"mapped-{_key(paths, reader, pool)}", n * (size + 2), whole, fill)
    bits, read = facts(path)
    kept = np.flatnonzero(read)
    x = mapped(path, (len(kept), *reader.shape), reader.dtype)
    return Decoded(x, bits[kept].tolist(), [paths[i] for i in kept], problems)


def _blocks(paths: list[Path], reader: Reader, pool: ThreadPoolExecutor, cache: bool) -> Iterator[Decoded]:
    """BLOCK pictures after BLOCK; what cannot be read is not to be used. cache: keep them there."""
    said = Said(len(paths))
    for start in range(0, len(paths), BLOCK):
        block, problems = paths[start : start + BLOCK], {}
        found = _block(block, reader, pool, said, start, cache)
        x, bits = found["x"], [int(used) for used in found["bits"].tolist()]
        for i in (found["read"] == 0).nonzero().flatten().tolist():  # once more: for the reason, or there was no memory
            try:
                x[i], bits[i] = reader.decoded(block[i])
            except InputError as error:
                problems[block[i]] = str(error)
        yield Decoded(x, bits, block, problems)


def _block(paths: list[Path], reader: Reader, pool: ThreadPoolExecutor, said: "Said", start: int, cache: bool) -> dict[str, Tensor]:
    """Images x of a few pictures, their bits, and whether each is read; start: how many were before."""

    def attempt(path: Path) -> tuple[Tensor, int, int]:
        with suppress(InputError):
            return *reader.decoded(path), 1
        return torch.zeros(reader.shape, dtype=reader.dtype), 0, 0

    def fit() -> dict[str, Tensor]:
        made = []
        for one in pool.map(attempt, paths):
            made.append(one)
            said.at(start + len(made))
        x, *rest = zip(*made, strict=True)
        return {"x": torch.stack(x)} | dict(zip(("bits", "read"), (torch.tensor(part, dtype=reader.dtype) for part in rest), strict=True))

    n, key = len(paths), f"pictures-{_key(paths, reader, pool)}" if cache and _large(paths) else None
    found = cached(key, {"x": (n, *reader.shape), "bits": (n,), "read": (n,)}, fit, reader.dtype) if key else fit()
    said.at(start + n)
    return found


def _large(paths: list[Path]) -> bool:
    """Whether the files are large enough to be cached; not where one cannot be read."""
    with suppress(OSError):
        return sum(path.stat().st_size for path in paths) >= LARGE
    return False


def _key(paths: list[Path], reader: Reader, pool: ThreadPoolExecutor) -> str:
    """Name of the images of these files by their content, of which a file that cannot be read has none."""

    def content(path: Path) -> str:
        with suppress(OSError):
            return file_sha256(path)
        return ""

    versions = features.version("jpg"), features.version("webp"), features.version("libtiff"), *map(installed, DECODERS)
    text = "\n".join([f"{reader} {versions}", *pool.map(content, paths)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Said:
    """Progress of a long reading on stderr, after 1, 2, 4, 8, ... seconds."""

    def __init__(self, total: int):
        self.total, self.begun, self.due = total, time.monotonic(), FIRST_SAID

    def at(self, done: int) -> None:
        """So many pictures are read."""
        if (passed := time.monotonic() - self.begun) >= self.due:
            self.due = 2 * passed
            if rank() == 0:
                print(f"{done:,} of {self.total:,} pictures read", file=sys.stderr)


def read_picture(path: Path, size: int, color: bool, background: int = 255, white: int | None = None) -> Tensor:
    """A picture as `PictureReader` makes it: uint8 [3 or 1, size, size]. Raises InputError."""
    x, kept, problems = read_pictures([path], size, color, background, white)
    if not kept:
        raise InputError(problems[0])
    return x[0]


def read_pictures(
    paths: list[Path], size: int, color: bool, background: int = 255, white: int | None = None
) -> tuple[Tensor, list[Path], list[str]]:
    """Readable pictures as uint8 [n, C, size, size], their paths, and the problem of each other."""
    return readable(paths, PictureReader(size, color, background, white))


def readable(paths: list[Path], reader: Reader, by: str = "white") -> tuple[Tensor, list[Path], list[str]]:
    """As `read_pictures`; each is read, or refused, as if it were alone. by: how `white` is stated."""
    x, bits, read, problems = decode(paths, reader)
    dark = {path: 2**used - 1 for path, used in zip(read, bits, strict=True) if reader.white is None and 0 < used < 16}
    problems |= {path: f"{path}: a picture {DARK.format(most)}; {REMEDY.format(most, by)}" for path, most in dark.items()}
    kept = [i for i, path in enumerate(read) if path not in dark]
    return x[kept], [read[i] for i in kept], [problems[path] for path in paths if path in problems]
