"""Splits: which labels are known, chosen by seed and written as a manifest pinned to the data."""

import json
from dataclasses import asdict, dataclass, field, fields
from enum import member
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from gan_sntg.configurable import Choice
from gan_sntg.data.dataset import Dataset
from gan_sntg.data.loader import UNLABELED
from gan_sntg.data.twins import DIVIDED, Twins, groups_on_both, named, of_groups, pairs
from gan_sntg.errors import InputError, refusing
from gan_sntg.files.json_files import read_json
from gan_sntg.files.paths import at_home
from gan_sntg.rng import purpose_generator


def equal(labels: int, sizes: list[int], generator: torch.Generator) -> list[int]:
    """labels / K of each class. Raises InputError where K does not divide them."""
    each, rest = divmod(labels, len(sizes))
    if rest or each < 1:
        remedy = f"give a positive multiple of {len(sizes)}, or --balance rounded, proportional or random"
        raise InputError(f"{labels} labels cannot be shared equally by the {len(sizes)} classes; {remedy}")
    return [each] * len(sizes)


def rounded(labels: int, sizes: list[int], generator: torch.Generator) -> list[int]:
    """labels // K of each class, and one more of classes drawn at random for the labels that are left."""
    each, rest = divmod(labels, len(sizes))
    counts = torch.full((len(sizes),), each)
    counts[torch.randperm(len(sizes), generator=generator)[:rest]] += 1
    return counts.tolist()


def proportional(labels: int, sizes: list[int], generator: torch.Generator) -> list[int]:
    """In proportion to the classes, rounded down; what is left goes to the largest remainders."""
    exact = [labels * size / sum(sizes) for size in sizes]
    counts = [int(share) for share in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda k: counts[k] - exact[k])
    for k in by_remainder[: labels - sum(counts)]:
        counts[k] += 1
    return counts


def random(labels: int, sizes: list[int], generator: torch.Generator) -> list[int]:
    """Classes of `labels` images drawn from all. Raises InputError where there are fewer images."""
    if labels > sum(sizes):
        raise InputError(f"{labels} labels cannot be chosen from {sum(sizes)} labelled images; ask for at most {sum(sizes)} labels")
    classes = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    drawn = classes[torch.randperm(len(classes), generator=generator)[:labels]]
    return torch.bincount(drawn, minlength=len(sizes)).tolist()


class Balance(Choice):
    """Labels of each class [K]: of `labels` in all and sizes [K] to choose from, by a generator."""

    equal = member(equal)
    rounded = member(rounded)
    proportional = member(proportional)
    random = member(random)


def choose(y: Tensor, candidates: Tensor, labels: int, num_classes: int, balance: Balance, generator: torch.Generator) -> list[int]:
    """Sorted indices of `labels` of the candidates [M] of y [N], drawn. Raises InputError for too few."""
    if labels < 1:
        raise InputError(f"{labels} labels: give at least 1")
    members = [candidates[y[candidates] == k] for k in range(num_classes)]
    sizes = [len(indices) for indices in members]
    counts = balance(labels, sizes, generator)
    for k in range(num_classes):
        if sizes[k] < counts[k]:
            most = min(sizes) * num_classes if balance in (Balance.equal, Balance.rounded) else sum(sizes)
            need = f"{labels} labels need {counts[k]} of class {k}, but the pool has {sizes[k]}"
            raise InputError(f"{need}; ask for at most {most} labels, or give another --balance")
    return sorted(i for k in range(num_classes) for i in members[k][torch.randperm(sizes[k], generator=generator)[: counts[k]]].tolist())


FORMAT = 2


