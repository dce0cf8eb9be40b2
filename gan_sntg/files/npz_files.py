"""Safe reading of .npz files: headers first, no pickles, bounded sizes."""

import math
import zipfile
from pathlib import Path

import numpy as np

from gan_sntg.errors import InputError, refusing

MOST_BYTES = 8 * 2**30


def read_npz(
    path: Path, names: tuple[str, ...], optional: tuple[str, ...] = (), remedy: str = "write it again with numpy.savez"
) -> dict[str, np.ndarray]:
    """Arrays `names` of a file, and those of `optional` that it has.

    Raises InputError with the file, the reason and `remedy` where an array is missing, too large or damaged.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist; name the folder that holds it by --data.root or GAN_SNTG_DATA")
    # headers are parsed as Python literals, which may fail in any way
    with refusing(f"{path} is not a readable .npz file", remedy), np.load(path, allow_pickle=False) as held:
        if missing := [name for name in names if name not in held]:
            raise InputError(f"{path} has no {' and no '.join(missing)}; it must hold the arrays {', '.join(names)}; {remedy}")
        wanted = [name for name in (*names, *optional) if name in held]
        total = sum(_stated_bytes(path, held.zip, f"{name}.npy") for name in wanted)
        if total > MOST_BYTES:
            raise InputError(f"{path} says that its arrays take {total:,} bytes; the most that is read is {MOST_BYTES:,}")
        return {name: held[name] for name in wanted}


def _stated_bytes(path: Path, archive: zipfile.ZipFile, member: str) -> int:
    """Size that an array's header states. Raises InputError where it holds objects or another size."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        if dtype.hasobject:
            raise InputError(f"{path}: {member} holds Python objects, which are never unpickled; save plain numbers")
        stated, held = math.prod(shape) * dtype.itemsize, archive.getinfo(member).file_size - file.tell()
    if stated != held:
        raise InputError(f"{path}: {member} says it is {dtype} {list(shape)}, {stated:,} bytes, but {held:,} bytes follow; write it again")
    return stated
