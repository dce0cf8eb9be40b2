"""Small files in the formats of the public sets and of pictures, made for tests."""

import io
import os
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat


class Intruder:
    """Makes a folder `trace` where it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("trace",)


def idx(array: np.ndarray) -> bytes:
    """uint8 of any shape, as MNIST's files hold it."""
    return b"\0\0\x08" + bytes([array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.astype(np.uint8).tobytes()


def batch(pixels: np.ndarray, labels: list[int], key: str = "labels") -> bytes:
    """pixels uint8 [n, 3072] and labels, pickled as CIFAR's files are."""
    return pickle.dumps({b"data": pixels, key.encode(): labels}, protocol=2)


def mat(**arrays: np.ndarray) -> bytes:
    """A MATLAB 5 file, compressed as SVHN's are."""
    buffer = io.BytesIO()
    savemat(buffer, arrays, do_compression=True)
    return buffer.getvalue()


def npz(path: Path, **arrays: np.ndarray) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def picture(path: Path, pixels: np.ndarray, **options) -> Path:
    """pixels uint8 [H, W] or [H, W, 3], in the format that the name ends in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, *extra: bytes) -> bytes:
    """A PNG of one bit a pixel that says it has this size, and holds next to nothing."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(bytes(100))), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def spoil(folder: Path) -> list[str]:
    """Eight damaged files of eight kinds in a folder that holds labeled/ant/00.png and test/cow/0.jpg; their names."""
    for name in "labeled/ant/00.png", "test/cow/0.jpg":
        (folder / name).write_bytes((folder / name).read_bytes()[:300])
    (folder / "labeled/bee/text.png").write_text("hello")
    (folder / "unlabeled/huge.png").write_bytes(png_of(50_000, 50_000))
    (folder / "unlabeled/inner").symlink_to("../annex/gone.png")
    (folder / "unlabeled/note.png").write_bytes(png_of(32, 32, chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(10**7), 9))))
    with zipfile.ZipFile(folder / "unlabeled/zip.png", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0", bytes(10**7))
    (folder / "test/bee/empty.jpg").write_bytes(b"")
    inside = [f"unlabeled/{name}" for name in ("huge.png", "inner", "note.png", "zip.png")]
    return ["labeled/ant/00.png", "labeled/bee/text.png", *inside, "test/cow/0.jpg", "test/bee/empty.jpg"]
