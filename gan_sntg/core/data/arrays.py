"""How are one's own arrays a data set? An .npz file with train_x, train_y, test_x, test_y and, if there are any, unlabeled_x."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gan_sntg.core.data.base import Source, check_apart, one_fifth
from gan_sntg.core.data.npz import names_in, read_npz
from gan_sntg.core.data.published import data_folder
from gan_sntg.core.data.streams import UNLABELED
from gan_sntg.core.errors import InputError

CHANNELS = (1, 3)
NAMES, OPTIONAL = ("train_x", "train_y", "test_x", "test_y"), ("unlabeled_x",)


class Arrays(Source):
    """Images uint8 [N, H, W], [N, H, W, C] or [N, C, H, W] with C 1 or 3, labels whole numbers 0..K - 1 [N], each in use.

    The training images are those of train_x, then of unlabeled_x. A fifth of each class of train_y is for validation.
    """

    name = "arrays"

    def __init__(self, file: str, root: str | None = None):
        """file: the .npz, in the folder root (see `data_folder`). Raises InputError with the file and what is wrong in it."""
        if Path(file).is_absolute() or ".." in Path(file).parts:
            raise InputError(f"file is {file}, which leads out of the data folder; name the folder by --data.root and a file in it")
        self.path = path = data_folder(root) / file
        arrays = read_npz(path, NAMES, OPTIONAL)
        unknown = sorted({*names_in(path)} - {*NAMES, *OPTIONAL})
        if unknown:  # unlabelled_x would be left out without a word
            every = ", ".join([*NAMES, *OPTIONAL])
            raise InputError(f"{path} holds {', '.join(unknown)[:200]}, which is not read; leave in it only {every}")
        x, self.test_x = self._images("train_x", arrays["train_x"]), self._images("test_x", arrays["test_x"])
        unlabeled = self._images("unlabeled_x", arrays["unlabeled_x"]) if "unlabeled_x" in arrays else x[:0]
        if not x.shape[1:] == self.test_x.shape[1:] == unlabeled.shape[1:]:
            raise InputError(f"{path}: its images have more than one size or number of channels; make them all the same")
        y = self._labels("train_y", arrays["train_y"], len(x), len(x))
        self.num_classes = self._count_classes(y)
        self.test_y = self._labels("test_y", arrays["test_y"], len(self.test_x), self.num_classes)
        self.train_x = torch.cat([x, unlabeled])
        self.train_y = torch.cat([y, torch.full((len(unlabeled),), UNLABELED)])
        train = [f"train_x[{i}]" for i in range(len(x))] + [f"unlabeled_x[{i}]" for i in range(len(unlabeled))]
        check_apart(str(path), self.train_x, self.test_x, train, [f"test_x[{i}]" for i in range(len(self.test_x))])
        self.validation = one_fifth(self.train_y)

    def _images(self, name: str, x: np.ndarray) -> Tensor:
        """uint8 [N, C, H, W]. Raises InputError for any other kind or an order of dimensions that is none or two of the three."""
        if x.dtype != np.uint8:
            nan = " and holds NaN" if x.dtype.kind == "f" and np.isnan(x).any() else ""
            raise InputError(f"{self.path}: {name} is {x.dtype}{nan}, not uint8 with pixels 0..255; save it so")
        last = x.ndim == 4 and x.shape[3] in CHANNELS
        first = x.ndim == 4 and x.shape[1] in CHANNELS
        if 0 in x.shape or last == first and x.ndim != 3:
            raise InputError(
                f"{self.path}: {name} has the shape {list(x.shape)}, not [N, H, W], [N, H, W, C] or [N, C, H, W] with C 1 or 3"
            )
        x = x[:, None] if x.ndim == 3 else x.transpose(0, 3, 1, 2) if last else x
        return torch.from_numpy(np.ascontiguousarray(x))

    def _labels(self, name: str, y: np.ndarray, n: int, num_classes: int) -> Tensor:
        """int64 [N]. Raises InputError unless they are n whole numbers in 0..num_classes - 1."""
        if y.dtype.kind not in "ui":
            nan = " and holds NaN" if y.dtype.kind == "f" and np.isnan(y).any() else ""
            raise InputError(f"{self.path}: {name} is {y.dtype}{nan}, not whole numbers; save the classes as 0, 1, 2, ...")
        if y.shape != (n,):
            raise InputError(f"{self.path}: {name} has the shape {list(y.shape)} for {n} images; give one label an image")
        if y.min() < 0 or y.max() >= num_classes:
            raise InputError(
                f"{self.path}: {name} has labels out of range, {y.min()} to {y.max()}, not in 0..{num_classes - 1}; number the classes "
                "of train_y from 0 on, and put images without a label into unlabeled_x"
            )
        return torch.from_numpy(y.astype(np.int64))

    def _count_classes(self, y: Tensor) -> int:
        """K. Raises InputError unless there are two classes or more and each has an image."""
        counts = torch.bincount(y)
        empty = (counts == 0).nonzero().flatten().tolist()
        if empty or len(counts) < 2:
            what = f"no image of the classes {empty[:20]}" if empty else "one class only"
            raise InputError(f"{self.path}: train_y holds {what}; number the classes 0..K - 1, at least two, and give an image of each")
        return len(counts)
