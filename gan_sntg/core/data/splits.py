"""Which labels are known? A choice of images, the noise on their labels, and manifests that pin both to the bytes of the data."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from gan_sntg.core.data.balance import Balance, choose
from gan_sntg.core.data.base import Source
from gan_sntg.core.data.streams import UNLABELED
from gan_sntg.core.errors import InputError
from gan_sntg.core.generators import purpose_generator

FORMAT = 2


@dataclass(frozen=True)
class Split:
    """Indices into the training set: `labeled`, and `validation` (empty unless asked for). The pool is all but `validation`.

    `replaced` holds [index, class] of each labelled image whose label was drawn anew, at the rate `label_noise`: the class it
    is given, which may be its own.
    """

    data: str
    sha256: str
    data_seed: int
    labeled: list[int]
    validation: list[int]
    balance: str = Balance.equal.name
    label_noise: float = 0.0
    replaced: list[list[int]] = field(default_factory=list)
    format: int = FORMAT

    def pool(self, source: Source) -> Tensor:
        """Indices [U] of the training images that may be trained on; the labelled ones are among them."""
        return _all_but(self.validation, source.num_examples)

    def known(self, source: Source) -> Tensor:
        """y [N] int64 as training may know it: the label, noise included, of the labelled images; UNLABELED for all others."""
        y = torch.full_like(source.train_y, UNLABELED)
        y[self.labeled] = source.train_y[self.labeled]
        for index, given in self.replaced:
            y[index] = given
        return y

    def text(self) -> str:
        """The manifest as JSON."""
        return json.dumps(asdict(self)) + "\n"


def make_split(
    source: Source,
    labels: int | None,
    data_seed: int,
    validation: bool,
    balance: Balance = Balance.equal,
    label_noise: float = 0.0,
) -> Split:
    """Choose `labels` of the labelled images (None: all) that `validation` leaves, and replace some labels, by `data_seed`.

    Raises InputError where `balance` cannot choose so many, the rate is not in 0..1 or there are no validation images.
    """
    if validation and not len(source.validation):
        raise InputError(f"{source.name} has no validation images: a fifth of each class is less than one; leave --validation out")
    held_out = source.validation.tolist() if validation else []
    pool = _all_but(held_out, source.num_examples)
    candidates = pool[source.train_y[pool] != UNLABELED]
    labeled = candidates.tolist()
    if labels is not None:
        generator = purpose_generator(data_seed, "labels")
        labeled = choose(source.train_y, candidates, labels, source.num_classes, balance, generator)
    replaced = _noise(labeled, source.num_classes, label_noise, data_seed)
    return Split(source.name, source.sha256, data_seed, labeled, held_out, balance.name, label_noise, replaced)


def _all_but(held_out: list[int], n: int) -> Tensor:
    keep = torch.ones(n, dtype=torch.bool)
    keep[torch.tensor(held_out, dtype=torch.int64)] = False
    return keep.nonzero().squeeze(1)


def _noise(labeled: list[int], num_classes: int, rate: float, data_seed: int) -> list[list[int]]:
    """[index, class] of the first `rate` of the shuffled labelled images, each with a class drawn from all K (reference 1.7)."""
    if not 0 <= rate <= 1:
        raise InputError(f"label_noise is {rate}; give the share of the labels that are drawn anew, in 0..1")
    generator = purpose_generator(data_seed, "label_noise")
    order = torch.randperm(len(labeled), generator=generator)[: round(rate * len(labeled))]
    classes = torch.randint(num_classes, (len(order),), generator=generator)
    return sorted([labeled[i], k] for i, k in zip(order.tolist(), classes.tolist(), strict=True))


def read_split(path: Path) -> Split:
    """A manifest that is not checked against any data. Raises InputError where the file is none."""
    try:
        split = Split(**json.loads(path.read_text()))
        if not isinstance(split.labeled, list) or not isinstance(split.validation, list):
            raise ValueError("labeled and validation must be lists")
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} is not a readable split manifest ({error}); give the split.json of a run folder") from error
    return split


def load_split(path: Path, source: Source) -> Split:
    """Read a manifest and check it against the data. Raises InputError where it is damaged or speaks of other data."""
    split = read_split(path)
    if split.format != FORMAT:
        raise InputError(
            f"{path} has manifest format {split.format}, this version reads {FORMAT}; make it again with `gan-sntg splits make`"
        )
    if split.sha256 != source.sha256:
        raise InputError(
            f"{path} belongs to {split.data} with SHA-256 {str(split.sha256)[:12]}..., but the data here are {source.name} with "
            f"{source.sha256[:12]}...; use the data that the manifest was made from"
        )
    _check(path, split, source)
    return split


def _check(path: Path, split: Split, source: Source) -> None:
    """Raise InputError unless the fields have their types and the indices and classes are the source's."""
    if type(split.data_seed) is not int or split.balance not in list(Balance.__members__) or type(split.label_noise) not in (int, float):
        raise InputError(f"{path} is damaged: data_seed, balance or label_noise is not one; make it again")
    both = [*split.labeled, *split.validation]
    n = source.num_examples
    if not split.labeled or any(type(i) is not int or not 0 <= i < n for i in both) or len(set(both)) != len(both):
        raise InputError(
            f"{path} is damaged: its labelled and validation indices must be distinct whole numbers in 0..{n - 1}; make it again"
        )
    if (source.train_y[both] == UNLABELED).any():
        raise InputError(f"{path} is damaged: it names images of which {source.name} has no label; make it again")
    _check_replaced(path, split, source.num_classes)


def _check_replaced(path: Path, split: Split, num_classes: int) -> None:
    pairs = split.replaced if isinstance(split.replaced, list) else [None]
    if not all(isinstance(pair, list) and len(pair) == 2 and all(type(i) is int for i in pair) for pair in pairs):
        raise InputError(f"{path} is damaged: `replaced` must be a list of [index, class]; make it again")
    indices = [i for i, _ in pairs]
    if not set(indices) <= set(split.labeled) or len(set(indices)) != len(indices) or any(not 0 <= k < num_classes for _, k in pairs):
        raise InputError(
            f"{path} is damaged: `replaced` must name labelled images once each, with classes in 0..{num_classes - 1}; make it again"
        )
