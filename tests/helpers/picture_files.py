"""Pictures byte by byte: PNG and TIFF of every depth and channel, which Pillow does not write."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from helpers.data_files import chunk

SIZE = 28  # a side, so that nothing is resized


def packed(samples: np.ndarray, depth: int) -> bytes:
    """Rows of samples [H, W, C] of a depth, the first in the high bits, each row a whole number of bytes."""
    if depth in (8, 16):
        return samples.astype(f">u{depth // 8}").tobytes()
    bits = (samples.reshape(len(samples), -1, 1) >> np.arange(depth)[::-1]) & 1
    return np.packbits(bits.reshape(len(samples), -1), axis=1).tobytes()


def png(samples: np.ndarray, depth: int, kind: int, *extra: bytes) -> bytes:
    height, width, _ = samples.shape
    rows = np.frombuffer(packed(samples, depth), np.uint8).reshape(height, -1)
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)), *extra]
    parts += [chunk(b"IDAT", zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes())), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tiff(order: str, planes: list[bytes], tags: dict[int, tuple[int, ...]], frames: int = 1, deflated: bool = False) -> bytes:
    """A picture of SIZE x SIZE in one plane or one a channel, and the same once more for each further frame."""
    planes = [zlib.compress(plane) for plane in planes] if deflated else planes
    lengths = [len(plane) for plane in planes]
    places = tuple(8 + sum(lengths[:k]) for k in range(len(planes)))
    tags = {256: (SIZE,), 257: (SIZE,), 259: (8 if deflated else 1,), 273: places, 278: (SIZE,), 279: tuple(lengths)} | tags
    out = bytearray((b"II*\0" if order == "<" else b"MM\0*") + b"\0\0\0\0" + b"".join(planes))
    link = 4
    for _ in range(frames):
        out += b"\0" * (len(out) % 2)
        values = {tag: struct.pack(f"{order}{len(v)}{'I' if tag in (273, 279) else 'H'}", *v) for tag, v in sorted(tags.items())}
        place, entries = len(out), b""
        for tag, data in values.items():
            entries += struct.pack(f"{order}HHI", tag, 4 if tag in (273, 279) else 3, len(tags[tag]))
            if len(data) > 4:
                entries += struct.pack(f"{order}I", len(out))
                out += data
            else:
                entries += data.ljust(4, b"\0")
        place = len(out)
        out[link : link + 4] = struct.pack(f"{order}I", place)
        out += struct.pack(f"{order}H", len(values)) + entries + b"\0\0\0\0"
        link = len(out) - 4
    return bytes(out)


def saved(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
