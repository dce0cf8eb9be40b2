"""Public data sets: digits, MNIST, Fashion-MNIST, SVHN, CIFAR-10 and CIFAR-100, checked by hash."""

import gzip
import hashlib
import io
import os
import pickle
from abc import abstractmethod
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy  # whose parts are loaded when they are first named
import torch
from einops import rearrange
from torch import Tensor

from gan_sntg.data.dataset import Dataset
from gan_sntg.errors import InputError, refusing
from gan_sntg.files.array_files import read_npz
from gan_sntg.files.atomic import one_at_a_time
from gan_sntg.files.paths import at_home


def fetch(kind: Any, root: str, part: str | None = None) -> None:
    """Fetch torchvision's files, one process at a time, without its constructor, which would read them."""
    fetcher = object.__new__(kind)
    fetcher.root = root
    if part:
        fetcher.split, (fetcher.url, fetcher.filename, _) = part, kind.split_list[part]
    os.makedirs(root, exist_ok=True)
    with one_at_a_time(Path(root)):  # whoever waits here finds what was fetched
        fetcher.download()  # checks the MD5 of an archive before it is unpacked


# The files that torchvision leaves under its root: SHA-256, or (32 digits) the MD5 that torchvision states.
KNOWN_FILES = {
    "MNIST/raw/train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "MNIST/raw/train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "MNIST/raw/t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "MNIST/raw/t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    "FashionMNIST/raw/train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "FashionMNIST/raw/train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "FashionMNIST/raw/t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "FashionMNIST/raw/t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
    "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
    "cifar-10-batches-py/data_batch_1": "54636561a3ce25bd3e19253c6b0d8538147b0ae398331ac4a2d86c6d987368cd",
    "cifar-10-batches-py/data_batch_2": "766b2cef9fbc745cf056b3152224f7cf77163b330ea9a15f9392beb8b89bc5a8",
    "cifar-10-batches-py/data_batch_3": "0f00d98ebfb30b3ec0ad19f9756dc2630b89003e10525f5e148445e82aa6a1f9",
    "cifar-10-batches-py/data_batch_4": "3f7bb240661948b8f4d53e36ec720d8306f5668bd0071dcb4e6c947f78e9682b",
    "cifar-10-batches-py/data_batch_5": "d91802434d8376bbaeeadf58a737e3a1b12ac839077e931237e0dcd43adcb154",
    "cifar-10-batches-py/test_batch": "f53d8d457504f7cff4ea9e021afcf0e0ad8e24a91f3fc42091b8adef61157831",
    "cifar-100-python/train": "735e79b04f092ca3d2e6d07f368c0a7d70d48c48d28865950cc24454cf45129b",
    "cifar-100-python/test": "4b67687d9933c4db8f0831104447f15b93774f4f464bd0516f0f0f2ac83b7864",
}
MOST_BYTES = 2**28  # that are read of a file; no published one is larger


def data_folder(root: str | None) -> Path:
    """`root`, else the variable GAN_SNTG_DATA, else ./data."""
    return at_home(root or os.environ.get("GAN_SNTG_DATA") or "data")


class Published(Dataset):
    """Data set whose files are checked by hash before they are parsed; torchvision fetches them."""

    files: tuple[str, ...]  # paths under root, keys of KNOWN_FILES
    parts: tuple[str | None, ...] = (None,)  # of a `split_list` of torchvision's class of the same name, where that fetches one at a time
    validation_share: float = 0.1

    def __init__(self, root: str | None = None, download: bool = False):
        """Read the files under `data_folder(root)`.

        root: folder of the files; null: GAN_SNTG_DATA, or else ./data; download: fetch files that are not there. Raises InputError where
        one is missing or altered.
        """
        self.root = data_folder(root)
        if download:
            self._download()
        self.train_x, self.train_y, self.test_x, self.test_y = self._read(*(published_bytes(self.root, name) for name in self.files))
        n = len(self.train_y)
        self.validation = torch.arange(n - round(n * self.validation_share), n)
        self.settle_twins(self.name)

    def _download(self) -> None:
        from torchvision import datasets  # noqa: PLC0415  a third of a command's start

        kind = getattr(datasets, type(self).__name__)
        remedy = f"check the connection, or put the files there yourself: {', '.join(self.files)}"
        with refusing(f"{type(self).__name__} could not be downloaded to {self.root}", remedy):
            for part in self.parts:
                fetch(kind, str(self.root), part)

    @abstractmethod
    def _read(self, *contents: bytes) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """train_x, train_y, test_x, test_y in the contents of `files`."""


