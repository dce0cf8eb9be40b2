"""Facts of a data set that a run keeps, to be read where the data have moved or changed."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from gan_sntg.data.dataset import Dataset
from gan_sntg.data.image_folder import ImageFolder
from gan_sntg.data.normalization import Normalization
from gan_sntg.errors import InputError, refusing
from gan_sntg.files.array_files import load_tensors, tensor_sha256
from gan_sntg.files.json_files import read_json
from gan_sntg.files.yaml_files import instance
from gan_sntg.pictures.measured import MeasuredReader
from gan_sntg.pictures.pixels import BYTES, Depth, PixelFormat
from gan_sntg.pictures.reader import NonSquare, PictureReader

MOST_VALUES = 2**24  # of an image


@dataclass(frozen=True)
class DataFacts:
    """Names, sizes and hashes of a data set. Raises ValueError where they are none."""

    name: str
    sha256: str
    image_shape: list[int]
    dtype: Depth
    num_classes: int
    class_names: list[str] | None
    examples: int
    test_examples: int
    test_sha256: str
    test_labels_sha256: str
    background: int = 255  # and the next two: of the reading of pictures
    white: int | None = None
    reading: Literal[1, 2, 3] | None = None
    non_square: NonSquare = "crop"
    pixels: PixelFormat | None = None  # where they are other than bytes of 0..255

    def __post_init__(self):
        if len(self.image_shape) not in (1, 3) or min(self.image_shape) < 1 or math.prod(self.image_shape) > MOST_VALUES:
            raise ValueError(f"{self.image_shape} is no shape of images or points")
        if not 2 <= self.num_classes < 2**16 or min(self.examples, self.test_examples) < 1:
            raise ValueError("it has fewer than two classes, or no examples")
        if self.class_names is not None and len(self.class_names) != self.num_classes:
            raise ValueError(f"it names {len(self.class_names)} classes, but has {self.num_classes}")
        if self.pixels is not None and (self.pixels.dtype != self.dtype or len(self.pixels.low) not in (1, self.image_shape[0])):
            raise ValueError("its pixels are of other images")

    @property
    def reader(self) -> PictureReader | MeasuredReader:
        """Reading of pictures as the data were; runs of before it was kept read a folder as 1."""
        if self.reading == MeasuredReader.reading or not (self.pixels or BYTES).plain or self.image_shape[0] not in (1, 3):
            return MeasuredReader(self.image_shape[-1], self.image_shape[0], self.dtype, self.non_square)
        reading = self.reading or (1 if self.name == ImageFolder.name else 2)
        return PictureReader(self.image_shape[-1], self.image_shape[0] == 3, self.background, self.white, reading, self.non_square)


def facts_of(source: Dataset) -> DataFacts:
    """What a run keeps of a data set."""
    if isinstance(source, RecordedData):
        return source.facts
    reader = source.reader if isinstance(source, ImageFolder) else PictureReader(0, False)
    return DataFacts(
        name=source.name,
        sha256=source.sha256,
        image_shape=list(source.image_shape),
        dtype=str(source.test_x.dtype).removeprefix("torch."),  # pyright: ignore[reportArgumentType]
        num_classes=source.num_classes,
        class_names=source.class_names,
        examples=source.num_examples,
        test_examples=len(source.test_x),
        test_sha256=tensor_sha256(source.test_x),
        test_labels_sha256=tensor_sha256(source.test_y),
        background=reader.background,
        white=reader.white,
        reading=reader.reading,
        non_square=reader.non_square,
        pixels=None if source.pixels == BYTES else source.pixels,
    )


class RecordedData(Dataset):
    """A data set of which only the facts are known: sizes and names as they were, and no image."""

    def __init__(self, file: str):
        """file: of the facts, in a run folder. Raises InputError where it is damaged."""
        with refusing(f"{file} is damaged", "delete it; the data themselves are read in its place"):
            self.facts = facts = instance(DataFacts, read_json(Path(file)))
        self.name, self.num_classes, self.class_names, self.sha256 = facts.name, facts.num_classes, facts.class_names, facts.sha256
        self.pixels = facts.pixels or BYTES
        self.train_x = self.test_x = torch.empty(0, *facts.image_shape, dtype=getattr(torch, facts.dtype))
        self.train_y = self.test_y = self.validation = torch.empty(0, dtype=torch.int64)

    @property
    def num_examples(self) -> int:
        """N, of the data themselves."""
        return self.facts.examples


def has_all_statistics(normalization: Normalization) -> bool:
    """Whether what `fit` sets is in `statistics`, so that it can be kept."""
    return bool(normalization.statistics) or type(normalization).fit is Normalization.fit


def put_back_statistics(normalization: Normalization, path: Path, source: Dataset) -> None:
    """Give a normalization its statistics. Raises InputError for a damaged file, or other data."""
    with refusing(f"{path} is damaged", "restore it from a copy, or delete data.json beside it; the data themselves are read then"):
        found = load_tensors(path) if normalization.statistics else {}
        if set(found) != set(normalization.statistics) or not all(tensor.isfinite().all() for tensor in found.values()):
            raise ValueError(f"it does not hold the statistics of {type(normalization).__name__}")
        for name, tensor in found.items():
            setattr(normalization, name, tensor)
        x = torch.zeros(1, *source.image_shape, dtype=source.test_x.dtype)
        if tuple(normalization(x).shape) != (1, *normalization.shape(source.image_shape)):
            raise ValueError("it is of images of another size")


def check_same_tests(facts: DataFacts, source: Dataset) -> None:
    """Raise InputError unless the test images and labels of a data set are those that are recorded."""
    here = facts_of(source)
    if any(getattr(here, name) != getattr(facts, name) for name in ("test_sha256", "test_labels_sha256", "num_classes")):
        were, are = (f"{own.test_examples} of {own.name} with SHA-256 {own.test_sha256[:12]}..." for own in (facts, here))
        raise InputError(f"the test images of this run were {were}, but here are {are}; use the data that the run was trained on")
