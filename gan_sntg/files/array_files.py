"""Safe reading of .npz and tensor files, the cache of tensors, and SHA-256 of files and tensors."""

import contextlib
import hashlib
import io
import math
import os
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor, nn

from gan_sntg.errors import InputError, refusing
from gan_sntg.files.atomic import write_atomically

AGAIN = "write it again with numpy.savez"
MOST_BYTES = 8 * 2**30  # of the arrays of an .npz file
MOST_PARTS = 100_000  # of a state: entries of all its mappings and lists


def read_npz(path: Path, names: tuple[str, ...], optional: tuple[str, ...] = (), remedy: str = AGAIN) -> dict[str, np.ndarray]:
    """Arrays `names` of a file, and those of `optional` that it has.

    Raises InputError with the file, the reason and `remedy` where an array is missing, too large or damaged.
    """
    with checked_npz(path, names, optional, remedy) as (held, sizes):
        return {name: held[name] for name in sizes}


@contextmanager
def checked_npz(
    path: Path, names: tuple[str, ...], optional: tuple[str, ...], remedy: str = AGAIN, any_size: bool = False
) -> Iterator[tuple[np.lib.npyio.NpzFile, dict[str, int]]]:
    """An open .npz file and the bytes of its arrays, checked as by `read_npz`. any_size: take more too."""
    if not path.is_file():
        raise InputError(f"{path} does not exist; name the folder that holds it by --data.root or GAN_SNTG_DATA")
    # headers are parsed as Python literals, which may fail in any way
    with refusing(f"{path} is not a readable .npz file", remedy), np.load(path, allow_pickle=False) as held:
        if missing := [name for name in names if name not in held]:
            raise InputError(f"{path} has no {' and no '.join(missing)}; it must hold the arrays {', '.join(names)}; {remedy}")
        sizes = {name: _stated_bytes(path, held.zip, f"{name}.npy") for name in (*names, *optional) if name in held}
        if sum(sizes.values()) > MOST_BYTES and not any_size:
            raise InputError(f"{path} says that its arrays take {sum(sizes.values()):,} bytes; the most that is read is {MOST_BYTES:,}")
        yield held, sizes


def _stated_bytes(path: Path, archive: zipfile.ZipFile, member: str) -> int:
    """Size that an array's header states. Raises InputError where it holds objects or another size."""
    with archive.open(member) as file:
        shape, _, dtype = header_of(file)
        if dtype.hasobject:
            raise InputError(f"{path}: {member} holds Python objects, which are never unpickled; save plain numbers")
        stated, held = math.prod(shape) * dtype.itemsize, archive.getinfo(member).file_size - file.tell()
    if stated != held:
        raise InputError(f"{path}: {member} says it is {dtype} {list(shape)}, {stated:,} bytes, but {held:,} bytes follow; write it again")
    return stated


def header_of(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and dtype of a .npy file, which is read up to its values."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def load_tensors(path: Path, device: torch.device | str = "cpu"):
    """Tensors, numbers and texts of a file that `torch.save` wrote. Raises any error where it is damaged."""
    check_archive(path)
    state = load_unchecked(path, device)
    check_parts(state)
    return state


def load_unchecked(path: Path, device: torch.device | str = "cpu"):
    """As `load_tensors`, of torch's older format too, which has no checksums."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of bytes that are refused
        return torch.load(path, map_location=device, weights_only=True)


def check_archive(path: Path) -> None:
    """Raise ValueError where bytes fail their checksum, which torch.load ignores, or unpack to more."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
        if packed or sum(member.file_size for member in members) > path.stat().st_size:
            raise ValueError("it unpacks to more than it holds")
        if damaged := archive.testzip():
            raise ValueError(f"{damaged} does not match its checksum")


def check_parts(state) -> None:
    """Raise ValueError where a state has parts without end, or a tensor is larger than its storage."""
    waiting, seen = [state], 0
    while waiting:
        part = waiting.pop()
        seen += 1
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list | tuple | set):
            waiting += part
        elif isinstance(part, Tensor) and part.numel() * part.element_size() > part.untyped_storage().nbytes():
            raise ValueError(f"a tensor {list(part.shape)} is larger than what is stored of it")
        if seen + len(waiting) > MOST_PARTS:
            raise ValueError(f"it has more than {MOST_PARTS:,} parts")


def key_of(kind: str, x: Tensor) -> str:
    """Name of the statistics `kind` of the examples x [N, ...]: a hash of both."""
    return f"{kind}-{sha256_of(f'{kind} {tuple(x.shape)} {x.dtype}', x)[:32]}"


def cached(
    key: str, shapes: dict[str, tuple[int, ...]], fit: Callable[[], dict[str, Tensor]], dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    """Tensors of these names, shapes and dtype from the user's cache, or else fitted and kept there.

    The cache is $GAN_SNTG_CACHE, else ~/.cache/gan-sntg. A damaged file is replaced; where there is no place for one, as for a user
    without a home, or it cannot be written, that costs only time.
    """
    with contextlib.suppress(Exception):  # see load_tensors
        found = load_tensors(cache_folder() / f"{key}.pt")
        if {name: (tuple(t.shape), t.dtype) for name, t in found.items()} == {n: (s, dtype) for n, s in shapes.items()}:
            return found
    found, buffer = fit(), io.BytesIO()
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        path = cache_folder() / f"{key}.pt"
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(found, buffer)
        write_atomically(path, buffer.getbuffer())
    return found


def cache_folder() -> Path:
    """The folder of the user's cache. Raises RuntimeError where the user has no home."""
    return Path(os.path.expanduser(os.environ.get("GAN_SNTG_CACHE", "")) or Path.home() / ".cache" / "gan-sntg")


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
