"""How do uint8 images become what networks see, and back?"""

import torch
from torch import Tensor


class Normalization:
    """Maps uint8 images to floats and back: `normalize(x)`, `normalize.images(x)`."""

    def __call__(self, x: Tensor) -> Tensor:
        """uint8 [B, C, H, W] -> float32 of the same shape."""
        raise NotImplementedError

    def images(self, x: Tensor) -> Tensor:
        """The inverse, rounded and clipped: float [B, C, H, W] -> uint8."""
        raise NotImplementedError


class UnitRange(Normalization):
    """x / 255, in [0, 1]: MNIST's scaling (reference 1.2, 5)."""

    def __call__(self, x: Tensor) -> Tensor:
        """0..255 -> 0..1."""
        return x.to(torch.float32) / 255

    def images(self, x: Tensor) -> Tensor:
        """0..1 -> 0..255."""
        return (x.detach().clamp(0, 1) * 255).round().to(torch.uint8)
