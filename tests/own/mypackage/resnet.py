"""A small residual network."""

import torch
from torch import nn

from gan_sntg.networks import Discriminator


class Block(nn.Module):
    """x + conv(relu(conv(x)))."""

    def __init__(self, width: int):
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(self.first(x).relu())


class SmallResNet(Discriminator):
    """Two residual blocks; h is the mean of the last maps."""

    def __init__(self, image_shape: tuple[int, ...], num_classes: int, width: int = 8):
        super().__init__()
        self.maps = nn.Sequential(nn.Conv2d(image_shape[0], width, 3, padding=1), Block(width), Block(width), nn.ReLU())
        self.out = nn.Linear(width, num_classes)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = self.maps(x).mean((2, 3))
        return h, self.out(h)
