"""Is a manifest whole, and of these data? split.json read back, with every field checked before it is used."""

from pathlib import Path

from gan_sntg.core.data.balance import Balance
from gan_sntg.core.data.base import Source
from gan_sntg.core.data.splits import FORMAT, Split
from gan_sntg.core.data.streams import UNLABELED
from gan_sntg.core.errors import InputError
from gan_sntg.core.json_files import is_number, read_json


def read_split(path: Path) -> Split:
    """A manifest that is not checked against any data. Raises InputError where the file is none."""
    try:
        split = Split(**read_json(path))
        _check_kinds(split)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} is not a readable split manifest ({error}); give the split.json of a run folder") from error
    return split


def _check_kinds(split: Split) -> None:
    """Raise ValueError unless every field is of its kind."""
    if type(split.format) is not int or not isinstance(split.data, str) or not isinstance(split.sha256, str):
        raise ValueError("format must be a whole number, data and sha256 texts")
    if type(split.data_seed) is not int or split.data_seed < 0 or split.balance not in list(Balance.__members__):
        raise ValueError("data_seed must be a whole number from 0 on, balance one of its names")
    if not is_number(split.label_noise) or not 0 <= split.label_noise <= 1:
        raise ValueError("label_noise must be in 0..1")
    if not all(_whole(indices) for indices in (split.labeled, split.validation)):
        raise ValueError("labeled and validation must be lists of whole numbers")
    if not isinstance(split.replaced, list) or not all(_whole(pair) and len(pair) == 2 for pair in split.replaced):
        raise ValueError("`replaced` must be a list of [index, class]")


def _whole(numbers) -> bool:
    return isinstance(numbers, list) and all(type(i) is int for i in numbers)


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
    """Raise InputError unless the indices and classes are the source's."""
    both, n = [*split.labeled, *split.validation], source.num_examples
    if not split.labeled or any(not 0 <= i < n for i in both) or len(set(both)) != len(both):
        raise InputError(
            f"{path} is damaged: its labelled and validation indices must be distinct whole numbers in 0..{n - 1}; make it again"
        )
    if (source.train_y[both] == UNLABELED).any():
        raise InputError(f"{path} is damaged: it names images of which {source.name} has no label; make it again")
    indices, classes = [i for i, _ in split.replaced], [k for _, k in split.replaced]
    if not set(indices) <= set(split.labeled) or len(set(indices)) != len(indices) or any(not 0 <= k < source.num_classes for k in classes):
        raise InputError(
            f"{path} is damaged: `replaced` must name labelled images once each, with classes in 0..{source.num_classes - 1}; make it again"
        )
