"""One's own data: arrays in memory or in an .npz file, or folders of pictures of any size."""

import difflib
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal, overload

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from gan_sntg.data.dataset import Array, Dataset, as_array, blank_notes, for_testing, one_fifth, range_notes
from gan_sntg.data.loader import UNLABELED
from gan_sntg.data.pictures import DARK, DEEP, REMEDY, PictureReader, decode
from gan_sntg.data.public import data_folder
from gan_sntg.data.twins import Twins, named
from gan_sntg.errors import InputError, refusing
from gan_sntg.files.array_files import read_npz
from gan_sntg.files.paths import Listing, as_read, at_home, visible

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


SIZES = range(8, 513)


class ImageFolder(Dataset):
    """Pictures in labeled/<class>/, unlabeled/ and test/<class>/; classes in alphabetical order.

    The training images are the labelled ones, class by class, then those of unlabeled/, each folder with all its folders, in the
    order of the names; links are followed, and names that begin with a dot left out. A fifth of each class's labelled images is for
    validation. Without unlabeled/ the labelled images are all; without test/ a fifth of each class, fixed, is not trained on but tested.
    """

    name = "image_folder"
    class_names: list[str]

    def __init__(
        self,
        root: str,
        image_size: int = 32,
        color: bool = True,
        skip_unreadable: bool = False,
        twins: Twins = Twins.refuse,
        background: int = 255,
        white: int | None = None,
        reading: Literal[1, 2] = 2,
    ):
        """image_size: of SIZES; skip_unreadable: leave unreadable files out and note them.

        twins: refuse, drop or keep training images that are also test images. background, white and reading: those of `PictureReader`.
        Raises InputError that names all unreadable files, an empty or single class, or those images.
        """
        if image_size not in SIZES:
            raise InputError(f"image_size is {image_size}; give {SIZES[0]} to {SIZES[-1]}")
        self.root, self.twins = at_home(root), Twins(twins)
        found = ClassFolders(self.root)
        self.class_names, self.num_classes, self.notes = found.names, len(found.names), tuple(found.notes)
        classes = found.train | found.test
        self.reader = PictureReader(image_size, color, background, white, reading)
        x, bits, read, unreadable = decode(list(classes), self.reader)
        y = torch.tensor([classes[path] for path in read], dtype=torch.int64)
        files = [str(path.relative_to(self.root)) for path in read]
        n = sum(path in found.train for path in read)
        self.train_x, self.train_y, self.train_names = x[:n], y[:n], files[:n]
        self.test_x, self.test_y, self.test_names = x[n:], y[n:], files[n:]
        if problems := [*found.problems, *unreadable.values()]:
            left_out = " and are left out" if skip_unreadable else ""
            text = "\n".join([f"{self.root}: {len(problems)} files cannot be read{left_out}:", *problems])
            if not skip_unreadable:
                raise InputError(f"{text}\nmend or remove them, or add --data.skip_unreadable true")
            self.notes += (text,)
        if not found.tested:
            self._hold_out()
        for part, y in ("labeled", self.train_y), ("test", self.test_y):
            for k, name in enumerate(self.class_names):
                if not (y == k).any():
                    raise InputError(f"{self.root / part / name} holds no image that can be read; add some, or remove the class")
        self.notes += self._scale(files, bits)
        self.settle_twins(str(self.root))
        self.train_files, self.test_files = self.train_names, self.test_names
        self.validation = one_fifth(self.train_y)
        self.notes += blank_notes(str(self.root), x, files)
        labeled = self.train_y != UNLABELED
        parts = {"labeled/": self.train_x[labeled], "unlabeled/": self.train_x[~labeled], "test/": self.test_x}
        self.notes += range_notes(str(self.root), parts)

    def _hold_out(self) -> None:
        """Take test images out of the labelled ones. Raises InputError where a class has one alone."""
        counts = torch.bincount(self.train_y[self.train_y != UNLABELED], minlength=self.num_classes).tolist()
        if alone := ", ".join(name for name, count in zip(self.class_names, counts, strict=True) if count == 1):
            raise InputError(f"{self.root} has no test/, and one labelled image alone of {alone}; give at least two, one to test on")
        test, names = for_testing(self.train_x, self.train_y), np.array(self.train_names)
        self.test_x, self.test_y, self.test_names = self.train_x[test], self.train_y[test], names[test].tolist()
        self.train_x, self.train_y, self.train_names = self.train_x[~test], self.train_y[~test], names[~test].tolist()
        self.notes += (f"{self.root}: without test/ {len(self.test_y)} labelled images, a fifth of each class, are tested on alone",)

    def _scale(self, files: list[str], bits: list[int]) -> tuple[str, ...]:
        """Settle what is white in 16 bits. Raises InputError where no picture says so by using the 16th."""
        deep = {file: used for file, used in zip(files, bits, strict=True) if used}
        if not deep or self.reader.white is not None:
            return ()
        most = 2 ** max(deep.values()) - 1
        if most < DEEP:
            what = f"{self.root}: it holds {len(deep)} pictures, such as {next(iter(deep))}, {DARK.format(most)}"
            raise InputError(f"{what}; {REMEDY.format(most, '--data.white')}")
        self.reader = replace(self.reader, white=DEEP)  # so that one of them alone is read alike
        dark = [file for file, used in deep.items() if used <= 12]
        some = f"{self.root}: {len(dark)} of {len(deep)} pictures of 16 bits use 12 of them or fewer, and are nearly black: {named(dark)}"
        return (f"{some}; if their white is not 65535, save them with 8 bits, scaled",) if dark else ()