@dataclass(frozen=True)
class Split:
    """Indices into the training set: `labeled` and `validation`, which is empty unless asked for.

    The pool is all but `validation` and `left_out`, images equal to those of `validation` or of their groups. `replaced` holds [index,
    class] of each labelled image whose label was drawn anew, at the rate `label_noise`: the class it is given, which may be its own.
    `labeled_groups`: how many groups the labelled images are of, where the data have groups.
    """

    data: str
    sha256: str
    data_seed: int
    labeled: list[int]
    validation: list[int]
    balance: str = Balance.equal.name
    label_noise: float = 0.0
    replaced: list[list[int]] = field(default_factory=list)
    left_out: list[int] = field(default_factory=list)
    labeled_groups: int = 0
    format: int = FORMAT

    def pool(self, source: Dataset) -> Tensor:
        """Indices [U] of the training images that may be trained on, labelled or not."""
        return torch.from_numpy(np.setdiff1d(np.arange(source.num_examples), [*self.validation, *self.left_out]))

    def known(self, source: Dataset) -> Tensor:
        """y [N] int64 as training knows it: labels, noise included, of the labelled images, else UNLABELED."""
        y = torch.full_like(source.train_y, UNLABELED)
        y[self.labeled] = source.train_y[self.labeled]
        for index, given in self.replaced:
            y[index] = given
        return y

    def tree(self) -> dict[str, Any]:
        """Fields by name, later ones where they hold something: other manifests are as they always were."""
        return {name: value for name, value in asdict(self).items() if value or name not in ("left_out", "labeled_groups")}

    def text(self) -> str:
        """Manifest as JSON."""
        return json.dumps(self.tree()) + "\n"

    def notes(self, source: Dataset) -> tuple[str, ...]:
        """Sentences on images equal to validation images, or of their groups, in the pool or left out."""
        if not self.validation:
            return ()
        numbers, held_out, pool = source.groups, torch.tensor(self.validation), self.pool(source)
        names, found = source.names, []
        alike = sorted({*self.left_out} - {*group_mates(source, self.validation)})
        if others := len(self.left_out) - len(alike):
            found.append(f"{others} images of the groups of validation images are left out of the pool")
        if alike:
            text = named(names[i] for i in alike)
            found.append(f"{len(alike)} images equal to validation images are left out of the pool ({text})")
        if both := _shared(source, self.validation, pool.tolist()):
            found.append(f"images of {len(both)} groups are in the pool and for validation, unlike new groups ({named(both)})")
        if both := pairs(numbers[held_out], numbers[pool]):
            text = named(f"{names[self.validation[i]]} is {names[int(pool[j])]}" for i, j in both)
            found.append(f"{len(both)} of the {len(held_out)} validation images are also in the pool, unlike new images ({text})")
        return tuple(f"{source.name}: {text}" for text in found)


def make_split(
    source: Dataset, labels: int | None, data_seed: int, validation: bool, balance: Balance = Balance.equal, label_noise: float = 0.0
) -> Split:
    """Choose `labels` of the labelled images (None: all) and replace some of them, by `data_seed`.

    `validation` takes the validation images, and (unless `source.twins` keeps them) all equal ones, out of the pool first, and those
    of their groups. Raises InputError where `balance` cannot choose so many, the rate is not in 0..1, a class would have no image on one
    of the two sides, or a group is on both.
    """
    held_out = source.validation.tolist() if validation else []
    left_out = _twins_of(source, held_out) if validation and source.twins is not Twins.keep else []
    left_out = sorted({*left_out, *_mates_left_out(source, held_out)})
    candidates = torch.from_numpy(np.setdiff1d(np.flatnonzero((source.train_y != UNLABELED).numpy()), [*held_out, *left_out]))
    if validation:
        _check_sides(source, held_out, candidates)
    labeled = candidates.tolist()
    if labels is not None:
        generator = purpose_generator(data_seed, "labels")
        labeled = choose(source.train_y, candidates, labels, source.num_classes, balance, generator)
    replaced = _noise(labeled, source.num_classes, label_noise, data_seed)
    groups = groups_of(source, labeled)
    return Split(source.name, source.sha256, data_seed, labeled, held_out, balance.name, label_noise, replaced, left_out, groups)


def _twins_of(source: Dataset, held_out: list[int]) -> list[int]:
    """Other training images, labelled or not, that are equal to the held-out ones."""
    equal_ones = torch.isin(source.groups, source.groups[held_out]).nonzero().flatten().tolist()
    return sorted({*equal_ones} - {*held_out})


def group_mates(source: Dataset, held_out: list[int]) -> list[int]:
    """Other training images, labelled or not, of the groups of the held-out ones."""
    if source.train_groups is None:
        return []
    held = torch.isin(torch.arange(source.num_examples), torch.tensor(held_out, dtype=torch.int64))
    return (of_groups(source.train_groups, held) & ~held).nonzero().flatten().tolist()


def _mates_left_out(source: Dataset, held_out: list[int]) -> list[int]:
    """Group mates to leave out. Raises InputError where the data's own validation set has labelled ones."""
    mates = group_mates(source, held_out)
    labeled = [i for i in mates if source.train_y[i] != UNLABELED]
    if labeled and source.shared_groups is Twins.refuse:
        both = _shared(source, held_out, labeled)
        what = f"{source.name}: labelled images of {len(both)} groups are for validation and for training ({named(both)})"
        raise InputError(f"{what}, and {DIVIDED}")
    return [] if labeled and source.shared_groups is Twins.keep else mates


def _shared(source: Dataset, one: list[int], other: list[int]) -> list[str]:
    """Groups on both sides, with images of each."""
    if (groups := source.train_groups) is None:
        return []
    names = source.names
    return groups_on_both(*([of[i] for i in side] for of in (groups, names) for side in (one, other)))


