"""Loading of an exported run: card, classifier and generator, without executing any file."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import safetensors.torch
import torch
from torch import Tensor, nn

from gan_sntg.data.normalization import Normalization
from gan_sntg.errors import InputError, refusing
from gan_sntg.evaluation.samples import z_bank
from gan_sntg.files.import_paths import class_at, without_torch
from gan_sntg.files.old_names import modern
from gan_sntg.files.paths import at_home
from gan_sntg.files.yaml_files import instance
from gan_sntg.networks.gan import Generator
from gan_sntg.pictures.decode import readable
from gan_sntg.pictures.measured import MeasuredReader
from gan_sntg.pictures.pixels import BYTES, Depth, PixelFormat
from gan_sntg.pictures.reader import NonSquare, PictureReader

FORMAT = 1
CARD, PROGRAM, ONNX = "card.json", "classifier.pt2", "classifier.onnx"
WEIGHTS = {"net": "classifier.safetensors", "generator": "generator.safetensors", "normalization": "normalization.safetensors"}
REMEDY = "export the run again with `gan-sntg export`"
AT_ONCE = 250  # examples that are classified in one batch
T = TypeVar("T")
Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class Architecture:
    """`class_path` and `init_args` of networks and normalization; no generator for a method without."""

    net: dict
    generator: dict | None
    normalization: dict


@dataclass(frozen=True)
class PictureSpec:
    """How files became the images of the data; `PictureReader` says what each is."""

    background: int
    white: int | None
    reading: Literal[1, 2, 3]
    non_square: NonSquare = "crop"


@dataclass(frozen=True)
class InputSpec:
    """What the classifier and its program take: examples as the data set holds them, or files."""

    dtype: Depth
    shape: list[int]
    range: list[float] | None  # the least black, the greatest white
    meaning: str
    pictures: PictureSpec | None = None
    pixels: PixelFormat | None = None  # of images that are not bytes of 0..255 in 1 or 3 channels

    @property
    def reader(self) -> PictureReader | MeasuredReader | None:
        """The reading of files; None where examples are no square pictures, or the card does not say."""
        if self.pictures is None or len(self.shape) != 3 or self.shape[1] != self.shape[2]:
            return None
        if self.pictures.reading == MeasuredReader.reading:
            return MeasuredReader(self.shape[1], self.shape[0], self.dtype, self.pictures.non_square)
        return PictureReader(self.shape[1], self.shape[0] == 3, **asdict(self.pictures)) if self.shape[0] in (1, 3) else None


@dataclass(frozen=True)
class Card:
    """What an export is and where it is from, in the order of the file; files: SHA-256 by name."""

    format: int
    packages: dict[str, str | None]
    architecture: Architecture
    input: InputSpec
    output: dict
    classes: list[str]
    weights: str
    evaluation: dict
    generator: dict | None
    provenance: dict
    files: dict[str, str]


def read_card(folder: Path) -> Card:
    """The card of an export. Raises InputError where it is missing, damaged, or names what it must not."""
    path = folder / CARD
    with refusing(f"{path} is not a readable card", "name a folder that `gan-sntg export` wrote"):  # whatever it is that a parser raises
        tree = modern(json.loads(path.read_bytes()))
        found = tree["format"]
    if found != FORMAT:
        raise InputError(f"{path} has card format {found!r}, this version reads {FORMAT}; use the version that wrote it")
    with refusing(f"{path} is damaged", REMEDY):
        card = instance(Card, tree)
        if len(card.classes) < 2 or not all(0 < side < 2**16 for side in card.input.shape):
            raise ValueError("it has fewer than two classes, or sides of its input that are not in 1..65535")
        wanted = {WEIGHTS["net"], PROGRAM, *([WEIGHTS["generator"]] if card.architecture.generator else [])}
        if not wanted <= set(card.files) <= wanted | {WEIGHTS["normalization"], ONNX}:
            raise ValueError("its files are not those of an export")
    return card


def instantiate(spec: dict, kind: type[T], where: str) -> T:
    """The object of a card, a network without memory for weights. Raises InputError where it is invalid."""
    found = class_at(str(spec.get("class_path")), kind, where)
    with refusing(f"{where}: no {found.__name__} can be built of what stands there", REMEDY), torch.device("meta"), without_torch():
        return instance(found, spec["init_args"])


class Fixed(nn.Module):
    """A network and a normalization that never train: no gradients, evaluation mode for good."""

    net: Any

    def __init__(self, net: nn.Module, normalization: Normalization):
        super().__init__()
        self.net, self.normalization = net.requires_grad_(False), normalization
        self.train(False)

    def train(self, mode: bool = True) -> "Fixed":
        """Stay in evaluation mode."""
        return super().train(False)


class Classifier(Fixed):
    """Images [N, C, H, W] or points float32 [N, 2], as a data set holds them -> logits float32 [N, K]."""

    def __init__(
        self,
        net: nn.Module,
        normalization: Normalization,
        shape: tuple[int, ...],
        dtype: torch.dtype,
        classes: list[str],
        reader: PictureReader | MeasuredReader | None = None,
    ):
        """shape, dtype: of one image or point; classes: names of the K logits; reader: of files."""
        super().__init__(net, normalization)
        self.shape, self.dtype, self.classes, self.reader = shape, dtype, classes, reader

    def forward(self, x: Tensor) -> Tensor:
        """Logits of one batch. Raises InputError for another shape or dtype."""
        if x.dtype != self.dtype or tuple(x.shape[1:]) != self.shape:
            wanted = ", ".join(map(str, ["N", *self.shape]))
            raise InputError(f"the classifier was given {x.dtype} {list(x.shape)}; give {self.dtype} [{wanted}]")
        return self.net(self.normalization(x))[1]

    def read(self, *paths: str | Path) -> Tensor:
        """Images [N, C, H, W] of picture files, read as those of training were.

        Raises InputError that names the files that cannot be read, or where the classifier's examples are no square pictures.
        """
        if self.reader is None:
            raise InputError("this classifier does not say how files become what it takes; export its run again, or give tensors")
        images, _, problems = readable([at_home(path) for path in paths], self.reader)
        if problems:
            raise InputError("\n".join([f"{len(problems)} of {len(paths)} files cannot be read:", *problems]))
        return images

    def names(self, x: Tensor | str | Path | Iterable[str | Path]) -> list[str]:
        """The class of each image, point or file. Raises InputError as `forward` and `read` do."""
        x = x if isinstance(x, Tensor) else self.read(*([x] if isinstance(x, str | Path) else x))
        return [self.classes[k] for part in x.split(AT_ONCE) for k in self(part).argmax(1).tolist()]


class ImageGenerator(Fixed):
    """z float32 [N, latent], uniform in [0, 1] -> images [N, C, H, W] of the data's depth."""

    def z(self, n: int, seed: int | None = None) -> Tensor:
        """The first n z [n, latent] that `gan-sntg sample` draws, of another list for each seed."""
        return z_bank(self.net.latent, n, seed=seed)

    def forward(self, z: Tensor) -> Tensor:
        """Images of one batch, each of its own z alone. Raises InputError for another size of z."""
        if z.dim() != 2 or z.shape[1] != self.net.latent:
            raise InputError(f"the generator was given z of shape {list(z.shape)}; give [N, {self.net.latent}], uniform in [0, 1]")
        return self.normalization.images(self.net(z))


