"""Which images and labels does a data set hold? Files to uint8 tensors, each known file checked before it is read."""

import hashlib
import os
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torchvision
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor

from gan_sntg.core.errors import InputError

# SHA-256 of the files that torchvision leaves under its root, by their path there.
KNOWN_FILES = {
    "MNIST/raw/train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "MNIST/raw/train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "MNIST/raw/t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "MNIST/raw/t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


class Source:
    """A labelled image set: train_x uint8 [N, C, H, W], train_y int64 [N], test_x, test_y likewise, on the CPU.

    `validation` [V] indexes the training images that `--validation` takes out of the pool: a cut fixed for the data set.
    """

    name: str
    num_classes: int
    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    validation: Tensor

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(C, H, W)."""
        return tuple(self.train_x.shape[1:])

    @property
    def num_examples(self) -> int:
        """N, the number of training images."""
        return len(self.train_x)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over all pixels and labels: which data a manifest or a result speaks of."""
        digest = hashlib.sha256()
        for tensor in (self.train_x, self.train_y, self.test_x, self.test_y):
            digest.update(np.ascontiguousarray(tensor.numpy()).data)
        return digest.hexdigest()


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


class Torchvision(Source):
    """A set that torchvision reads from `root` and, where `download` is true, fetches there."""

    def __init__(self, root: str | None = None, download: bool = False):
        """root: default is the variable GAN_SNTG_DATA, else ./data. Raises InputError on missing or altered files."""
        self.root = Path(root or os.environ.get("GAN_SNTG_DATA") or "data")
        self.download = download
        if download:
            self._download()
        for name in self.files:
            check_known_file(self.root, name)
        self._read()

    files: tuple[str, ...] = ()

    def _download(self) -> None:
        raise NotImplementedError

    def _read(self) -> None:
        raise NotImplementedError


class MNIST(Torchvision):
    """60,000 + 10,000 grey digits of 28 x 28 pixels; the last 10,000 training images are the validation images."""

    name = "mnist"
    num_classes = 10
    files = tuple(KNOWN_FILES)

    def _download(self) -> None:
        try:
            torchvision.datasets.MNIST(str(self.root), train=True, download=True)
        except (OSError, RuntimeError) as error:
            raise InputError(f"MNIST could not be downloaded to {self.root} ({error}); check the connection, or put the idx files into {self.root / 'MNIST/raw'} yourself") from error

    def _read(self) -> None:
        train, test = (torchvision.datasets.MNIST(str(self.root), train=train) for train in (True, False))
        self.train_x, self.test_x = train.data.unsqueeze(1), test.data.unsqueeze(1)
        self.train_y, self.test_y = train.targets, test.targets
        self.validation = torch.arange(5 * len(self.train_y) // 6, len(self.train_y))


def check_known_file(root: Path, name: str) -> None:
    """Raise InputError unless root/name exists and has the SHA-256 that KNOWN_FILES states."""
    path = root / name
    if not path.is_file():
        raise InputError(f"{path} does not exist; name the folder that holds it by --data.root or GAN_SNTG_DATA, or add --data.download true")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != KNOWN_FILES[name]:
        raise InputError(f"{path} is not the published file (SHA-256 {found[:12]}..., expected {KNOWN_FILES[name][:12]}...; {path.stat().st_size} bytes): it is truncated or altered; delete it and fetch it again")
