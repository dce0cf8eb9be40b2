"""Random flips, then translations, of a batch of normalised images on its device (reference 1.2)."""

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional

from gan_sntg.configurable import Configurable
from gan_sntg.errors import InputError


def translate(x: Tensor, shifts: Tensor, most: int) -> Tensor:
    """y[b, :, i, j] = x[b, :, i + dy, j + dx], reflected; (dy, dx) = shifts[b], int64 in -most..most."""
    windows = functional.pad(x, [most] * 4, mode="reflect").unfold(2, x.shape[2], 1).unfold(3, x.shape[3], 1)
    return windows[torch.arange(len(x), device=x.device), :, shifts[:, 0] + most, shifts[:, 1] + most]


class Augmentation(Configurable):
    """Flip with probability 1/2, then a shift by whole pixels uniform in [-translation, translation]^2."""

    def __init__(self, translation: int = 0, flip: bool = False):
        """translation: largest shift in pixels, each way; flip: mirror half of the images.

        Raises InputError for a negative translation.
        """
        if translation < 0:
            raise InputError(f"translation is {translation}; give the most pixels by which an image is moved, 0 or more")
        self.translation, self.flip = translation, flip

    def __bool__(self) -> bool:
        return self.flip or self.translation > 0

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Varied copy of the normalised x [B, C, H, W]; the generator is on the device of x."""
        return self.translated(self.flipped(x, generator), generator)

    def flipped(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Flip alone, for methods whose two views share it (Pi, reference 1.2)."""
        if not self.flip:
            return x
        self._check(x)
        chosen = torch.rand(len(x), generator=generator, device=x.device) < 0.5
        return torch.where(rearrange(chosen, "b -> b 1 1 1"), x.flip(3), x)

    def translated(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Translation alone. Raises InputError where it is not smaller than the image."""
        if not self.translation:
            return x
        self._check(x)
        if self.translation >= min(x.shape[2:]):
            raise InputError(f"a translation by {self.translation} cannot be reflected in images of {x.shape[2]} x {x.shape[3]}; give less")
        shifts = torch.randint(-self.translation, self.translation + 1, (len(x), 2), generator=generator, device=x.device)
        return translate(x, shifts, self.translation)

    def _check(self, x: Tensor) -> None:
        if x.dim() != 4:
            raise InputError("features and points cannot be flipped or moved; leave augmentation out, noise varies them")
