"""One's own data as arrays, in memory or in an .npz file."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, overload
from zipfile import ZipFile

import numpy as np
import torch
from torch import Tensor

from gan_sntg.data.dataset import Array, Dataset, as_array, for_testing, one_fifth, range_notes
from gan_sntg.data.loader import UNLABELED
from gan_sntg.data.public import data_folder
from gan_sntg.data.twins import Twins, why_undivided
from gan_sntg.errors import InputError, refusing
from gan_sntg.files.mapped import BLOCK, image_arrays, joined, tensor_of
from gan_sntg.files.paths import as_read
from gan_sntg.pictures.pixels import PixelFormat
from gan_sntg.pictures.scientific import channel_axis

NAMES, OPTIONAL = ("train_x", "train_y", "test_x", "test_y"), ("unlabeled_x",)
GROUPS: tuple[str, ...] = ("train_groups", "unlabeled_groups", "test_groups")
EVERY = (*NAMES, *OPTIONAL, *GROUPS)
MEDMNIST = tuple(f"{part}_{kind}" for part in ("train", "val", "test") for kind in ("images", "labels"))
KINDS = np.uint8, np.uint16, np.float32


class Arrays(Dataset):
    """One's own images and labels: arrays or tensors in Python, an .npz file in a configuration.

    Images are uint8, uint16 or float32 [N, H, W], [N, H, W, C] or [N, C, H, W]; labels are whole numbers 0..K - 1 [N], each in use. The
    training images are those of train_x, then of unlabeled_x. A fifth of each class of train_y is for validation. Groups are whole
    numbers or texts [N], of all parts or of none: images of one belong together, as those of a patient, and are held out together. A file
    of MedMNIST (train_images, val_labels and so on) is read as it is: its validation images are those of its own.
    """

    name = "arrays"

    @overload
    def __init__(
        self,
        *,
        file: str,
        root: str | None = None,
        twins: Twins = Twins.refuse,
        shared_groups: Twins = Twins.refuse,
        range: str | None = None,
        display: str | None = None,
        channels: Literal["first", "last"] | None = None,
    ): ...

    @overload
    def __init__(
        self,
        train_x: Array,
        train_y: Array,
        test_x: Array,
        test_y: Array,
        unlabeled_x: Array | None = None,
        *,
        train_groups: Array | None = None,
        unlabeled_groups: Array | None = None,
        test_groups: Array | None = None,
        twins: Twins = Twins.refuse,
        shared_groups: Twins = Twins.refuse,
        range: str | None = None,
        display: str | None = None,
        channels: Literal["first", "last"] | None = None,
    ): ...

    def __init__(
        self,
        *arrays: Array | None,
        file: str | None = None,
        root: str | None = None,
        twins: Twins = Twins.refuse,
        shared_groups: Twins = Twins.refuse,
        range: str | None = None,
        display: str | None = None,
        channels: Literal["first", "last"] | None = None,
        **named: Array | None,
    ):
        """Take arrays, or read a file.

        file: .npz file with train_x, train_y, test_x, test_y and, if there are, unlabeled_x and groups, or MedMNIST's names.
        root: folder of the file; null: GAN_SNTG_DATA, or else ./data.
        twins: refuse, drop or keep training images that are also test images.
        shared_groups: refuse, drop or keep training images of a group that is in the test set.
        range: black and white in images of more than 8 bits: full (of the type), fit (percentiles of the training images, of each channel)
            or LOW,HIGH.
        display: channels shown as red, green and blue, as 3,2,1.
        channels: first or last, where shapes do not tell.

        Raises InputError that names the wrong one.
        """
        self.twins, self.shared_groups, self.channels = Twins(twins), Twins(shared_groups), channels  # in Python, texts too
        given = {name: value for name, value in self._arguments[1].items() if name not in EVERY}
        self._arguments = (), given  # lists are no options either
        if file is None:
            self.where, held = "Arrays", _held(arrays, named)
        else:
            if Path(file).is_absolute() or ".." in Path(file).parts:
                raise InputError(f"file is {file}, which leads out of the data folder; name the folder by --data.root and a file in it")
            path = data_folder(root) / file
            self.where, held = str(path), read_file(path)
        x, self.test_x = self._images("train_x", held.pop("train_x")), self._images("test_x", held.pop("test_x"))
        trained = len(x)
        if "val_x" in held:
            x = joined([x, self._images("val_x", held.pop("val_x"))])
        unlabeled = self._images("unlabeled_x", held.pop("unlabeled_x")) if "unlabeled_x" in held else x[:0]
        if not x.shape[1:] == self.test_x.shape[1:] == unlabeled.shape[1:]:
            raise InputError(f"{self.where}: its images have more than one size or number of channels; make them all the same")
        if not x.dtype == self.test_x.dtype == unlabeled.dtype:
            kinds = ", ".join(sorted({str(part.dtype).removeprefix("torch.") for part in (x, self.test_x, unlabeled)}))
            raise InputError(f"{self.where}: its images are of more than one type ({kinds}); cast them all to the same")
        y = self._labels("train_y", held["train_y"], len(x), len(x))
        self.num_classes = self._count_classes(y)
        self.test_y = self._labels("test_y", held["test_y"], len(self.test_x), self.num_classes)
        self.train_x = joined([x, unlabeled])
        self.train_y = torch.cat([y, torch.full((len(unlabeled),), UNLABELED)])
        self.train_names = numbered("train_x", len(x)) + numbered("unlabeled_x", len(unlabeled))
        self._take_groups(held, len(x), len(unlabeled))
        self.settle_twins(self.where)
        self.settle_groups(self.where)
        own = {*numbered("train_x", len(x))[trained:]}
        kept = torch.tensor([i for i, name in enumerate(self.train_names) if name in own], dtype=torch.int64)
        self.validation = kept if len(x) > trained else one_fifth(self.train_y, groups=self.train_groups)
        self.pixels = PixelFormat.of(range, self.train_x, display, self.where)
        parts = {"train_x": x, "unlabeled_x": unlabeled, "test_x": self.test_x}
        self.notes += range_notes(self.where, {name: self.pixels.bytes(part) for name, part in parts.items()})

    def _images(self, name: str, x: np.ndarray) -> Tensor:
        """Copy [N, C, H, W]. Raises InputError for another dtype or an ambiguous shape."""
        if x.dtype not in KINDS:
            numbers = x.size and x.dtype.kind in "biuf"
            there = f" of {x.min():g} to {x.max():g}" if numbers else ""
            what = f"{self.where}: {name} is {x.dtype}, not uint8, uint16 or float32; give pixels 0..255 as uint8"
            remedy = "or cast to uint16 or float32, with range"
            raise InputError(f"{what}: its values{there} scaled so that black is 0 and white is 255, rounded, then cast; {remedy}")
        if 0 in x.shape or x.ndim not in (3, 4):
            raise InputError(f"{self.where}: {name} has the shape {list(x.shape)}, not [N, H, W], [N, H, W, C] or [N, C, H, W]")
        if x.ndim == 4:
            with refusing(f"{self.where}: {name} cannot be read", "add data.channels first or last"):
                x = np.moveaxis(x, 1 + channel_axis(x.shape[1:], self.channels), 1)
        if x.dtype == np.float32 and not all(np.isfinite(part).all() for part in np.array_split(x, 1 + x.nbytes // BLOCK)):
            raise InputError(f"{self.where}: {name} holds NaN or infinite values; replace them, or leave those images out")
        return tensor_of(x[:, None] if x.ndim == 3 else x)

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

    def _take_groups(self, held: dict[str, np.ndarray], n: int, unlabeled: int) -> None:
        """Names of the groups of all images, where they have some. Raises InputError unless all have one."""
        sizes = dict(zip(GROUPS, (n, unlabeled, len(self.test_x)), strict=True))
        if not any(name in held for name in GROUPS):
            return
        if missing := [name for name, size in sizes.items() if size and name not in held]:
            raise InputError(f"{self.where} lacks {', '.join(missing)}; give the groups of all images, so that none is on two sides")
        for name, groups in ((name, held[name]) for name in GROUPS if name in held):
            if groups.dtype.kind not in "uiU" and not (groups.dtype.kind == "O" and all(isinstance(group, str) for group in groups.flat)):
                raise InputError(f"{self.where}: {name} is {groups.dtype}; give groups as whole numbers or texts")
            if groups.shape != (sizes[name],):
                raise InputError(f"{self.where}: {name} has the shape {list(groups.shape)} for {sizes[name]} images; give one per image")
        train, extra, self.test_groups = ([as_read(str(group)) for group in held.get(name, ())] for name in GROUPS)
        self.train_groups = train + extra
        if "" in self.train_groups + self.test_groups:
            raise InputError(f"{self.where}: images of a group without a name; each may be of one that is tested on: name it")

    def _count_classes(self, y: Tensor) -> int:
        """K. Raises InputError unless there are two classes or more and each has an image."""
        counts = torch.bincount(y)
        empty = (counts == 0).nonzero().flatten().tolist()
        if empty or len(counts) < 2:
            what = f"no image of the classes {empty[:20]}" if empty else "one class only"
            raise InputError(f"{self.where}: train_y holds {what}; number the classes 0..K - 1, at least two, and give an image of each")
        return len(counts)


def numbered(name: str, n: int) -> list[str]:
    """What messages call the n examples of an array."""
    return [f"{name}[{i}]" for i in range(n)]


def read_file(path: Path) -> dict[str, np.ndarray]:
    """Arrays of an .npz file by our names; of MedMNIST's also val_x, whose labels end train_y."""
    with refusing(f"{path} is not a readable .npz file", "write it again with numpy.savez"):
        there = [name.removesuffix(".npy") for name in ZipFile(path).namelist()] if path.is_file() else []
    if not {*MEDMNIST} <= {*there}:
        held = image_arrays(path, NAMES, (*OPTIONAL, *GROUPS))
        _check_names(str(path), there)
        return held
    held = image_arrays(path, MEDMNIST)
    for part in ("train", "val", "test"):
        y = held[f"{part}_labels"]
        if y.ndim == 2 and y.shape[1] != 1:
            raise InputError(f"{path}: {part}_labels has {y.shape[1]} labels per image, but an image has one class; choose a set of one")
        held[f"{part}_labels"] = y.reshape(-1)
    found = {f"{part}_x": held[f"{part}_images"] for part in ("train", "val", "test")}
    return found | {"train_y": np.concatenate([held["train_labels"], held["val_labels"]]), "test_y": held["test_labels"]}


