"""Random flips and translations of a batch on its device.

The order is fixed: images are normalised first, then mirrored, then translated; what a translation uncovers is filled by reflection
of the normalised image (reference 1.2).
"""

import torch
from einops import rearrange
from torch import Tensor

from gan_sntg.configurable import Configurable
from gan_sntg.errors import InputError


def mirror(x: Tensor, chosen: Tensor) -> Tensor:
    """x [B, C, H, W] with the images where `chosen` [B] is true mirrored left to right."""
    return torch.where(rearrange(chosen, "b -> b 1 1 1"), x.flip(3), x)


def translate(x: Tensor, shifts: Tensor) -> Tensor:
    """y[b, :, i, j] = x[b, :, i + dy, j + dx], reflected at the borders, which are not repeated.

    x [B, C, H, W]; shifts [B, 2]: (dy, dx) of each image, whole and smaller than H and W.
    """
    rows = rearrange(_reflected(x.shape[2], shifts[:, 0]), "b h -> b 1 h 1")
    columns = rearrange(_reflected(x.shape[3], shifts[:, 1]), "b w -> b 1 1 w")
    images = rearrange(torch.arange(len(x), device=x.device), "b -> b 1 1 1")
    channels = rearrange(torch.arange(x.shape[1], device=x.device), "c -> 1 c 1 1")
    return x[images, channels, rows, columns]


def _reflected(size: int, shift: Tensor) -> Tensor:
    """[B, size] int64: 0..size - 1 plus shift [B], mirrored into 0..size - 1 at both ends."""
    place = torch.arange(size, device=shift.device) + rearrange(shift, "b -> b 1")
    return size - 1 - (size - 1 - place.abs()).abs()


class Augmentation(Configurable):
    """Flip with probability 1/2, then a shift by whole pixels uniform in [-translation, translation]^2."""

    def __init__(self, translation: int = 0, flip: bool = False):
        """Raise InputError for a negative translation."""
        if translation < 0:
            raise InputError(f"translation is {translation}; give the most pixels by which an image is moved, 0 or more")
        self.translation, self.flip = translation, flip

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        return self.flip or self.translation > 0

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Varied copy of the normalised x [B, C, H, W]; the generator is on the device of x."""
        return self.translated(self.flipped(x, generator), generator)

    def flipped(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Flip alone, for methods whose two views share it (Pi, reference 1.2)."""
        if not self.flip:
            return x
        return mirror(x, torch.rand(len(x), generator=generator, device=x.device) < 0.5)

    def translated(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Translation alone. Raises InputError where it is not smaller than the image."""
        if not self.translation:
            return x
        if self.translation >= min(x.shape[2:]):
            raise InputError(f"a translation by {self.translation} cannot be reflected in images of {x.shape[2]} x {x.shape[3]}; give less")
        bounds = (-self.translation, self.translation + 1)
        return translate(x, torch.randint(*bounds, (len(x), 2), generator=generator, device=x.device))
