"""The contract of a data set: images (or points) and labels as tensors, with their checks."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from gan_sntg.configurable import Configurable
from gan_sntg.data.loader import UNLABELED
from gan_sntg.data.twins import DIVIDED, Twins, contradictions, group_numbers, groups_on_both, held_groups, named, pairs, why_undivided
from gan_sntg.errors import InputError
from gan_sntg.files.array_files import sha256_of
from gan_sntg.files.mapped import taken
from gan_sntg.pictures.pixels import BYTES, PixelFormat
from gan_sntg.rng import purpose_generator

Array = np.ndarray | Tensor


class Dataset(Configurable, ABC):
    """Images [N, C, H, W] or points float32 [N, 2], train_x, and labels int64 [N], train_y.

    Images are uint8, uint16 or float32; `pixels` says what is black and white. test_x and test_y likewise, all on the CPU. train_y is
    UNLABELED where the set itself has no label; test_y never is. `validation`
    [V] indexes the labelled training images that `--validation` takes out of the pool: a cut fixed for the data set. `class_names` [K]
    where the data give them. `notes` are sentences for the user, and `train_names` and `test_names` what messages call the examples.
    `twins`: what is done about equal images (`settle_twins` and `make_split` do it). `train_groups` [N] and `test_groups`, where the
    data give them: which images belong together, as those of a patient; `shared_groups`: what is done about those on both sides.
    """

    known_by_hash = True  # tensors given to a set in memory: manifests name them by `sha256`
    name: str
    num_classes: int
    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    validation: Tensor
    class_names: list[str] | None = None
    notes: tuple[str, ...] = ()
    train_names: Sequence[str] = ()
    test_names: Sequence[str] = ()
    twins: Twins = Twins.keep
    pixels: PixelFormat = BYTES
    train_groups: list[str] | None = None
    test_groups: list[str] | None = None
    shared_groups: Twins = Twins.refuse

    @abstractmethod
    def __init__(self):
        """Read or draw the data. Raises InputError where they are invalid."""

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(C, H, W), or (2,) where the examples are points."""
        return tuple(self.train_x.shape[1:])

    @property
    def num_examples(self) -> int:
        """N, the number of training images, labelled or not."""
        return len(self.train_x)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of pixels (or coordinates), labels and groups, by which manifests and results name data."""
        groups = [] if self.train_groups is None else [json.dumps([self.train_groups, self.test_groups])]
        return sha256_of(self.train_x, self.train_y, self.test_x, self.test_y, *groups)

    @cached_property
    def groups(self) -> Tensor:
        """Numbers int64 [N] of the groups of equal training images."""
        return group_numbers(self.train_x)[0]

    @property
    def names(self) -> list[str]:
        """What messages call the training examples, then the test ones."""
        train = self.train_names or [f"train_x[{i}]" for i in range(self.num_examples)]
        return [*train, *(self.test_names or [f"test_x[{i}]" for i in range(len(self.test_x))])]

    def label_name(self, k: int) -> str:
        """A class by its name where it has one, else by its number."""
        return self.class_names[k] if self.class_names else str(k)

    def settle_twins(self, where: str) -> None:
        """Refuse, drop or keep training images that are test images; note contradictory labels.

        where: the data set in messages. Raises InputError.
        """
        train, test = group_numbers(self.train_x, self.test_x)
        if both := pairs(test, train):
            names, n = self.names, self.num_examples
            text = named(f"{names[n + i]} is {names[j]}" for i, j in both)
            what = f"{where}: {len(both)} of the test images are also in the training set ({text})"
            if self.twins is Twins.refuse:
                remedy = "remove them from one of the two, or add --data.twins drop (leaves the training copies out) or --data.twins keep"
                text = f"{what}, and an error measured on those says nothing of new images; {remedy}"
                raise InputError("\n".join([text, *self._contradictions(where, train, test)]))
            kept = ~torch.isin(train, test) if self.twins is Twins.drop else torch.ones(n, dtype=torch.bool)
            self._keep_training(kept, where)
            done = f"the {n - self.num_examples} training copies are left out" if self.twins is Twins.drop else "they are kept"
            train, self.notes = train[kept], (*self.notes, f"{what}; {done}")
        self.notes += self._contradictions(where, train, test)

    def _contradictions(self, where: str, train: Tensor, test: Tensor) -> tuple[str, ...]:
        """A sentence on equal images of more than one label, where there are some."""
        y, names = torch.cat([self.train_y, self.test_y]), self.names
        found = contradictions(torch.cat([train, test]), y)
        text = named(" = ".join(f"{names[i]} ({self.label_name(int(y[i]))})" for i in group) for group in found)
        return (f"{where}: {len(found)} images are there with more than one label: {text}",) if found else ()

    def settle_groups(self, where: str) -> None:
        """Refuse, drop or keep training images of groups that are also in the test set.

        where: the data set in messages. Raises InputError.
        """
        if self.train_groups is None or self.test_groups is None:
            return
        n, names = self.num_examples, self.names
        if both := groups_on_both(self.train_groups, self.test_groups, names[:n], names[n:]):
            what = f"{where}: images of {len(both)} groups are in the training set and in the test set ({named(both)})"
            if self.shared_groups is Twins.refuse:
                raise InputError(f"{what}, and {DIVIDED}")
            if self.shared_groups is Twins.drop:
                kept = torch.from_numpy(~np.isin(self.train_groups, self.test_groups))
                self._keep_training(kept, where, "of groups that are tested on")
            done = f"{n - self.num_examples} training images are left out" if self.shared_groups is Twins.drop else "they are kept"
            self.notes = (*self.notes, f"{what}; {done}")

    def _keep_training(self, kept: Tensor, where: str, what: str = "test images too") -> None:
        """Leave the other training images out. Raises InputError where a class would have none."""
        before, names = self.train_y, self.names
        self.train_names = [names[i] for i in kept.nonzero().flatten().tolist()]
        self.train_x, self.train_y = taken(self.train_x, kept), self.train_y[kept]
        if self.train_groups is not None:
            self.train_groups = [self.train_groups[i] for i in kept.nonzero().flatten().tolist()]
        if gone := sorted({*before.tolist()} - {*self.train_y.tolist()} - {UNLABELED}):
            classes = ", ".join(map(self.label_name, gone))
            raise InputError(f"{where}: all training images of the classes {classes} are {what}; give others")

    def undivided(self, missing: list[int], y: Tensor, groups: list[str]) -> str:
        """Classes without an image on one side of a cut between groups, with the reason."""
        return "; ".join(f"{self.label_name(k)} ({why_undivided(y, groups, k)})" for k in missing)


def one_fifth(y: Tensor, purpose: str = "validation", groups: list[str] | None = None) -> Tensor:
    """Sorted indices of a fifth, rounded down, of each class of y [N], fixed for the same y.

    Of a class of two to four there is one; of a single example none. Of groups [N] whole ones are taken, nearly as many.
    """
    generator = purpose_generator(0, purpose)
    if groups is not None:
        held = held_groups(y, groups, generator)
        return torch.tensor([i for i, k in enumerate(y.tolist()) if k != UNLABELED and groups[i] in held], dtype=torch.int64)
    chosen = []
    for k in y[y != UNLABELED].unique():
        members = (y == k).nonzero().squeeze(1)
        count = max(len(members) // 5, min(1, len(members) - 1))
        chosen += members[torch.randperm(len(members), generator=generator)[:count]].tolist()
    return torch.tensor(sorted(chosen), dtype=torch.int64)


def for_testing(x: Tensor, y: Tensor, groups: list[str] | None = None) -> Tensor:
    """Which labelled examples [N] are tested on: a fifth of each class with equal ones, or whole groups."""
    chosen = one_fifth(y, "test", groups)
    if groups is not None:
        return torch.isin(torch.arange(len(y)), chosen)
    numbers = group_numbers(x)[0]
    return torch.isin(numbers, numbers[chosen]) & (y != UNLABELED)


def hold_out(x: Array, y: Array) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """train_x, train_y, test_x, test_y of x and y: a fifth of each class, fixed by y, for testing.

    Images equal to those are for testing too. Raises InputError where a class has one image alone.
    """
    x, y = as_array(x), as_array(y)
    if y.ndim != 1 or len(x) != len(y):
        raise InputError(f"hold_out: y has the shape {list(y.shape)} for {len(x)} images; give one label per image")
    classes, numbers, counts = np.unique(y, return_inverse=True, return_counts=True)
    if 1 in counts:
        raise InputError(f"hold_out: one image alone of the classes {classes[counts == 1].tolist()}; give at least two, one to test on")
    test = for_testing(torch.from_numpy(x), torch.from_numpy(numbers)).numpy()
    return x[~test], y[~test], x[test], y[test]


def as_array(x: Array) -> np.ndarray:
    """A NumPy array, of a tensor too."""
    return x.detach().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)


NARROW, APART = 128, 64  # a range, and a difference of ranges or means, of which something is said
ENDS = 16  # pixel values at each end of 0..255
SAMPLE = 1000  # images in which values between the ends are looked for


class Range(NamedTuple):
    """Range of the pixels of all images but 1 in 20 at each end, and the mean of all."""

    low: float
    high: float
    mean: float

    def __str__(self) -> str:
        return f"{self.low:.0f}..{self.high:.0f} (mean {self.mean:.0f})"

    @classmethod
    def of(cls, x: Tensor) -> Self:
        """Of images uint8 [N, C, H, W]."""
        low, high = x.flatten(1).amin(1).sort().values, x.flatten(1).amax(1).sort().values
        few = len(x) // 20
        return cls(float(low[few]), float(high[-1 - few]), float(np.mean(x.numpy())))


def range_notes(where: str, parts: dict[str, Tensor]) -> tuple[str, ...]:
    """Notes on levels uint8 [N, C, H, W] by part: a range far from 0..255, or one that differs."""
    held = {name: x for name, x in parts.items() if len(x)}
    found, notes = {name: Range.of(x) for name, x in held.items()}, []
    first = next(iter(found.values()))
    if narrow := [f"{name} {r}" for name, r in found.items() if r.high - r.low < NARROW]:
        scale = "0 is taken as black and 255 as white; if these pixels were scaled otherwise, scale them to 0..255"
        notes.append(f"{where}: pixels are in a small part of 0..255: {', '.join(narrow)}; {scale}")
    if any(abs(a - b) > APART for r in found.values() for a, b in zip(r, first, strict=True)):
        every = ", ".join(f"{name} {r}" for name, r in found.items())
        notes.append(f"{where}: pixels differ in range or mean: {every}; if they were scaled otherwise, scale all to the same 0..255")
    if wrapped := [name for name, x in held.items() if at_the_ends(x[:SAMPLE])]:
        why = "as of negative numbers made uint8; if they are, scale them to 0..255 first"
        notes.append(f"{where}: pixels are at both ends of 0..255 and nowhere between, in {', '.join(wrapped)}, {why}")
    return tuple(notes)


def at_the_ends(x: Tensor) -> bool:
    """Whether pixels of more than two values are at both ends of 0..255, and nowhere between."""
    values = torch.bincount(x.flatten(), minlength=256).nonzero().flatten().tolist()
    high = {value for value in values if value >= 256 - ENDS}
    return len(values) > 2 and 0 < len(high) < len(values) and all(value < ENDS or value in high for value in values)


def blank_notes(where: str, x: Tensor, names: list[str]) -> tuple[str, ...]:
    """Notes on images [N, C, H, W] that show nothing."""
    blank = [name for name, image in zip(names, x.numpy(), strict=True) if image.min() == image.max()]
    some = f"{where}: {len(blank)} pictures have one value throughout: {named(blank)}"
    return (f"{some}; if they are drawn in it on transparent ground, give that another by --data.background",) if blank else ()
