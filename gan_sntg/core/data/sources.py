"""Which public image sets are there? Each as a class that reads the usual files."""

from pathlib import Path

import numpy as np
import torch
import torchvision
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor

from gan_sntg.core.data.base import Source
from gan_sntg.core.data.formats import read_batch, read_idx, read_mat
from gan_sntg.core.data.npz import read_npz
from gan_sntg.core.data.published import KNOWN_FILES, Published, check_labels, data_folder
from gan_sntg.core.errors import InputError

URLS = torchvision.datasets.SVHN.split_list


def _under(folder: str) -> tuple[str, ...]:
    return tuple(name for name in KNOWN_FILES if name.startswith(folder))


class Digits(Source):
    """The 1,797 handwritten digits of 8 x 8 pixels that ship with scikit-learn: no download.

    A fixed stratified cut: 397 test images; of the 1,400 others, 400 are the validation images.
    """

    name = "digits"
    num_classes = 10

    def __init__(self):
        """Pixels 0..16 are scaled to 0..255."""
        digits = load_digits()
        x = torch.from_numpy(np.rint(digits.images * (255 / 16)).astype(np.uint8)).unsqueeze(1)
        y = torch.from_numpy(digits.target.astype(np.int64))
        pool, test = train_test_split(np.arange(len(y)), test_size=397, stratify=y, random_state=0)
        _, validation = train_test_split(np.arange(len(pool)), test_size=400, stratify=y[pool], random_state=0)
        self.train_x, self.train_y, self.test_x, self.test_y = x[pool], y[pool], x[test], y[test]
        self.validation = torch.from_numpy(np.sort(validation))


class MNIST(Published):
    """60,000 + 10,000 grey digits of 28 x 28 pixels; the last 10,000 training images are the validation images."""

    name = "mnist"
    num_classes = 10
    shape = (1, 28, 28)
    files = _under("MNIST/")
    validation_share = 1 / 6

    def _read(self, *paths: Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        train, test = (read_idx(path, 3).unsqueeze(1) for path in paths[::2])
        train_y, test_y = (read_idx(path, 1).long() for path in paths[1::2])
        for path, x, y in (paths[0], train, train_y), (paths[2], test, test_y):
            if len(x) != len(y):
                raise InputError(f"{path} holds {len(x)} images for {len(y)} labels; fetch both files again")
        return train, train_y, test, test_y


class MNIST10k(MNIST):
    """A CPU-sized MNIST: the first 10,000 training images, of which the last 2,000 are for validation, and all 10,000 test images."""

    name = "mnist10k"

    def __init__(self, root: str | None = None, download: bool = False):
        """root: see `data_folder`. Raises InputError as MNIST does."""
        super().__init__(root, download)
        self.train_x, self.train_y = self.train_x[:10_000], self.train_y[:10_000]
        self.validation = torch.arange(len(self.train_y) * 4 // 5, len(self.train_y))

    def _download(self) -> None:
        MNIST(str(self.root), download=True)


class FashionMNIST(MNIST):
    """60,000 + 10,000 grey pictures of clothes, sized and cut as MNIST's; read from the .gz files, whose hashes alone are published."""

    name = "fashion_mnist"
    files = _under("FashionMNIST/")


class SVHN(Published):
    """73,257 + 26,032 colour house numbers of 32 x 32 pixels, never the `extra` images; the last tenth is for validation."""

    name = "svhn"
    num_classes = 10
    shape = (3, 32, 32)
    files = ("train_32x32.mat", "test_32x32.mat")
    downloads = tuple({"split": part, "url": URLS[part][0], "filename": URLS[part][1]} for part in ("train", "test"))

    def _read(self, *paths: Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        train, test = (read_mat(path) for path in paths)
        return *train, *test


class SVHNPart(Source):
    """A part of SVHN whose errors are not comparable with the literature's: 8,583 images for training, 2,490 for testing.

    From svhn_part.npz (the first 1,083 training and 10,000 test images of SVHN): the pool is all of the former and test 0..7499,
    evaluation is on test 7510..9999, and the last 1,583 of the pool are for validation.
    """

    name = "svhn_part"
    num_classes = 10
    shape = (3, 32, 32)

    def __init__(self, root: str | None = None):
        """root: see `data_folder`. Raises InputError where svhn_part.npz is missing or holds something else."""
        path = data_folder(root) / "svhn_part.npz"
        arrays = read_npz(path, ("train_x", "train_y", "test_x", "test_y"))
        for part, n in ("train", 1083), ("test", 10_000):
            x, y = arrays[f"{part}_x"], arrays[f"{part}_y"]
            if x.dtype != np.uint8 or x.shape != (n, 32, 32, 3) or y.shape != (n,) or y.dtype.kind not in "ui":
                raise InputError(f"{path}: {part}_x is not uint8 [{n}, 32, 32, 3] with {n} labels; unpack it again")
        a, b = (torch.from_numpy(arrays[name].transpose(0, 3, 1, 2).copy()) for name in ("train_x", "test_x"))
        y, z = (torch.from_numpy(arrays[name].astype(np.int64)) for name in ("train_y", "test_y"))
        check_labels(str(path), torch.cat([y, z]), 10)
        self.train_x, self.train_y = torch.cat([a, b[:7500]]), torch.cat([y, z[:7500]])
        self.test_x, self.test_y = b[7510:], z[7510:]
        self.validation = torch.arange(7000, 8583)


class CIFAR10(Published):
    """50,000 + 10,000 colour photographs of 32 x 32 pixels in ten classes; the last tenth is for validation."""

    name = "cifar10"
    num_classes = 10
    shape = (3, 32, 32)
    files = _under("cifar-10-batches-py/")
    labels = "labels"

    def _read(self, *paths: Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        *train, test = (read_batch(path, self.labels) for path in paths)
        return torch.cat([x for x, _ in train]), torch.cat([y for _, y in train]), *test


class CIFAR100(CIFAR10):
    """As CIFAR10, in a hundred (fine) classes."""

    name = "cifar100"
    num_classes = 100
    files = _under("cifar-100-python/")
    labels = "fine_labels"
