"""Tensors in files that are mapped into memory: written block by block, read-only from then on."""

import struct
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from shutil import disk_usage
from typing import IO, BinaryIO
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor

from gan_sntg.errors import InputError
from gan_sntg.files.array_files import cache_folder, checked_npz, header_of
from gan_sntg.files.atomic import atomic, one_at_a_time
from gan_sntg.files.memory import PLACE, check_room, in_words

BLOCK = 2**24  # bytes that are in memory at once, or one image
MAPS: WeakValueDictionary[int, np.memmap] = WeakValueDictionary()  # by the first address of a storage


def mapped(file: Path | BinaryIO, shape: tuple[int, ...], dtype: torch.dtype, offset: int = 0) -> Tensor:
    """The tensor at `offset` of a file, read from there when it is looked at. It must not be written to."""
    return _tensor(np.memmap(file, _numpy(dtype), "r", offset, shape)) if prod(shape) else torch.empty(shape, dtype=dtype)


def _numpy(dtype: torch.dtype) -> np.dtype:
    return torch.empty(0, dtype=dtype).numpy().dtype


def _tensor(array: np.memmap) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it cannot be written to
        x = torch.from_numpy(array)
    MAPS[x.untyped_storage().data_ptr()] = array
    return x


def is_mapped(x: Tensor) -> bool:
    """Whether a tensor is all or a part of a mapped file."""
    return x.untyped_storage().data_ptr() in MAPS


def blocks(x: Tensor) -> Iterator[Tensor]:
    """The rows of x [N, ...], as many at once as BLOCK holds."""
    return iter(x.split(rows_at_once(tuple(x.shape[1:]), x.dtype)))


