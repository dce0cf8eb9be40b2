"""Which labels are known? A choice of images and the noise on their labels, pinned to the bytes of the data."""

import json
from dataclasses import asdict, dataclass, field

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
