"""What stands in for a data set whose files are not at hand? Random images of its shape: for checks and timings, never for results."""

import torch

from gan_sntg.core.data.base import Source
from gan_sntg.core.errors import InputError


class Synthetic(Source):
    """n images uint8 [N, *shape] of uniform noise, a little brighter with each class; the last twentieth is for validation."""

    name = "synthetic"

    def __init__(self, shape: tuple[int, ...], num_classes: int, n: int = 4200):
        """shape: (C, H, W); 200 more images are for testing. Raises InputError where there are fewer than ten images a class."""
        if num_classes < 2 or n < 10 * num_classes or min(shape, default=0) < 1:
            what = f"{n} synthetic images of shape {list(shape)} in {num_classes} classes"
            raise InputError(f"{what} cannot be made: give at least two classes and ten images of each")
        generator = torch.Generator().manual_seed(0)
        y = torch.arange(n + 200) % num_classes
        light = (64 * y / (num_classes - 1)).to(torch.uint8).view(-1, *[1] * len(shape))
        x = torch.randint(191, (n + 200, *shape), generator=generator, dtype=torch.uint8) + light
        self.num_classes, self.validation = num_classes, torch.arange(n - n // 20, n)
        self.train_x, self.train_y, self.test_x, self.test_y = x[:n], y[:n], x[n:], y[n:]