def load_export(folder: str | Path) -> tuple[Classifier, ImageGenerator | None, Card]:
    """The classifier, the generator, if any, and the card that `gan-sntg export` wrote, on the CPU.

    Raises InputError, with its name, for a file that is missing, damaged or foreign.
    """
    folder = at_home(folder)
    card = read_card(folder)
    tensors, specs = read_files(folder, card), card.architecture
    net = load_network(specs.net, nn.Module, "net", folder, tensors)
    generator = load_network(specs.generator, Generator, "generator", folder, tensors) if specs.generator else None
    normalization = load_normalization(specs.normalization, folder, tensors)
    normalization.pixels = card.input.pixels or BYTES
    classifier = Classifier(net, normalization, tuple(card.input.shape), getattr(torch, card.input.dtype), card.classes, card.input.reader)
    images = ImageGenerator(generator, normalization) if generator else None
    check_fit(classifier, images, folder)
    return classifier, images, card


def read_files(folder: Path, card: Card) -> dict[str, dict[str, Tensor]]:
    """The tensors in the files of a card. Raises InputError where one is missing or not as exported."""
    tensors = {}
    for path, sha256 in ((folder / name, sha256) for name, sha256 in card.files.items()):
        with refusing(f"{path} cannot be read", REMEDY):
            data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise InputError(f"{path} is damaged or foreign: it does not have the SHA-256 in {folder / CARD}; {REMEDY}")
        if path.name not in (PROGRAM, ONNX):
            with refusing(f"{path} is not a safetensors file", REMEDY):
                tensors[path.name] = safetensors.torch.load(data)
    return tensors


def load_network(spec: dict, kind: type[Net], name: str, folder: Path, tensors: dict[str, dict[str, Tensor]]) -> Net:
    """A network of a card with the weights of its file. Raises InputError unless they are its own."""
    net, path = instantiate(spec, kind, f"{folder / CARD}: {name}"), folder / WEIGHTS[name]
    wanted, found = net.state_dict(), tensors[path.name]
    with refusing(f"{path} does not fit the network of {CARD}", REMEDY):
        if odd := [name for name, tensor in found.items() if name in wanted and tensor.dtype != wanted[name].dtype]:
            raise TypeError(f"{odd[0]} is {found[odd[0]].dtype}")
        net.load_state_dict(found, assign=True)
    return net


def load_normalization(spec: dict, folder: Path, tensors: dict[str, dict[str, Tensor]]) -> Normalization:
    """The normalization of a card with its file's statistics. Raises InputError unless they are its own."""
    normalization, path = instantiate(spec, Normalization, f"{folder / CARD}: normalization"), folder / WEIGHTS["normalization"]
    found = tensors.get(path.name, {})
    if set(found) != set(normalization.statistics):
        raise InputError(f"{path} does not hold the statistics of {type(normalization).__name__}; {REMEDY}")
    for name, tensor in found.items():
        setattr(normalization, name, tensor)
    return normalization


def check_fit(classifier: Classifier, generator: ImageGenerator | None, folder: Path) -> None:
    """Raise InputError unless an example has a logit for each class, and z an image."""
    x = torch.zeros(1, *classifier.shape, dtype=classifier.dtype)
    with refusing(f"{folder}: its parts do not fit each other", REMEDY):
        logits, image = classifier(x), generator(generator.z(1)) if generator else x
    if logits.shape != (1, len(classifier.classes)) or image.shape != x.shape:
        raise InputError(f"{folder}: its networks do not fit the classes and images of {CARD}; {REMEDY}")
