"""Loading of an exported run: classifier, generator and card, without executing any file."""

import hashlib
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
import torch
from torch import Tensor, nn

from gan_sntg.data.normalization import Normalization
from gan_sntg.errors import InputError, refusing
from gan_sntg.evaluation.samples import z_bank
from gan_sntg.export.card import CARD, DTYPES, REMEDY, WEIGHTS, Card, instantiate, read_card
from gan_sntg.networks.dense_gan import Generator

AT_ONCE = 250  # examples that are classified in one batch
Net = TypeVar("Net", bound=nn.Module)


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
    """Images uint8 [N, C, H, W] or points float32 [N, 2] of a data set -> logits float32 [N, K]."""

    def __init__(self, net: nn.Module, normalization: Normalization, shape: tuple[int, ...], dtype: torch.dtype, classes: list[str]):
        """shape, dtype: of one image or point; classes: names of the K logits."""
        super().__init__(net, normalization)
        self.shape, self.dtype, self.classes = shape, dtype, classes

    def forward(self, x: Tensor) -> Tensor:
        """Logits of one batch. Raises InputError for another shape or dtype."""
        if x.dtype != self.dtype or tuple(x.shape[1:]) != self.shape:
            wanted = ", ".join(map(str, ["N", *self.shape]))
            raise InputError(f"the classifier was given {x.dtype} {list(x.shape)}; give {self.dtype} [{wanted}]")
        return self.net(self.normalization(x))[1]

    def names(self, x: Tensor) -> list[str]:
        """The class of each image or point. Raises InputError as `forward` does."""
        return [self.classes[k] for part in x.split(AT_ONCE) for k in self(part).argmax(1).tolist()]


class ImageGenerator(Fixed):
    """z float32 [N, latent], uniform in [0, 1] -> images uint8 [N, C, H, W]."""

    def z(self, n: int, seed: int | None = None) -> Tensor:
        """The first n z [n, latent] that `gan-sntg sample` draws, of another list for each seed."""
        return z_bank(self.net.latent, n, seed=seed)

    def forward(self, z: Tensor) -> Tensor:
        """Images of one batch, each of its own z alone. Raises InputError for another size of z."""
        if z.dim() != 2 or z.shape[1] != self.net.latent:
            raise InputError(f"the generator was given z of shape {list(z.shape)}; give [N, {self.net.latent}], uniform in [0, 1]")
        return self.normalization.images(self.net(z))


def load_export(folder: str | Path) -> tuple[Classifier, ImageGenerator | None, Card]:
    """The classifier, the generator, if any, and the card of an export, on the CPU. Raises InputError for a damaged or foreign file."""
    folder = Path(folder)
    card = read_card(folder)
    data, specs = read_files(folder, card), card.architecture
    net = load_network(specs.net, nn.Module, "net", folder, data)
    generator = load_network(specs.generator, Generator, "generator", folder, data) if specs.generator else None
    normalization = load_normalization(specs.normalization, folder, data)
    classifier = Classifier(net, normalization, tuple(card.input.shape), DTYPES[card.input.dtype], card.classes)
    images = ImageGenerator(generator, normalization) if generator else None
    check_fit(classifier, images, folder)
    return classifier, images, card


def read_files(folder: Path, card: Card) -> dict[str, bytes]:
    """The bytes of every file of a card. Raises InputError where one is missing or not as exported."""
    data = {}
    for name, sha256 in card.files.items():
        with refusing(f"{folder / name} cannot be read", REMEDY):
            data[name] = (folder / name).read_bytes()
        if hashlib.sha256(data[name]).hexdigest() != sha256:
            raise InputError(f"{folder / name} is damaged or foreign: it does not have the SHA-256 in {folder / CARD}; {REMEDY}")
    return data


def load_network(spec: dict, kind: type[Net], name: str, folder: Path, data: dict[str, bytes]) -> Net:
    """A network of a card with the weights of its file. Raises InputError unless they are its own."""
    net, path = instantiate(spec, kind, f"{folder / CARD}: {name}"), folder / WEIGHTS[name]
    wanted, found = net.state_dict(), read_tensors(data[path.name], path)
    with refusing(f"{path} does not fit the network of {CARD}", REMEDY):
        if odd := [name for name, tensor in found.items() if name in wanted and tensor.dtype != wanted[name].dtype]:
            raise TypeError(f"{odd[0]} is {found[odd[0]].dtype}")
        net.load_state_dict(found, assign=True)
    return net


def load_normalization(spec: dict, folder: Path, data: dict[str, bytes]) -> Normalization:
    """The normalization of a card with its file's statistics. Raises InputError unless they are its own."""
    normalization, path = instantiate(spec, Normalization, f"{folder / CARD}: normalization"), folder / WEIGHTS["normalization"]
    found = read_tensors(data[path.name], path) if path.name in data else {}
    if set(found) != set(normalization.statistics):
        raise InputError(f"{path} does not hold the statistics of {type(normalization).__name__}; {REMEDY}")
    for name, tensor in found.items():
        setattr(normalization, name, tensor)
    return normalization


def read_tensors(data: bytes, path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises InputError where it is invalid."""
    with refusing(f"{path} is not a safetensors file", REMEDY):
        return safetensors.torch.load(data)


def check_fit(classifier: Classifier, generator: ImageGenerator | None, folder: Path) -> None:
    """Raise InputError unless an example has a logit for each class, and z an image."""
    x = torch.zeros(1, *classifier.shape, dtype=classifier.dtype)
    with refusing(f"{folder}: its parts do not fit each other", REMEDY):
        logits, image = classifier(x), generator(generator.z(1)) if generator else x
    if logits.shape != (1, len(classifier.classes)) or image.shape != x.shape:
        raise InputError(f"{folder}: its networks do not fit the classes and images of {CARD}; {REMEDY}")
