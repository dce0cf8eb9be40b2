"""Loading of an exported run: classifier, generator and card, without executing any file."""

from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from gan_sntg.data.normalization import Normalization
from gan_sntg.errors import InputError, first_line
from gan_sntg.evaluation.samples import z_bank
from gan_sntg.export.card import CARD, DTYPES, REMEDY, WEIGHTS, build, read_card, read_files

AT_ONCE = 250  # examples that are classified in one batch


class Fixed(nn.Module):
    """A network and a normalization that are used and never trained: no gradients, evaluation mode for good."""

    def __init__(self, net: nn.Module, normalization: Normalization):
        """net: its parameters are frozen."""
        super().__init__()
        self.net, self.normalization = net.requires_grad_(False), normalization
        self.train(False)

    def train(self, mode: bool = True) -> "Fixed":
        """Stays in evaluation mode."""
        return super().train(False)


class Classifier(Fixed):
    """Images uint8 [N, C, H, W], or points float32 [N, 2], as the data set holds them -> logits float32 [N, K]."""

    def __init__(self, net: nn.Module, normalization: Normalization, shape: tuple[int, ...], dtype: torch.dtype, classes: list[str]):
        """shape, dtype: of one image or point; classes: names of the K logits."""
        super().__init__(net, normalization)
        self.shape, self.dtype, self.classes = tuple(shape), dtype, classes

    def forward(self, x: Tensor) -> Tensor:
        """All in one batch. Raises InputError for another shape or dtype."""
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
        """All in one batch; an image does not depend on the others. Raises InputError for another size of z."""
        if z.dim() != 2 or z.shape[1] != self.net.latent:
            raise InputError(f"the generator was given z of shape {list(z.shape)}; give [N, {self.net.latent}], uniform in [0, 1]")
        return self.normalization.images(self.net(z))


def load(folder: str | Path) -> tuple[Classifier, ImageGenerator | None, dict]:
    """The classifier, the generator where the method has one, and the card of a run that `gan-sntg export` wrote, on the CPU.

    Raises InputError, with its name, for a file that is missing, damaged or foreign.
    """
    folder = Path(folder)
    card = read_card(folder)
    data = read_files(folder, card)
    net, generator, normalization = build(card, folder / CARD)
    fill(net, data[WEIGHTS["net"]], folder / WEIGHTS["net"])
    restore(normalization, data.get(WEIGHTS["normalization"]), folder)
    classifier = Classifier(net, normalization, card["input"]["shape"], DTYPES[card["input"]["dtype"]], card["classes"])
    images = None
    if generator is not None:
        fill(generator, data[WEIGHTS["generator"]], folder / WEIGHTS["generator"])
        images = ImageGenerator(generator, normalization)
    try_out(classifier, images, folder)
    return classifier, images, card


def fill(net: nn.Module, data: bytes, path: Path) -> None:
    """Give a network without weights those of a file. Raises InputError unless they are its own, all of them."""
    wanted, found = net.state_dict(), tensors(data, path)
    odd = [name for name, tensor in found.items() if name in wanted and tensor.dtype != wanted[name].dtype]
    try:
        if odd:
            raise TypeError(f"{odd[0]} is {found[odd[0]].dtype}")
        net.load_state_dict(found, assign=True)
    except (RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} does not fit the network of {CARD} ({reason}); {REMEDY}") from error


def restore(normalization: Normalization, data: bytes | None, folder: Path) -> None:
    """Give a normalization the statistics of a file, where it has some. Raises InputError unless they are its own, all of them."""
    path = folder / WEIGHTS["normalization"]
    found = {} if data is None else tensors(data, path)
    if set(found) != set(normalization.statistics):
        raise InputError(f"{path} does not hold the statistics of {type(normalization).__name__}; {REMEDY}")
    for name, tensor in found.items():
        setattr(normalization, name, tensor)


def tensors(data: bytes, path: Path) -> dict[str, Tensor]:
    """What a safetensors file holds. Raises InputError where it is none."""
    try:
        return safetensors.torch.load(data)
    except Exception as error:  # an error of its own, or of the tensors it would make
        raise InputError(f"{path} is not a safetensors file ({first_line(error)}); {REMEDY}") from error


def try_out(classifier: Classifier, generator: ImageGenerator | None, folder: Path) -> None:
    """Raise InputError unless an example has a logit for each class, and z an image."""
    x = torch.zeros(1, *classifier.shape, dtype=classifier.dtype)
    try:
        logits, drawn = classifier(x), x if generator is None else generator(generator.z(1))
    except Exception as error:  # parts that are whole and do not fit each other fail in any way
        raise InputError(f"{folder}: its parts do not fit each other ({first_line(error)}); {REMEDY}") from error
    if logits.shape != (1, len(classifier.classes)) or drawn.shape != x.shape:
        raise InputError(f"{folder}: its networks do not fit the classes and images of {CARD}; {REMEDY}")
