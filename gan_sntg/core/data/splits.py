"""Which labels are known? Class-balanced choices, and manifests that pin them to the bytes of the data."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from gan_sntg.core.data.sources import Source
from gan_sntg.core.errors import InputError
from gan_sntg.core.generators import purpose_generator

FORMAT = 1


@dataclass(frozen=True)
class Split:
    """Indices into the training set: `labeled`, and `validation` (empty unless asked for). The pool is all but `validation`."""

    data: str
    sha256: str
    data_seed: int
    labeled: list[int]
    validation: list[int]
    format: int = FORMAT

    def pool(self, source: Source) -> Tensor:
        """Indices [U] of the training images that may be trained on; the labelled ones are among them."""
        keep = torch.ones(source.num_examples, dtype=torch.bool)
        keep[torch.tensor(self.validation, dtype=torch.int64)] = False
        return keep.nonzero().squeeze(1)

    def text(self) -> str:
        """The manifest as JSON."""
        return json.dumps(asdict(self)) + "\n"


def make_split(source: Source, labels: int, data_seed: int, validation: bool) -> Split:
    """Choose labels / K images of each class by `data_seed`, from the pool that `validation` leaves.

    Raises InputError where `labels` is not a positive multiple of the classes or a class is too small.
    """
    held_out = source.validation.tolist() if validation else []
    split = Split(source.name, source.sha256, data_seed, [], held_out)
    generator = purpose_generator(data_seed, "labels")
    return Split(source.name, source.sha256, data_seed, balanced(source, split.pool(source), labels, generator), held_out)


def balanced(source: Source, pool: Tensor, labels: int, generator: torch.Generator) -> list[int]:
    """Sorted indices of labels / K images of each class, chosen from `pool`."""
    each, rest = divmod(labels, source.num_classes)
    if rest or each < 1:
        raise InputError(f"{labels} labels cannot be shared equally by the {source.num_classes} classes of {source.name}; give a positive multiple of {source.num_classes}")
    chosen = []
    for k in range(source.num_classes):
        members = pool[source.train_y[pool] == k]
        if len(members) < each:
            raise InputError(f"{labels} labels need {each} of class {k}, but the pool of {source.name} has {len(members)}; ask for at most {len(members) * source.num_classes} labels")
        chosen += members[torch.randperm(len(members), generator=generator)[:each]].tolist()
    return sorted(chosen)


def load_split(path: Path, source: Source) -> Split:
    """Read a manifest and check it against the data. Raises InputError where it is damaged or speaks of other data."""
    try:
        split = Split(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} is not a readable split manifest ({error}); give the split.json of a run folder") from error
    if split.format != FORMAT or split.sha256 != source.sha256:
        raise InputError(f"{path} belongs to {split.data} with SHA-256 {str(split.sha256)[:12]}..., but the data here are {source.name} with {source.sha256[:12]}...; use the data that the manifest was made from")
    _check_indices(path, split, source.num_examples)
    return split


def _check_indices(path: Path, split: Split, n: int) -> None:
    both = [*split.labeled, *split.validation] if isinstance(split.labeled, list) and isinstance(split.validation, list) else [None]
    if not split.labeled or any(type(i) is not int or not 0 <= i < n for i in both) or len(set(both)) != len(both):
        raise InputError(f"{path} is damaged: its labelled and validation indices must be distinct whole numbers in 0..{n - 1}; make it again")