def published_bytes(root: Path, name: str) -> bytes:
    """Content of root/name, alone ever parsed. Raises InputError unless KNOWN_FILES has its hash."""
    path, known = root / name, KNOWN_FILES[name]
    if not path.is_file():
        raise InputError(f"{path} does not exist; name its folder by --data.root or GAN_SNTG_DATA, or add --data.download true")
    with path.open("rb") as file:
        data = file.read(MOST_BYTES)
    kind = "sha256" if len(known) == 64 else "md5"
    found = hashlib.new(kind, data, usedforsecurity=False).hexdigest()
    if found != known:
        why = f"{kind} {found[:12]}..., expected {known[:12]}...; {path.stat().st_size} bytes"
        raise InputError(f"{path} is not the published file ({why}): it is truncated or altered; delete it and fetch it again")
    return data


def read_idx(data: bytes) -> Tensor:
    """uint8 array of an idx file, gzipped or not."""
    data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
    shape = np.frombuffer(data, ">u4", count=data[3], offset=4)
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=4 + 4 * len(shape)).reshape(shape).copy())


def read_mat(data: bytes) -> tuple[Tensor, Tensor]:
    """x uint8 [N, 3, 32, 32] and y int64 [N] of a MATLAB file of SVHN, whose label 10 is the digit 0."""
    arrays = scipy.io.loadmat(io.BytesIO(data), variable_names=("X", "y"))
    x = rearrange(torch.from_numpy(arrays["X"]), "h w c n -> n c h w").contiguous()
    return x, torch.from_numpy(arrays["y"]).flatten().long() % 10


def _under(folder: str) -> tuple[str, ...]:
    return tuple(name for name in KNOWN_FILES if name.startswith(folder))


@cache
def _digits() -> Any:
    """Pixels [N, 64] in 0..16 and classes [N], arrays; scikit-learn parses a text each time it is asked."""
    from sklearn.datasets import load_digits  # noqa: PLC0415

    return load_digits(return_X_y=True)


class Digits(Dataset):
    """scikit-learn's digits, 8 x 8 pixels: 1,400, 400 of them for validation, and 397 tests, stratified."""

    name = "digits"
    num_classes = 10

    def __init__(self):
        from sklearn.model_selection import train_test_split  # noqa: PLC0415  a fifth of a command's start

        pixels, classes = _digits()
        x = rearrange(torch.from_numpy(np.rint(pixels * (255 / 16)).astype(np.uint8)), "n (h w) -> n 1 h w", h=8)
        y = torch.from_numpy(classes.astype(np.int64))
        pool, test = train_test_split(np.arange(len(y)), test_size=397, stratify=y, random_state=0)
        _, validation = train_test_split(np.arange(len(pool)), test_size=400, stratify=y[pool], random_state=0)
        self.train_x, self.train_y, self.test_x, self.test_y = x[pool], y[pool], x[test], y[test]
        self.validation = torch.from_numpy(np.sort(validation))


class MNIST(Published):
    """60,000 + 10,000 grey digits of 28 x 28 pixels; the last sixth is for validation."""

    name = "mnist"
    num_classes = 10
    shape = (1, 28, 28)
    files = _under("MNIST/")
    validation_share = 1 / 6

    def _read(self, *contents: bytes) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        train_x, train_y, test_x, test_y = map(read_idx, contents)
        return train_x.unsqueeze(1), train_y.long(), test_x.unsqueeze(1), test_y.long()


