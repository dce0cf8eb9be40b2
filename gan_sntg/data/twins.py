"""Equal images: found by hash over all parts of a data set, and refused, dropped or kept."""

import hashlib
from collections.abc import Iterable
from enum import Enum

import numpy as np
import torch
from torch import Tensor

MOST_NAMED = 20


class Twins(Enum):
    """What is done about training images that are also test or validation images."""

    refuse = "refuse"  # those of the test set; those of validation images are left out of the pool
    drop = "drop"  # the training set's copies
    keep = "keep"


def group_numbers(*parts: Tensor) -> list[Tensor]:
    """Numbers int64 [n] of the groups of equal examples, for each part [n, ...]; alike over all parts."""
    digests = [hashlib.sha256(example.tobytes()).digest() for x in parts for example in x.numpy()]
    numbers = np.unique(np.array(digests), return_inverse=True)[1]
    return list(torch.from_numpy(numbers).split([len(x) for x in parts]))


def named(texts: Iterable[str]) -> str:
    """The first of the texts, as a list to be read."""
    texts = list(texts)
    return "; ".join(texts[:MOST_NAMED]) + ("; ..." if len(texts) > MOST_NAMED else "")


def pairs(numbers: Tensor, among: Tensor) -> list[tuple[int, int]]:
    """Each example i that has an equal one in another part, and j, the first of those there."""
    shared = torch.isin(numbers, among)
    wanted = set(numbers[shared].tolist())
    first = {number: j for j, number in reversed(list(enumerate(among.tolist()))) if number in wanted}
    return [(i, first[int(numbers[i])]) for i in shared.nonzero().flatten().tolist()]


def contradictions(numbers: Tensor, y: Tensor) -> list[list[int]]:
    """Groups of equal examples of more than one label; y [n] is negative where there is none."""
    known = y >= 0
    distinct = np.unique(np.stack([numbers[known].numpy(), y[known].numpy()]), axis=1)
    groups, labels = np.unique(distinct[0], return_counts=True)
    return [((numbers == int(group)) & known).nonzero().flatten().tolist() for group in groups[labels > 1]]
