"""How are bytes damaged? By one to three blows at random places, with the head and the tail, where headers are, hit more often."""

import random
import struct
from collections.abc import Callable

HUGE = [2**7, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1]  # what a header may claim
EDGE = 160  # bytes of head and tail


def damaged(data: bytes, rng: random.Random) -> bytes:
    """The bytes after one to three blows, other than before."""
    found = data
    while found == data:
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            found = rng.choice(BLOWS)(found, rng)
    return found


def place(data: bytes, rng: random.Random) -> int:
    """An index of the data, in half of the cases near its head or tail; 0 where it is empty."""
    n = len(data)
    spot = rng.choice([rng.randrange(EDGE), n - 1 - rng.randrange(EDGE), rng.randrange(n), rng.randrange(n)]) if n else 0
    return min(max(spot, 0), max(n - 1, 0))


def span(data: bytes, rng: random.Random) -> tuple[int, int]:
    """Start and end of a block: mostly short, at times up to half of the data."""
    start = place(data, rng)
    return start, min(len(data), start + rng.randint(1, rng.choice([4, 16, 64, max(len(data) // 2, 1)])))


def flip(data: bytes, rng: random.Random) -> bytes:
    """One bit."""
    at = place(data, rng)
    return data[:at] + bytes([byte ^ 1 << rng.randrange(8) for byte in data[at : at + 1]]) + data[at + 1 :]


def overwrite(data: bytes, rng: random.Random) -> bytes:
    """A byte by any other."""
    at = place(data, rng)
    return data[:at] + rng.randbytes(1) + data[at + 1 :]


def truncate(data: bytes, rng: random.Random) -> bytes:
    """All behind a place is lost."""
    return data[: place(data, rng)]


def insert(data: bytes, rng: random.Random) -> bytes:
    """Random bytes come in between."""
    at = place(data, rng)
    return data[:at] + rng.randbytes(rng.choice([1, 2, 8, 64])) + data[at:]


def remove(data: bytes, rng: random.Random) -> bytes:
    """A block is lost."""
    start, end = span(data, rng)
    return data[:start] + data[end:]


def zero(data: bytes, rng: random.Random) -> bytes:
    """A block is all zeros, as after a crash of the disk."""
    start, end = span(data, rng)
    return data[:start] + bytes(end - start) + data[end:]


def double(data: bytes, rng: random.Random) -> bytes:
    """A block is there twice."""
    start, end = span(data, rng)
    return data[:end] + data[start:end] + data[end:]


def swap(data: bytes, rng: random.Random) -> bytes:
    """Two blocks of one length change places."""
    start, end = span(data, rng)
    other = rng.randint(end, max(len(data) - (end - start), end))
    return data[:start] + data[other : other + end - start] + data[end:other] + data[start:end] + data[other + end - start :]


def claim(data: bytes, rng: random.Random) -> bytes:
    """A number of 2, 4 or 8 bytes becomes huge, in either order of bytes."""
    at, kind = place(data, rng), rng.choice("HIQ")
    number = rng.choice(HUGE) % 2 ** (8 * struct.calcsize("<" + kind))
    return data[:at] + struct.pack(rng.choice("<>") + kind, number) + data[at + struct.calcsize("<" + kind) :]


def spell(data: bytes, rng: random.Random) -> bytes:
    """A number written in digits becomes huge, negative or none."""
    digits = [at for at, byte in enumerate(data[:4096]) if byte in b"0123456789"]
    at = rng.choice(digits) if digits else place(data, rng)
    return data[:at] + rng.choice([b"99999999999", b"-1", b"1e999", b"9" * 400, b"NaN", b"0x", b""]) + data[at + 1 :]


BLOWS: list[Callable[[bytes, random.Random], bytes]] = [flip, overwrite, truncate, insert, remove, zero, double, swap, claim, spell]
