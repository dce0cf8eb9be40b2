"""One's own data as arrays, in memory or in an .npz file."""

from collections.abc import Iterable
from pathlib import Path
from typing import overload

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from gan_sntg.data.dataset import Array, Dataset, as_array, one_fifth, range_notes
from gan_sntg.data.loader import UNLABELED
from gan_sntg.data.public import data_folder
from gan_sntg.data.twins import Twins
from gan_sntg.errors import InputError
from gan_sntg.files.array_files import read_npz

NAMES, OPTIONAL = ("train_x", "train_y", "test_x", "test_y"), ("unlabeled_x",)
EVERY = (*NAMES, *OPTIONAL)


class Arrays(Dataset):
    """One's own images and labels: arrays or tensors in Python, an .npz file in a configuration.

    Images are uint8 [N, H, W], [N, H, W, C] or [N, C, H, W] with C 1 or 3; labels are whole numbers 0..K - 1 [N], each in use. The
    training images are those of train_x, then of unlabeled_x. A fifth of each class of train_y is for validation.
    """

    name = "arrays"

    @overload
    def __init__(self, *, file: str, root: str | None = None, twins: Twins = Twins.refuse): ...

    @overload
    def __init__(
        self,
        train_x: Array,
        train_y: Array,
        test_x: Array,
        test_y: Array,
        unlabeled_x: Array | None = None,
        *,
        twins: Twins = Twins.refuse,
    ): ...

    def __init__(
        self, *arrays: Array | None, file: str | None = None, root: str | None = None, twins: Twins = Twins.refuse, **named: Array | None
    ):
        """Take arrays, or read `file` in `data_folder(root)`. Raises InputError that names the wrong one.

        twins: refuse, drop or keep training images that are also test images.
        """
        self.twins = Twins(twins)  # in Python, a text too
        if file is None:
            self.where, held = "Arrays", _held(arrays, named)
        else:
            if Path(file).is_absolute() or ".." in Path(file).parts:
                raise InputError(f"file is {file}, which leads out of the data folder; name the folder by --data.root and a file in it")
            path = data_folder(root) / file
            self.where, held = str(path), read_npz(path, NAMES, OPTIONAL)
            with np.load(path) as there:
                _check_names(self.where, there.files)
        x, self.test_x = self._images("train_x", held["train_x"]), self._images("test_x", held["test_x"])
        unlabeled = self._images("unlabeled_x", held["unlabeled_x"]) if "unlabeled_x" in held else x[:0]
        if not x.shape[1:] == self.test_x.shape[1:] == unlabeled.shape[1:]:
            raise InputError(f"{self.where}: its images have more than one size or number of channels; make them all the same")
        y = self._labels("train_y", held["train_y"], len(x), len(x))
        self.num_classes = self._count_classes(y)
        self.test_y = self._labels("test_y", held["test_y"], len(self.test_x), self.num_classes)
        self.train_x = torch.cat([x, unlabeled])
        self.train_y = torch.cat([y, torch.full((len(unlabeled),), UNLABELED)])
        self.train_names = [f"train_x[{i}]" for i in range(len(x))] + [f"unlabeled_x[{i}]" for i in range(len(unlabeled))]
        self.settle_twins(self.where)
        self.validation = one_fifth(self.train_y)
        self.notes += range_notes(self.where, {"train_x": x, "unlabeled_x": unlabeled, "test_x": self.test_x})

    def _images(self, name: str, x: np.ndarray) -> Tensor:
        """Copy as uint8 [N, C, H, W]. Raises InputError for another dtype or an ambiguous shape."""
        if x.dtype != np.uint8:
            numbers = x.size and x.dtype.kind in "biuf"
            there = f" of {x.min():g} to {x.max():g}" if numbers else ""
            what = f"{self.where}: {name} is {x.dtype}, not uint8; give pixels 0..255 as uint8"
            raise InputError(f"{what}: its values{there} scaled so that black is 0 and white is 255, rounded, then cast")
        first, last = (x.ndim == 4 and x.shape[axis] in (1, 3) for axis in (1, 3))
        if 0 in x.shape or last == first and x.ndim != 3:
            shapes = "[N, H, W], [N, H, W, C] or [N, C, H, W] with C 1 or 3"
            raise InputError(f"{self.where}: {name} has the shape {list(x.shape)}, not {shapes}")
        x = rearrange(x, "n h w -> n 1 h w") if x.ndim == 3 else rearrange(x, "n h w c -> n c h w") if last else x
        return torch.from_numpy(np.array(x, order="C"))

    def _labels(self, name: str, y: np.ndarray, n: int, num_classes: int) -> Tensor:
        """int64 [N]. Raises InputError unless they are n whole numbers in 0..num_classes - 1."""
        if y.dtype.kind not in "ui":
            raise InputError(f"{self.where}: {name} is {y.dtype}, not whole numbers; give the classes as 0, 1, 2, ...")
        if y.shape != (n,):
            raise InputError(f"{self.where}: {name} has the shape {list(y.shape)} for {n} images; give one label per image")
        if y.min() < 0 or y.max() >= num_classes:
            what = f"{self.where}: {name} has labels out of range, {y.min()} to {y.max()}, not in 0..{num_classes - 1}"
            raise InputError(f"{what}; number the classes of train_y from 0 on, and put images without a label into unlabeled_x")
        return torch.from_numpy(y.astype(np.int64))

    def _count_classes(self, y: Tensor) -> int:
        """K. Raises InputError unless there are two classes or more and each has an image."""
        counts = torch.bincount(y)
        empty = (counts == 0).nonzero().flatten().tolist()
        if empty or len(counts) < 2:
            what = f"no image of the classes {empty[:20]}" if empty else "one class only"
            raise InputError(f"{self.where}: train_y holds {what}; number the classes 0..K - 1, at least two, and give an image of each")
        return len(counts)


def _held(arrays: tuple, named: dict) -> dict[str, np.ndarray]:
    """Arrays by name, as in a file. Raises InputError where one is missing, unknown or given twice."""
    given = dict(zip(EVERY, arrays, strict=False))
    if len(given) < len(arrays) or given.keys() & named.keys():
        raise InputError(f"Arrays takes {', '.join(EVERY)}, each once")
    held = {name: as_array(x) for name, x in (given | named).items() if x is not None}
    _check_names("Arrays", held)
    if missing := [name for name in NAMES if name not in held]:
        remedy = "in Python give all four, or Arrays(*hold_out(x, y)) to test on a fifth of x and y; in YAML name a file by data.file"
        raise InputError(f"Arrays lacks {', '.join(missing)}; {remedy}")
    return held


def _check_names(where: str, names: Iterable[str]) -> None:
    """Raise InputError for an array that would not be read, such as unlabelled_x."""
    if unknown := sorted({*names} - {*EVERY}):
        raise InputError(f"{where} holds {', '.join(unknown)[:200]}, which is not read; leave in it only {', '.join(EVERY)}")