def _held(arrays: tuple, named: dict) -> dict[str, np.ndarray]:
    """Arrays by name, as in a file. Raises InputError where one is missing, unknown or given twice."""
    given = dict(zip((*NAMES, *OPTIONAL), arrays, strict=False))
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


def hold_out_groups(x: Array, y: Array, groups: Array) -> dict[str, np.ndarray]:
    """Arguments of `Arrays`: about a fifth of each class of x and y, whole groups [N], for testing.

    It is fixed by y and the groups. Raises InputError where a class is in one group alone.
    """
    x, y, groups = as_array(x), as_array(y), as_array(groups)
    if not len(x) == len(y) == len(groups) or y.ndim != 1 or groups.ndim != 1:
        what = f"y has the shape {list(y.shape)} and groups {list(groups.shape)} for {len(x)} images"
        raise InputError(f"hold_out_groups: {what}; give one label and one group per image")
    classes, numbers = np.unique(y, return_inverse=True)
    texts, known = [as_read(str(group)) for group in groups], torch.from_numpy(numbers)
    test = for_testing(torch.from_numpy(x), known, texts).numpy()
    if missing := [k for k in range(len(classes)) if not 0 < (numbers[test] == k).sum() < (numbers == k).sum()]:
        reasons = "; ".join(f"{classes[k]} ({why_undivided(known, texts, k)})" for k in missing)
        raise InputError(f"hold_out_groups: no fifth in whole groups of the classes {reasons}; give images of other groups")
    train = {"train_x": x[~test], "train_y": y[~test], "train_groups": groups[~test]}
    return train | {"test_x": x[test], "test_y": y[test], "test_groups": groups[test]}
