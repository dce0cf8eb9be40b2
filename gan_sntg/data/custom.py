"""One's own data: arrays in memory or in an .npz file, or folders of pictures of any size."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import overload

import numpy as np
import torch
from einops import rearrange
from PIL import Image, ImageOps
from torch import Tensor

from gan_sntg.data.class_folders import ClassFolders
from gan_sntg.data.dataset import Dataset, one_fifth
from gan_sntg.data.loader import UNLABELED
from gan_sntg.data.public import data_folder
from gan_sntg.data.twins import Twins, group_numbers
from gan_sntg.errors import InputError
from gan_sntg.files.array_files import read_npz
from gan_sntg.files.paths import at_home

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")  # of a moving picture, the first frame
MOST_PIXELS = 2**26


def read_picture(path: Path, size: int, color: bool) -> Tensor:
    """Its centre, upright, resized (bicubic), opaque: uint8 [3 or 1, size, size]. Raises InputError."""
    try:
        if not path.is_file():
            raise ValueError("not a file")
        with warnings.catch_warnings(action="ignore"):  # Pillow's own limits; ours is lower
            return _decode(path, size, color)
    except Exception as error:  # a decoder of foreign bytes may fail in any way, and whichever it is, the file and it are named
        reason = "not an image, or of a kind that is not read" if isinstance(error, Image.UnidentifiedImageError) else error
        raise InputError(f"{path}: {reason}") from error


def _decode(path: Path, size: int, color: bool) -> Tensor:
    with Image.open(path, formats=FORMATS) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"{image.width} x {image.height} pixels; the most that is decoded is {MOST_PIXELS:,} in all")
        if image.mode in ("I", "F"):
            raise ValueError("32 bits per pixel, of unknown scale; save it with 8 or 16")
        upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):  # Pillow itself would clip these
        upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    square = ImageOps.fit(upright.convert("RGB" if color else "L"), (size, size), Image.Resampling.BICUBIC)
    return rearrange(torch.from_numpy(np.array(square)), "h w c -> c h w" if color else "h w -> 1 h w")


def read_pictures(paths: list[Path], size: int, color: bool) -> tuple[Tensor, list[Path], list[str]]:
    """Readable pictures as uint8 [n, C, size, size], their paths, and the problem of each other."""
    images, kept, problems = [], [], []
    for path in paths:
        try:
            images.append(read_picture(path, size, color))
            kept.append(path)
        except InputError as error:
            problems.append(str(error))
    return torch.stack(images) if images else torch.empty(0, 3 if color else 1, size, size, dtype=torch.uint8), kept, problems


Array = np.ndarray | Tensor
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

    def _images(self, name: str, x: np.ndarray) -> Tensor:
        """Copy as uint8 [N, C, H, W]. Raises InputError for another dtype or an ambiguous shape."""
        if x.dtype != np.uint8:
            raise InputError(f"{self.where}: {name} is {x.dtype}, not uint8; give pixels 0..255 as uint8")
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


def hold_out(x: Array, y: Array) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """train_x, train_y, test_x, test_y of x and y: a fifth of each class, fixed by y, for testing.

    Images equal to those are for testing too. Raises InputError where a class has one image alone.
    """
    x, y = _numpy(x), _numpy(y)
    if y.ndim != 1 or len(x) != len(y):
        raise InputError(f"hold_out: y has the shape {list(y.shape)} for {len(x)} images; give one label per image")
    classes, numbers, counts = np.unique(y, return_inverse=True, return_counts=True)
    if 1 in counts:
        raise InputError(f"hold_out: one image alone of the classes {classes[counts == 1].tolist()}; give at least two, one to test on")
    groups = group_numbers(torch.from_numpy(x))[0]
    test = torch.isin(groups, groups[one_fifth(torch.from_numpy(numbers), "test")]).numpy()
    return x[~test], y[~test], x[test], y[test]


def _numpy(x: Array) -> np.ndarray:
    return x.detach().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)


def _held(arrays: tuple, named: dict) -> dict[str, np.ndarray]:
    """Arrays by name, as in a file. Raises InputError where one is missing, unknown or given twice."""
    given = dict(zip(EVERY, arrays, strict=False))
    if len(given) < len(arrays) or given.keys() & named.keys():
        raise InputError(f"Arrays takes {', '.join(EVERY)}, each once")
    held = {name: _numpy(x) for name, x in (given | named).items() if x is not None}
    _check_names("Arrays", held)
    if missing := [name for name in NAMES if name not in held]:
        remedy = "in Python give all four, or Arrays(*hold_out(x, y)) to test on a fifth of x and y; in YAML name a file by data.file"
        raise InputError(f"Arrays lacks {', '.join(missing)}; {remedy}")
    return held


def _check_names(where: str, names: Iterable[str]) -> None:
    """Raise InputError for an array that would not be read, such as unlabelled_x."""
    if unknown := sorted({*names} - {*EVERY}):
        raise InputError(f"{where} holds {', '.join(unknown)[:200]}, which is not read; leave in it only {', '.join(EVERY)}")


SIZES = (28, 32, 48, 64)


class ImageFolder(Dataset):
    """Pictures in labeled/<class>/, unlabeled/ and test/<class>/; classes in alphabetical order.

    The training images are the labelled ones, class by class, then those of unlabeled/, each folder with all its folders, in the
    order of the names; links are followed, and names that begin with a dot left out. A fifth of each class's labelled images is for
    validation.
    """

    name = "image_folder"
    class_names: list[str]

    def __init__(self, root: str, image_size: int = 32, color: bool = True, skip_unreadable: bool = False, twins: Twins = Twins.refuse):
        """image_size: of SIZES; skip_unreadable: leave unreadable files out and note them.

        twins: refuse, drop or keep training images that are also test images. Raises InputError that names all unreadable files, an
        empty or single class, or those images.
        """
        if image_size not in SIZES:
            raise InputError(f"image_size is {image_size}; give one of {', '.join(map(str, SIZES))}")
        self.root, self.twins = at_home(root), Twins(twins)
        found = ClassFolders(self.root)
        self.class_names, self.num_classes, self.notes = found.names, len(found.names), tuple(found.notes)
        classes = found.train | found.test
        x, read, unreadable = read_pictures(list(classes), image_size, color)
        y = torch.tensor([classes[path] for path in read], dtype=torch.int64)
        files = [str(path.relative_to(self.root)) for path in read]
        n = sum(path in found.train for path in read)
        self.train_x, self.train_y, self.train_names = x[:n], y[:n], files[:n]
        self.test_x, self.test_y, self.test_names = x[n:], y[n:], files[n:]
        if problems := [*found.problems, *unreadable]:
            left_out = " and are left out" if skip_unreadable else ""
            text = "\n".join([f"{self.root}: {len(problems)} files cannot be read{left_out}:", *problems])
            if not skip_unreadable:
                raise InputError(f"{text}\nmend or remove them, or add --data.skip_unreadable true")
            self.notes += (text,)
        for part, y in ("labeled", self.train_y), ("test", self.test_y):
            for k, name in enumerate(self.class_names):
                if not (y == k).any():
                    raise InputError(f"{self.root / part / name} holds no image that can be read; add some, or remove the class")
        self.settle_twins(str(self.root))
        self.train_files, self.test_files = self.train_names, self.test_names
        self.validation = one_fifth(self.train_y)
