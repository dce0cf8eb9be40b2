"""Drawn data: two moons and four spins (Sec. 5.1), and random images for checks and timings."""

from abc import abstractmethod
from math import pi

import torch
from torch import Tensor

from gan_sntg.data.dataset import Dataset, one_fifth
from gan_sntg.errors import InputError
from gan_sntg.rng import purpose_generator

TRAIN, TEST = 6000, 2000


class Plane(Dataset):
    """6,000 points for training (Sec. 5.1) and 2,000 for testing, float32 [N, 2], as many of each class.

    noise: standard deviation along each coordinate; without it a test point could be a training point. Coordinates are standardised:
    less the mean of the training points, over their standard deviation (by N). A fifth of each class is for validation.
    """

    def __init__(self, noise: float, seed: int):
        """noise: standard deviation along each coordinate; seed: of the points."""
        if not 0 < noise < float("inf"):
            raise InputError(f"the noise of {type(self).__name__} is {noise}; give a positive standard deviation, such as 0.05")
        x, self.train_y = self._draw(TRAIN, noise, purpose_generator(seed, f"{self.name}/train"))
        test_x, self.test_y = self._draw(TEST, noise, purpose_generator(seed, f"{self.name}/test"))
        mean, std = x.mean(0), x.std(0, correction=0)
        self.train_x, self.test_x = (((points - mean) / std).float() for points in (x, test_x))
        self.validation = one_fifth(self.train_y)

    @abstractmethod
    def _draw(self, n: int, noise: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """x float64 [n, 2] and y int64 [n]."""


class TwoMoons(Plane):
    """Two interleaving half circles: scikit-learn's `make_moons`. The paper does not give its noise."""

    name = "two_moons"
    num_classes = 2

    def __init__(self, noise: float = 0.1, seed: int = 0):
        super().__init__(noise, seed)

    def _draw(self, n: int, noise: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        from sklearn.datasets import make_moons  # noqa: PLC0415  a fifth of a command's start

        state = int(torch.randint(2**31, (), generator=generator))
        x, y = make_moons(n, noise=noise, random_state=state)
        return torch.from_numpy(x), torch.from_numpy(y).long()


class FourSpins(Plane):
    """Class k (ours): x = r (cos a, sin a) + noise * N(0, I), a = k pi / 2 + pi r, r uniform in [0.2, 1]."""

    name = "four_spins"
    num_classes = 4

    def __init__(self, noise: float = 0.03, seed: int = 0):
        super().__init__(noise, seed)

    def _draw(self, n: int, noise: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        y = torch.arange(n) % 4
        r = 0.2 + 0.8 * torch.rand(n, generator=generator, dtype=torch.float64)
        a = y * pi / 2 + pi * r
        x = r.unsqueeze(1) * torch.stack([a.cos(), a.sin()], 1)
        return x + noise * torch.randn(n, 2, generator=generator, dtype=torch.float64), y


class Synthetic(Dataset):
    """Images uint8 of uniform noise, brighter with each class; the last twentieth is for validation."""

    name = "synthetic"

    def __init__(self, shape: tuple[int, ...], num_classes: int, n: int = 4200):
        """Draw images for training, and 200 for testing.

        shape: (C, H, W); num_classes: K; n: training images. Raises InputError for fewer than ten per class.
        """
        if num_classes < 2 or n < 10 * num_classes or min(shape, default=0) < 1:
            what = f"{n} synthetic images of shape {list(shape)} in {num_classes} classes"
            raise InputError(f"{what} cannot be made: give at least two classes and ten images of each")
        generator = torch.Generator().manual_seed(0)
        y = torch.arange(n + 200) % num_classes
        light = (64 * y / (num_classes - 1)).to(torch.uint8).view(-1, *[1] * len(shape))
        x = torch.randint(191, (n + 200, *shape), generator=generator, dtype=torch.uint8) + light
        self.num_classes, self.validation = num_classes, torch.arange(n - n // 20, n)
        self.train_x, self.train_y, self.test_x, self.test_y = x[:n], y[:n], x[n:], y[n:]
