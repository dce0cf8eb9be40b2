"""The contract of a data set: images (or points) and labels as tensors, with their checks."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from gan_sntg.configurable import Configurable
from gan_sntg.data.loader import UNLABELED
from gan_sntg.data.twins import Twins, contradictions, group_numbers, named, pairs
from gan_sntg.errors import InputError
from gan_sntg.files.hashes import sha256_of
from gan_sntg.rng import purpose_generator


class Dataset(Configurable, ABC):
    """Images uint8 [N, C, H, W] or points float32 [N, 2], train_x, and labels int64 [N], train_y.

    test_x and test_y likewise, all on the CPU. train_y is UNLABELED where the set itself has no label; test_y never is. `validation`
    [V] indexes the labelled training images that `--validation` takes out of the pool: a cut fixed for the data set. `class_names` [K]
    where the data give them. `notes` are sentences for the user, and `train_names` and `test_names` what messages call the examples.
    `twins`: what is done about equal images (`settle_twins` and `make_split` do it).
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
        """SHA-256 of all pixels (or coordinates) and labels, by which manifests and results name their data."""
        return sha256_of(self.train_x, self.train_y, self.test_x, self.test_y)

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

    def _keep_training(self, kept: Tensor, where: str) -> None:
        """Leave the other training images out. Raises InputError where a class would have none."""
        before, names = self.train_y, self.names
        self.train_names = [names[i] for i in kept.nonzero().flatten().tolist()]
        self.train_x, self.train_y = self.train_x[kept], self.train_y[kept]
        if gone := sorted({*before.tolist()} - {*self.train_y.tolist()} - {UNLABELED}):
            classes = ", ".join(map(self.label_name, gone))
            raise InputError(f"{where}: all training images of the classes {classes} are test images too; give others")


def one_fifth(y: Tensor, purpose: str = "validation") -> Tensor:
    """Sorted indices of a fifth, rounded down, of each class of y [N], fixed for the same y.

    Of a class of two to four there is one; of a single example none.
    """
    generator = purpose_generator(0, purpose)
    chosen = []
    for k in y[y != UNLABELED].unique():
        members = (y == k).nonzero().squeeze(1)
        count = max(len(members) // 5, min(1, len(members) - 1))
        chosen += members[torch.randperm(len(members), generator=generator)[:count]].tolist()
    return torch.tensor(sorted(chosen), dtype=torch.int64)