def rows_at_once(shape: tuple[int, ...], dtype: torch.dtype) -> int:
    """Rows of this shape that are in memory at once."""
    return max(1, BLOCK // (prod(shape) * dtype.itemsize))


def taken(x: Tensor, chosen: Tensor) -> Tensor:
    """x at a mask [N] or indices: a view where they follow one another, else a copy, in a file as x is."""
    index = chosen.nonzero().squeeze(1) if chosen.dtype == torch.bool else chosen
    index = index.to(x.device)
    if not len(index):
        return x[:0]
    if torch.equal(index, torch.arange(int(index[0]), int(index[0]) + len(index), device=x.device)):
        return x[int(index[0]) : int(index[0]) + len(index)]
    if not is_mapped(x):
        return indexed(x, index)
    parts = index.split(rows_at_once(tuple(x.shape[1:]), x.dtype))
    return scratch((x[part] for part in parts), (len(index), *x.shape[1:]), x.dtype)


def indexed(x: Tensor, index: Tensor | list[int]) -> Tensor:
    """x[index]; of 16 bits too, which a GPU does not index, and of whole rows copied as such."""
    if x.dtype == torch.uint16:
        return indexed(x.view(torch.int16), index).view(torch.uint16)
    if isinstance(index, Tensor) and index.dim() == 1 and index.dtype == torch.int64 and x.is_contiguous():
        return x.index_select(0, index)
    return x[index]  # of another layout it keeps that


def joined(parts: list[Tensor]) -> Tensor:
    """Rows of one tensor after those of another, in a file where one of them is mapped."""
    held = [x for x in parts if len(x)] or parts[:1]
    if len(held) == 1 or not any(map(is_mapped, held)):
        return held[0] if len(held) == 1 else torch.cat(held)
    return scratch((block for x in held for block in blocks(x)), (sum(map(len, held)), *held[0].shape[1:]), held[0].dtype)


def on_disk(x: Tensor) -> Tensor:
    """The same values, contiguous, in a mapped file."""
    return x if is_mapped(x) and x.is_contiguous() else scratch(blocks(x), tuple(x.shape), x.dtype)


def scratch(parts: Iterable[Tensor], shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Mapped tensor [N, ...] of blocks of rows, in a file without a name that goes when the tensor does."""
    with roomy(prod(shape) * dtype.itemsize) as folder, tempfile.TemporaryFile(dir=folder) as file:
        for part in parts:
            write(file, part)
        file.flush()
        return mapped(file, shape, dtype)


def write(file: IO[bytes], x: Tensor) -> None:
    """Append the values of a tensor."""
    file.write(np.ascontiguousarray(x.numpy()).data)


@contextmanager
def roomy(size: int) -> Iterator[Path]:
    """The cache's folder, for so many bytes. Raises InputError without room, or once the disk is full."""
    remedy = "make room, or name a folder on another disk by GAN_SNTG_CACHE"
    try:
        folder = cache_folder()
    except RuntimeError as error:
        raise InputError("images cannot be kept in a file: the user has no home; name a folder by GAN_SNTG_CACHE") from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (free := disk_usage(folder).free) < size:
            raise InputError(f"{folder} is to hold {in_words(size)} of images, but has {in_words(free)} of room; {remedy}")
        yield folder
    except OSError as error:
        raise InputError(f"{folder} cannot hold {in_words(size)} of images ({error}); {remedy}") from error


def kept_file(key: str, size: int, whole: Callable[[Path], bool], fill: Callable[[BinaryIO], None]) -> Path:
    """The cache's file of this key, which `fill` writes where it is not `whole`; one process at a time.

    It has its name once it is whole. Raises InputError where there is no room for `size` bytes.
    """
    with roomy(0) as folder:
        (folder / key).mkdir(exist_ok=True)
        path = folder / key / "rows.bin"
        with one_at_a_time(path.parent):
            if not (path.is_file() and whole(path)):
                with roomy(size), atomic(path) as file:
                    fill(file)
    return path


def image_arrays(path: Path, names: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """As `read_npz`; where images are to be mapped, of any size: in place, or unpacked into a file.

    Raises InputError before reading where there is too little memory.
    """
    here = PLACE.get()
    with checked_npz(path, names, optional, any_size=here.mapped) as (held, sizes):
        check_room(str(path), "its arrays", sum(sizes.values()), copies=2)
        return {name: _member(path, held, name) if here.mapped else held[name] for name in sizes}


def _member(path: Path, held: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    """An array of an open file, whose checksum is checked block by block."""
    assert held.zip is not None
    info = held.zip.getinfo(f"{name}.npy")
    with held.zip.open(info) as member:
        shape, fortran, dtype = header_of(member)
        begin, order = member.tell(), "F" if fortran else "C"
        size = info.file_size - begin
        if len(shape) < 2 or not size:  # labels
            return np.frombuffer(member.read(), dtype).reshape(shape, order=order)
        if info.compress_type == zipfile.ZIP_STORED:
            while member.read(BLOCK):
                pass
            with path.open("rb") as file:
                file.seek(info.header_offset + 26)
                begin += info.header_offset + 30 + sum(struct.unpack("<HH", file.read(4)))  # of the member's name and extra field
            return np.memmap(path, dtype, "r", begin, shape, order)
        with roomy(size) as folder, tempfile.TemporaryFile(dir=folder) as file:
            while data := member.read(BLOCK):
                file.write(data)
            file.flush()
            return np.memmap(file, dtype, "r", 0, shape, order)


def tensor_of(x: np.ndarray) -> Tensor:
    """Contiguous tensor of an array: a copy; of a mapped one a view, or a file where axes are turned."""
    if not isinstance(x, np.memmap) or not x.size:
        return torch.from_numpy(np.array(x, order="C"))
    if x.flags.c_contiguous:
        return _tensor(x)
    n = max(1, BLOCK * len(x) // x.nbytes)
    parts = (torch.from_numpy(np.array(x[start : start + n], order="C")) for start in range(0, len(x), n))
    return scratch(parts, x.shape, torch.from_numpy(np.empty(0, x.dtype)).dtype)