class ClassFolders:
    """Files of an image folder with their classes: train (UNLABELED last) and test, in order.

    `problems` are what cannot be listed; `notes` sentences for the user.
    """

    def __init__(self, root: Path):
        """List all. Raises InputError where there is no labeled/, or classes differ."""
        self.root, self.problems, self.notes = root, [], []
        there = {path.name for path in listed(root)}
        others = {name.casefold(): name for name in there - {"labeled", "unlabeled", "test"} if (root / name).is_dir()}
        for part in sorted({"unlabeled", "test"} - there):  # may be missing, but not by another name
            if near := difflib.get_close_matches(part, others, 1, 0.8):
                raise InputError(f"{root} holds {others[near[0]]}/, but no {part}/; rename it")
        self.tested = "test" in there
        labeled = self._by_class("labeled")
        test = self._by_class("test") if self.tested else {}
        if self.tested:
            self._check_classes({*labeled}, {*test})
        self.names = [*labeled]
        self.train = {path: k for k, name in enumerate(self.names) for path in self._files(labeled[name])}
        self.train |= dict.fromkeys(self._files(root / "unlabeled") if "unlabeled" in there else (), UNLABELED)
        self.test = {path: k for k, name in enumerate(self.names) if self.tested for path in self._files(test[name])}

    def _by_class(self, part: str) -> dict[str, Path]:
        """The folders of labeled/ or test/ by the names of their classes as people read them."""
        entries, folders = listed(self.root / part), {}
        if loose := [path.name for path in entries if not os.path.isdir(path)]:
            raise InputError(f"{self.root / part} holds files outside the class folders ({', '.join(loose)}); move them into one")
        for path in entries:
            if (first := folders.setdefault(as_read(path.name), path)) != path:
                both = f"{ascii(first.name)} and {ascii(path.name)}"
                raise InputError(f"{self.root / part} holds {both}, whose names read alike; put their pictures into one")
        if len(folders) < 2:
            raise InputError(f"{self.root / part} holds {len(folders)} class folders; at least two are needed")
        return folders

    def _check_classes(self, labeled: set[str], test: set[str]) -> None:
        """Raise InputError unless both parts have the same classes; note those that differ by case alone."""
        alike: dict[str, list[str]] = {}
        for name in sorted(labeled | test):
            alike.setdefault(name.casefold(), []).append(name)
        by_case = "; ".join(" and ".join(names) for names in alike.values() if len(names) > 1)
        if labeled != test:
            what = f"{self.root}: labeled/ has the classes {sorted(labeled)}, test/ {sorted(test)}; give both the same"
            raise InputError(what + f" ({by_case} differ by case alone)" * bool(by_case))
        if by_case:
            self.notes.append(f"{self.root}: the classes {by_case} differ by case alone; if they are one, put their pictures into one")

    def _files(self, folder: Path) -> list[Path]:
        listed(folder)
        found = Listing(folder)
        self.problems += found.problems
        self.notes += found.notes
        return found.files


def listed(folder: Path) -> list[Path]:
    """Entries of a folder by name, without hidden ones. Raises InputError where there is no such folder."""
    with refusing(f"{folder} is not a readable folder", "an image folder holds labeled/<class>/, perhaps unlabeled/ and test/<class>/"):
        return visible(folder)