def groups_of(source: Dataset, index: list[int]) -> int:
    """Number of groups of training images; 0 where the data have none."""
    return 0 if source.train_groups is None else len({source.train_groups[i] for i in index})


def _check_sides(source: Dataset, held_out: list[int], rest: Tensor) -> None:
    """Raise InputError unless each class has a validation image and a labelled one in the pool."""
    for what, side in ("validation image", held_out), ("labelled image that differs from the validation images", rest):
        if missing := [k for k in range(source.num_classes) if not (source.train_y[side] == k).any()]:
            classes = ", ".join(map(source.label_name, missing))
            remedy = "add labelled images, two or more that differ of each, or leave --validation out"
            if source.train_groups is not None:
                classes = source.undivided(missing, source.train_y, source.train_groups)
                remedy = "add labelled images of other groups, or leave --validation out"
            raise InputError(f"{source.name} has no {what} of the classes {classes}; {remedy}")


def _noise(labeled: list[int], num_classes: int, rate: float, data_seed: int) -> list[list[int]]:
    """[index, class] of a share `rate` of the labelled images, classes drawn from all K (reference 1.7)."""
    if not 0 <= rate <= 1:
        raise InputError(f"label_noise is {rate}; give the share of the labels that are drawn anew, in 0..1")
    generator = purpose_generator(data_seed, "label_noise")
    order = torch.randperm(len(labeled), generator=generator)[: round(rate * len(labeled))]
    classes = torch.randint(num_classes, (len(order),), generator=generator)
    return sorted([labeled[i], k] for i, k in zip(order.tolist(), classes.tolist(), strict=True))


def read_split(path: Path) -> Split:
    """Manifest that is not checked against any data. Raises InputError where the file is invalid."""
    path = at_home(path)
    with refusing(f"{path} is not a readable split manifest", "give the split.json of a run folder"):
        split = Split(**read_json(path))
        _check_fields(split)
    return split


def _check_fields(split: Split) -> None:
    """Raise ValueError unless every field has its type and range."""
    for own in fields(Split):
        if not _fits(getattr(split, own.name), own.type):
            raise ValueError(f"{own.name} must be of type {own.type}")
    if split.data_seed < 0 or split.balance not in Balance.__members__:
        raise ValueError("data_seed must be 0 or more and balance one of its names")
    if not 0 <= split.label_noise <= 1 or any(len(pair) != 2 for pair in split.replaced):
        raise ValueError("label_noise must be in 0..1 and `replaced` hold pairs of index and class")


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value of JSON is of a type; true and false are no numbers."""
    if of := get_args(kind):
        return isinstance(value, list) and all(_fits(part, *of) for part in value)
    return type(value) in ((int, float) if kind is float else (kind,))


def load_split(path: Path, source: Dataset) -> Split:
    """Manifest checked against the data. Raises InputError where it is damaged or of other data."""
    split = read_split(path)
    if split.format != FORMAT:
        raise InputError(f"{path} has manifest format {split.format}, this version reads {FORMAT}; make it again with gan-sntg splits make")
    if split.sha256 != source.sha256:
        there, here = f"{split.data} with SHA-256 {split.sha256[:12]}...", f"{source.name} with {source.sha256[:12]}..."
        before = ", or add --data.reading 1 if an earlier version made it" if hasattr(source, "reader") else ""
        before += "; groups are part of them" if source.train_groups is not None else ""
        raise InputError(f"{path} belongs to {there}, but the data here are {here}; use the data that the manifest was made from{before}")
    if problem := _problem(split, source):
        raise InputError(f"{path} is damaged: {problem}; make it again")
    return split


def _problem(split: Split, source: Dataset) -> str:
    """What is wrong with the indices and classes for this data set, if anything."""
    both, n, k = [*split.labeled, *split.validation], source.num_examples, source.num_classes
    every = [*both, *split.left_out]
    if not split.labeled or any(not 0 <= i < n for i in every) or len(set(every)) != len(every):
        return f"its labelled, validation and left-out indices must be distinct whole numbers in 0..{n - 1}"
    if (source.train_y[both] == UNLABELED).any():
        return f"it names images of which {source.name} has no label"
    if split.labeled_groups not in (0, groups_of(source, split.labeled)):
        return f"its labelled images are not of {split.labeled_groups} groups, but of {groups_of(source, split.labeled)}"
    if source.shared_groups is not Twins.keep and not {*group_mates(source, split.validation)} <= {*split.left_out}:
        return "images of the groups of its validation images are in its pool"
    given = {index: c for index, c in split.replaced}
    if not given.keys() <= set(split.labeled) or len(given) != len(split.replaced) or any(not 0 <= c < k for c in given.values()):
        return f"`replaced` must name labelled images once each, with classes in 0..{k - 1}"
    return ""
