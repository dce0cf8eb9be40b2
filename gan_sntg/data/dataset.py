"""The contract of a data set: images (or points) and labels as tensors, with their checks."""

import hashlib
from abc import ABC, abstractmethod
from functools import cached_property

import torch
from torch import Tensor

from gan_sntg.configurable import Configurable
from gan_sntg.data.loader import UNLABELED
from gan_sntg.errors import InputError
from gan_sntg.files.hashes import sha256_of
from gan_sntg.rng import purpose_generator


class Dataset(Configurable, ABC):
    """Images uint8 [N, C, H, W] or points float32 [N, 2], train_x, and labels int64 [N], train_y.

    test_x and test_y likewise, all on the CPU. train_y is UNLABELED where the set itself has no label; test_y never is. `validation`
    [V] indexes the labelled training images that `--validation` takes out of the pool: a cut fixed for the data set. `class_names` [K]
    where the data give them. `notes` are sentences for the user.
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


def one_fifth(y: Tensor, purpose: str = "validation") -> Tensor:
    """Sorted indices of a fifth, rounded down, of each class of y [N], fixed for the same y."""
    generator = purpose_generator(0, purpose)
    chosen = []
    for k in y[y != UNLABELED].unique():
        members = (y == k).nonzero().squeeze(1)
        chosen += members[torch.randperm(len(members), generator=generator)[: len(members) // 5]].tolist()
    return torch.tensor(sorted(chosen), dtype=torch.int64)


def check_apart(where: str, train_x: Tensor, test_x: Tensor, train_names: list[str], test_names: list[str]) -> None:
    """Raise InputError where an image of test_x has the same pixels as one of train_x [N, C, H, W]."""

    def hashed(x: Tensor, names: list[str]) -> list[tuple[bytes, str]]:
        return [(hashlib.sha256(image.tobytes()).digest(), name) for image, name in zip(x.numpy(), names, strict=True)]

    seen = dict(hashed(train_x, train_names))
    if both := [f"{name} is {seen[digest]}" for digest, name in hashed(test_x, test_names) if digest in seen]:
        named = "; ".join(both[:20]) + ("; ..." if len(both) > 20 else "")
        what = f"{where}: {len(both)} of the test images are also in the training set ({named})"
        raise InputError(f"{what}, and an error measured on those says nothing of new images; remove them from one of the two")