class MNIST10k(MNIST):
    """First 10,000 training images of MNIST, the last 2,000 for validation, and all test images."""

    name = "mnist10k"
    validation_share = 0.2
    whole: type[MNIST] = MNIST

    def _download(self) -> None:
        self.whole(str(self.root), download=True)

    def _read(self, *contents: bytes) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        train_x, train_y, test_x, test_y = super()._read(*contents)
        return train_x[:10_000], train_y[:10_000], test_x, test_y


class FashionMNIST(MNIST):
    """60,000 + 10,000 grey pictures of clothes, cut as MNIST; the hashes of its .gz files are published."""

    name = "fashion_mnist"
    files = _under("FashionMNIST/")


class FashionMNIST10k(MNIST10k):
    """First 10,000 training images of Fashion-MNIST, cut as MNIST10k, and all test images."""

    name = "fashion_mnist10k"
    files = _under("FashionMNIST/")
    whole = FashionMNIST


class SVHN(Published):
    """73,257 + 26,032 colour house numbers of 32 x 32 pixels; the last tenth is for validation."""

    name = "svhn"
    num_classes = 10
    shape = (3, 32, 32)
    files = "train_32x32.mat", "test_32x32.mat"
    parts = "train", "test"

    def _read(self, *contents: bytes) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        train, test = map(read_mat, contents)
        return *train, *test


class SVHNPart(Dataset):
    """Part of SVHN, 8,583 + 2,490 images, whose errors are not comparable with the literature's.

    From svhn_part.npz (the first 1,083 training and 10,000 test images of SVHN): the pool is all of the former and test 0..7499,
    evaluation is on test 7510..9999, and the last 1,583 of the pool are for validation.
    """

    name = "svhn_part"
    num_classes = 10
    shape = (3, 32, 32)

    def __init__(self, root: str | None = None):
        """root: folder of svhn_part.npz; null: GAN_SNTG_DATA, or else ./data."""
        path = data_folder(root) / "svhn_part.npz"
        arrays = read_npz(path, ("train_x", "train_y", "test_x", "test_y"))
        for part, n in ("train", 1083), ("test", 10_000):
            x, y = arrays[f"{part}_x"], arrays[f"{part}_y"]
            labels = y.shape == (n,) and y.dtype.kind in "ui" and y.min() >= 0 and y.max() <= 9
            if x.dtype != np.uint8 or x.shape != (n, 32, 32, 3) or not labels:
                raise InputError(f"{path}: {part}_x is not uint8 [{n}, 32, 32, 3] with {n} labels in 0..9; unpack it again")
        x, y = (torch.from_numpy(np.concatenate([arrays[f"train_{kind}"], arrays[f"test_{kind}"]])) for kind in "xy")
        x, pool = rearrange(x, "n h w c -> n c h w").contiguous(), 1083 + 7500
        self.train_x, self.train_y, self.test_x, self.test_y = x[:pool], y[:pool].long(), x[pool + 10 :], y[pool + 10 :].long()
        self.validation = torch.arange(7000, pool)
        self.settle_twins(self.name)


class CIFAR10(Published):
    """50,000 + 10,000 colour photographs of 32 x 32 pixels; the last tenth is for validation."""

    name = "cifar10"
    num_classes = 10
    shape = (3, 32, 32)
    files = _under("cifar-10-batches-py/")
    labels = b"labels"

    def _read(self, *contents: bytes) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        batches = [pickle.loads(data, encoding="bytes") for data in contents]  # bytes of the published hash alone
        x = [rearrange(torch.from_numpy(batch[b"data"]), "n (c h w) -> n c h w", c=3, h=32) for batch in batches]
        y = [torch.tensor(batch[self.labels]) for batch in batches]
        return torch.cat(x[:-1]), torch.cat(y[:-1]), x[-1], y[-1]


class CIFAR100(CIFAR10):
    """50,000 + 10,000 colour photographs as CIFAR10's, in 100 (fine) classes."""

    name = "cifar100"
    num_classes = 100
    files = _under("cifar-100-python/")
    labels = b"fine_labels"
