"""Gaussian noise and dropout layers, drawn from a named generator."""

from enum import member

import torch
from torch import Tensor, nn

from gan_sntg.configurable import Choice


class Noise(nn.Module):
    """A layer that disturbs x in training, by draws of `drawing_from`'s generator or of torch's own."""

    generator: torch.Generator | None = None

    def draw(self, fill: str, x: Tensor) -> Tensor:
        """Random numbers of the form of x, float32 at least, so that the precision does not change them."""
        like = torch.empty_like(x, dtype=torch.promote_types(x.dtype, torch.float32))
        return getattr(like, fill)(generator=self.generator)


class GaussianNoise(Noise):
    """x + std * N(0, 1) in training, x in evaluation, any shape."""

    def __init__(self, std: float):
        super().__init__()
        self.std = std

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as x; the gradient passes unchanged."""
        if not self.training or self.std == 0:
            return x
        return x + (self.std * self.draw("normal_", x)).to(x.dtype)  # pyright: ignore[reportCallIssue]


class Dropout(Noise):
    """In training 0 with probability p, else x / (1 - p), per element; x in evaluation. Any shape."""

    def __init__(self, p: float):
        """p: in [0, 1)."""
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as x; the gradient is masked alike."""
        if not self.training or self.p == 0:
            return x
        # uniform numbers are four times as fast as bernoulli_ on a CPU
        kept = self.draw("uniform_", self.parts(x)) >= self.p  # pyright: ignore[reportCallIssue]
        return x * kept.to(x.dtype).div_(1 - self.p)

    @staticmethod
    def parts(x: Tensor) -> Tensor:
        """What is kept or zeroed as one, in the form of a tensor that broadcasts over x."""
        return x


class ChannelDropout(Dropout):
    """In training a whole map is 0 with probability p, else x / (1 - p); x in evaluation.

    Maps are x[b, c] of x [B, C, H, W].
    """

    @staticmethod
    def parts(x: Tensor) -> Tensor:
        """One pixel of each map."""
        return x[..., :1, :1]


class Drop(Choice):
    """What dropout zeroes: single `elements`, or whole `channels`."""

    elements = member(Dropout)
    channels = member(ChannelDropout)
