"""Which images get the known labels? A number of each class, by one of four named rules."""

from enum import Enum, member

import torch
from torch import Tensor

from gan_sntg.core.errors import InputError


def equal(labels: int, sizes: list[int], generator: torch.Generator) -> list[int]:
    """labels / K of each class. Raises InputError where K does not divide them or the smallest class has fewer."""
    each, rest = divmod(labels, len(sizes))
    if rest or each < 1:
        raise InputError(
            f"{labels} labels cannot be shared equally by the {len(sizes)} classes; give a positive multiple of {len(sizes)}, or "
            "--balance rounded, proportional or random"
        )
    return [each] * len(sizes)


def rounded(labels: int, sizes: list[int], generator: torch.Generator) -> list[int]:
    """labels // K of each class, and one more of as many classes, drawn at random, as there are labels left."""
    each, rest = divmod(labels, len(sizes))
    counts = torch.full((len(sizes),), each)
    counts[torch.randperm(len(sizes), generator=generator)[:rest]] += 1
    return counts.tolist()


def proportional(labels: int, sizes: list[int], generator: torch.Generator) -> list[int]:
    """As frequent as the class is, rounded down; what is left goes to the largest remainders, first classes first."""
    exact = [labels * size / sum(sizes) for size in sizes]
    counts = [int(share) for share in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda k: counts[k] - exact[k])
    for k in by_remainder[: labels - sum(counts)]:
        counts[k] += 1
    return counts


def random(labels: int, sizes: list[int], generator: torch.Generator) -> list[int]:
    """As many of each class as `labels` images drawn from all of them happen to hold. Raises InputError where there are fewer."""
    if labels > sum(sizes):
        raise InputError(f"{labels} labels cannot be chosen from {sum(sizes)} labelled images; ask for at most {sum(sizes)} labels")
    classes = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    drawn = classes[torch.randperm(len(classes), generator=generator)[:labels]]
    return torch.bincount(drawn, minlength=len(sizes)).tolist()


class Balance(Enum):
    """How the labels are shared by the classes: `equal`, `rounded`, `proportional` or `random`, as the functions of those names."""

    equal = member(equal)
    rounded = member(rounded)
    proportional = member(proportional)
    random = member(random)

    def __call__(self, labels: int, sizes: list[int], generator: torch.Generator) -> list[int]:
        """How many of each class; sizes [K]: how many there are to choose from."""
        return self.value(labels, sizes, generator)


def choose(y: Tensor, candidates: Tensor, labels: int, num_classes: int, balance: Balance, generator: torch.Generator) -> list[int]:
    """Sorted indices of `labels` of the images `candidates` [M] with classes y [N], drawn by `balance`.

    Raises InputError where there are too few images, in all or in a class.
    """
    if labels < 1:
        raise InputError(f"{labels} labels: give at least 1")
    members = [candidates[y[candidates] == k] for k in range(num_classes)]
    sizes = [len(indices) for indices in members]
    counts = balance(labels, sizes, generator)
    for k in range(num_classes):
        if sizes[k] < counts[k]:
            most = min(sizes) * num_classes if balance in (Balance.equal, Balance.rounded) else sum(sizes)
            raise InputError(
                f"{labels} labels need {counts[k]} of class {k}, but the pool has {sizes[k]}; ask for at most {most} labels, or give "
                "another --balance"
            )
    return sorted(i for k in range(num_classes) for i in members[k][torch.randperm(sizes[k], generator=generator)[: counts[k]]].tolist())
