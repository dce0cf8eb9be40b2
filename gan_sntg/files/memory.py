"""Memory of a run: where its images are kept, what is free, what is refused, and reuse."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple

import torch

from gan_sntg.errors import InputError

MEMINFO = Path("/proc/meminfo")
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


class Place(NamedTuple):
    """The device of a run, and whether its images stay in mapped files on the host."""

    device: torch.device = torch.device("cpu")
    mapped: bool = False


NOWHERE = Place()
PLACE: ContextVar[Place] = ContextVar("place", default=NOWHERE)  # of the data sets that are made now


@contextmanager
def placed(device: torch.device | str = "cpu", mapped: bool = False) -> Iterator[None]:
    """Within it, data sets are read for a run on `device`; `mapped`: into files mapped into memory."""
    token = PLACE.set(Place(torch.device(device), mapped))
    try:
        yield
    finally:
        PLACE.reset(token)


def reuse_memory() -> None:
    """Keep freed memory for the next tensors of this process, where the C library is glibc.

    Without it, glibc returns each freed tensor over 32 MB to the system, which clears every page of the next one. Results do not change.
    It cannot be undone; `release_memory` returns once what is free.
    """
    with suppress(OSError, AttributeError, TypeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)  # never


def release_memory() -> None:
    """Return freed memory to the system, where the C library is glibc."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def free_on(device: torch.device | str) -> int | None:
    """Bytes of memory free on a device, a CPU's being the host's; None where the system does not say."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    with suppress(OSError, StopIteration, ValueError):  # what may be had without swapping; of systems that have this file
        line = next(line for line in MEMINFO.read_text().splitlines() if line.startswith("MemAvailable:"))
        return 1024 * int(line.split()[1])
    with suppress(OSError, ValueError):
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def check_room(where: str, what: str, size: int, copies: int = 1, remedy: str = "") -> None:
    """Raise InputError where images of `size` bytes are more than is free; not where they are mapped.

    what: the images in a sentence; copies: on the host, while they are read. On a GPU they are once.
    """
    if not PLACE.get().mapped:
        _check(where, what, copies * size, torch.device("cpu"), remedy)
        check_device(where, what, size, remedy)


def check_device(where: str, what: str, size: int, remedy: str = "") -> None:
    """Raise InputError where they do not fit beside what is on the GPU; not where they are mapped."""
    here = PLACE.get()
    if not here.mapped and here.device.type != "cpu":
        _check(where, what, size, here.device, remedy)


def _check(where: str, what: str, size: int, device: torch.device, remedy: str) -> None:
    if (free := free_on(device)) is None or size <= free:
        return
    release_memory()  # which is free, too
    if size > (free := free_on(device) or 0):
        text = f"{where}: {what} take {in_words(size)} of the memory of {name_of(device)}, of which {in_words(free)} are free"
        raise InputError(f"{text}; add --pool mapped, which keeps images in a file{remedy}")


def images_in_words(n: int, shape: tuple[int, ...]) -> str:
    """So many images of a shape."""
    return f"{n:,} images of {' x '.join(map(str, shape))}"


def name_of(device: torch.device) -> str:
    """A device in a sentence."""
    return "the host" if device.type == "cpu" else f"the GPU ({device})"


def in_words(size: int) -> str:
    """Bytes as megabytes or gigabytes."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
