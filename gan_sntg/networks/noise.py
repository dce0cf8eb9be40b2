"""Gaussian noise and dropout layers, drawn from a named generator."""

from collections.abc import Callable
from enum import member

import torch
from torch import Tensor, nn

from gan_sntg.configurable import Choice


class NoiseTable:
    """Numbers N(0, 1), drawn once, of which draws are windows.

    Each number of a draw is N(0, 1), and those of one draw are independent; two draws may have the same numbers, moved. The table itself
    is part of a run, by its seed, and of no checkpoint.
    """

    size = 2**23  # 32 MiB: twenty times what one pass of the MNIST networks draws

    def __init__(self, generator: torch.Generator):
        self.numbers = torch.randn(self.size, generator=generator, device=generator.device)

    def __deepcopy__(self, memo) -> "NoiseTable":
        """Copies of a network share the numbers, which never change."""
        return self

    def window(self, like: Tensor, generator: torch.Generator | None) -> Tensor:
        """Numbers of the form of `like`, side by side in the table from a random place on.

        They are lent, and not to be changed. A draw larger than the table, or of another device or dtype, is a fresh one.
        """
        n, numbers = like.numel(), self.numbers
        if n > len(numbers) or (like.dtype, like.device) != (numbers.dtype, numbers.device):
            return like.normal_(generator=generator)
        start = int(torch.randint(len(numbers) - n + 1, (), generator=generator))
        return numbers.as_strided(like.shape, like.stride(), start)


class RepeatedDraws:
    """Draws of a generator for passes that share their noise: made in the first, given again in others.

    In the place of a generator, which is never rewound, so that a CUDA graph can record the passes.
    """

    def __init__(self, generator: torch.Generator):
        """generator: where the draws of the first pass come from."""
        self.generator, self.made, self.given = generator, [], 0

    def begin_pass(self) -> None:
        """Give the first draw next."""
        self.given = 0

    def draw(self, make: Callable[[torch.Generator], Tensor]) -> Tensor:
        """The next draw, which no caller may change: what `make` makes of the generator in the first pass."""
        if self.given == len(self.made):
            self.made.append(make(self.generator))
        self.given += 1
        return self.made[self.given - 1]


Draws = torch.Generator | RepeatedDraws  # what a pass takes its noise from


class Noise(nn.Module):
    """A layer that disturbs x in training, by draws of `drawing_from`'s generator or of torch's own."""

    generator: Draws | None = None
    given: Tensor | None = None  # what a compiled pass, which cannot draw, takes in place of a draw
    table: NoiseTable | None = None  # of Gaussian noise; None: each number is drawn

    def draw(self, fill: str, x: Tensor) -> Tensor:
        """Random numbers of the form of x, float32 at least, so that the precision does not change them."""
        return self.fresh(fill, x) if self.given is None else self.given

    def fresh(self, fill: str, x: Tensor) -> Tensor:
        """Those of a draw of now."""
        return self.filled(fill, numbers_like(x), self.generator)

    def filled(self, fill: str, like: Tensor, generator: Draws | None) -> Tensor:
        """Random numbers in place of what `like` holds; some are lent, so let them be."""
        if isinstance(generator, RepeatedDraws):
            return generator.draw(lambda own: self.filled(fill, like, own))
        if fill == "normal_" and self.table is not None:
            return self.table.window(like, generator)
        return getattr(like, fill)(generator=generator)


def numbers_like(x: Tensor) -> Tensor:
    """Room for random numbers of the form of x."""
    return torch.empty_like(x, dtype=torch.promote_types(x.dtype, torch.float32))


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
