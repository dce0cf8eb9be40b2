"""Which files of data are damaged? Tiny ones in the formats of the public sets, arrays, graphs and pictures of one's own."""

import hashlib
import io
import pickle
import struct
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.io import savemat

from fuzzing import sealed
from fuzzing.subjects import Subject
from gan_sntg.data import public
from gan_sntg.data.custom import Arrays, ImageFolder
from gan_sntg.data.public import CIFAR10, MNIST, SVHN, Published
from gan_sntg.graph.fixed_graphs import read_neighbors, write_neighbors

SUFFIXES = ("png", "jpg", "webp", "bmp", "gif", "tiff", "ppm")
Y = np.arange(12) % 10


def pixels(*shape: int) -> np.ndarray:
    """uint8, the same each time."""
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def idx(array: np.ndarray) -> bytes:
    """As MNIST's files hold it."""
    return b"\0\0\x08" + struct.pack(f">B{array.ndim}I", array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def mat(packed: bool) -> bytes:
    """As SVHN's files are, and unpacked."""
    buffer = io.BytesIO()
    savemat(buffer, {"X": pixels(32, 32, 3, len(Y)), "y": (Y + 1)[:, None].astype(np.uint8)}, do_compression=packed)
    return b"MATLAB 5.0 MAT-file".ljust(116) + buffer.getvalue()[116:]  # without the hour


def batch() -> bytes:
    """As CIFAR's files are."""
    return pickle.dumps({"data": pixels(len(Y), 3072), "labels": Y.tolist()}, protocol=3)


def put(path: Path, data: bytes) -> Path:
    """Write it, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def published_sets(folder: Path) -> list[Subject]:
    """The same files as parts of public sets, which are known by their hashes."""
    files: dict[type[Published], list[bytes]] = {
        MNIST: [idx(pixels(12, 5, 6)), idx(Y), idx(255 - pixels(12, 5, 6)), idx(Y)],
        SVHN: [mat(True)] * 2,
        CIFAR10: [batch()] * 6,
    }
    subjects = []
    for (source, contents), kind in zip(files.items(), ("idx", "mat", "CIFAR batch"), strict=True):
        for name, data in zip(source.files, contents, strict=True):
            put(folder / name, data)
            public.KNOWN_FILES[name] = hashlib.sha256(data).hexdigest()
        for name in source.files[:2]:
            subjects.append(Subject(f"{kind} of a public set", folder / name, lambda s=source: s(str(folder)).sha256, hashed=True))
    return subjects


def arrays(folder: Path) -> list[Subject]:
    """An .npz of images, and one of a graph: as they are, and with a damaged member under a right checksum."""
    x = pixels(24, 8, 8)
    own, graph = put(folder / "own.npz", b""), folder / "knn.npz"
    np.savez_compressed(own, train_x=x[:12], train_y=np.arange(12) % 3, test_x=x[12:], test_y=np.arange(12) % 3)
    write_neighbors(graph, "0" * 64, torch.tensor([[1, 2], [0, 2], [0, 1]], dtype=torch.int32))
    reads = {own: lambda: Arrays("own.npz", str(folder)).sha256, graph: lambda: read_neighbors(graph).values}
    return [
        *(Subject("npz", path, read, hashed=True) for path, read in reads.items()),
        *(Subject("npz, sealed again", path, read, inner=sealed.in_zip) for path, read in reads.items()),
    ]


def pictures(folder: Path) -> list[Subject]:
    """A file of a folder of pictures, in each format; of PNG also a chunk under a right checksum."""
    subjects = []
    for suffix in SUFFIXES:
        root = folder / suffix
        for k, name in enumerate(f"{part}/{kind}/0.png" for part in ("labeled", "test") for kind in ("ant", "bee")):
            Image.fromarray(pixels(40, 40, 3) // (k + 1)).save(put(root / name, b""))
        Image.fromarray(pixels(36, 40, 3)).save(path := put(root / f"unlabeled/0.{suffix}", b""))
        kind = "PNG" if suffix == "png" else "JPEG, WebP, BMP, GIF, TIFF, PPM"
        subjects.append(Subject(kind, path, lambda root=root: ImageFolder(str(root), 32).sha256))
        if suffix == "png":
            subjects.append(Subject(f"{kind}, sealed again", path, subjects[-1].read, inner=sealed.in_png))
    return subjects
