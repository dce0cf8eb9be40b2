"""Is a file of a public data set the published one? A table of hashes, and the sets that are read only if theirs match."""

import hashlib
import os
import tarfile
import zlib
from abc import abstractmethod
from pathlib import Path

import torch
import torchvision
from torch import Tensor

from gan_sntg.core.data.base import Source
from gan_sntg.core.data.fetching import fetch
from gan_sntg.core.data.known_files import is_noted, mark_of, note
from gan_sntg.core.errors import InputError

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


def data_folder(root: str | None) -> Path:
    """`root`, else the variable GAN_SNTG_DATA, else ./data."""
    return Path(root or os.environ.get("GAN_SNTG_DATA") or "data")


class Published(Source):
    """A set whose files under `root` are checked before they are read, and that torchvision fetches where `download` is true."""

    files: tuple[str, ...]  # paths under root, keys of KNOWN_FILES
    downloads: tuple[dict[str, str], ...] = ({},)  # for each download, the fields that torchvision's class of the same name needs
    validation_share: float = 0.1

    def __init__(self, root: str | None = None, download: bool = False):
        """root: see `data_folder`. Raises InputError on missing, altered or malformed files."""
        self.root = data_folder(root)
        if download:
            self._download()
        for name in self.files:
            check_known_file(self.root, name)
        self.train_x, self.train_y, self.test_x, self.test_y = self._read(*(self.root / name for name in self.files))
        check_labels(f"{self.name} under {self.root}", torch.cat([self.train_y, self.test_y]), self.num_classes)
        n = len(self.train_y)
        self.validation = torch.arange(n - round(n * self.validation_share), n)

    def _download(self) -> None:
        try:
            for part in self.downloads:
                fetch(getattr(torchvision.datasets, type(self).__name__), str(self.root), **part)
        except (OSError, RuntimeError, tarfile.TarError, EOFError, zlib.error) as error:
            raise InputError(
                f"{type(self).__name__} could not be downloaded to {self.root} ({error}); check the connection, or put the files "
                f"there yourself: {', '.join(self.files)}"
            ) from error

    @abstractmethod
    def _read(self, *paths: Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """train_x, train_y, test_x, test_y of the checked files."""


def check_known_file(root: Path, name: str) -> None:
    """Raise InputError unless root/name exists and has the hash that KNOWN_FILES states, now or when it was last read (see known_files)."""
    path, known = root / name, KNOWN_FILES[name]
    if not path.is_file():
        raise InputError(
            f"{path} does not exist; name the folder that holds it by --data.root or GAN_SNTG_DATA, or add --data.download true"
        )
    if is_noted(path, known):
        return
    kind, mark = "sha256" if len(known) == 64 else "md5", mark_of(path)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()
    if found != known:
        raise InputError(
            f"{path} is not the published file ({kind} {found[:12]}..., expected {known[:12]}...; {path.stat().st_size} bytes): "
            "it is truncated or altered; delete it and fetch it again"
        )
    note(path, known, mark)


def check_labels(where: str, y: Tensor, num_classes: int) -> None:
    """Raise InputError unless every label of y [N] is in 0..num_classes - 1."""
    if y.min() < 0 or y.max() >= num_classes:
        raise InputError(
            f"{where}: the labels run from {int(y.min())} to {int(y.max())}, not in 0..{num_classes - 1}; fetch the files again"
        )
