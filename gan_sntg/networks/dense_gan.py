"""The Improved GAN's dense discriminator and generator; widths make them smaller or larger."""

from abc import ABC, abstractmethod
from itertools import pairwise
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_sntg.configurable import Configurable
from gan_sntg.errors import InputError
from gan_sntg.networks.batch_norm import BatchNormBias
from gan_sntg.networks.classifiers import Classifier
from gan_sntg.networks.noise import GaussianNoise
from gan_sntg.networks.precision import at_least_float32
from gan_sntg.networks.weight_norm import WeightNormLinear


class Discriminator(Classifier):
    """A classifier of images whose fake class has no logit of its own."""


class Generator(Configurable, nn.Module, ABC):
    """z [B, latent], uniform in [0, 1] -> images [B, C, H, W] in the range that D sees."""

    latent: int
    symmetric = False  # whether its images are in -1..1, not in 0..1

    @abstractmethod
    def forward(self, z: Tensor) -> Tensor:
        """The images."""


def check_widths(widths: tuple[int, ...]) -> None:
    """Raise InputError unless there is a hidden layer and each has a unit."""
    if not widths or min(widths) < 1:
        raise InputError(f"widths is {list(widths)}; give the size of at least one hidden layer, each 1 or more")


class DenseDiscriminator(Discriminator):
    """Weight-norm dense layers with ReLU and Gaussian noise before each (reference 5, MNIST).

    h is the last hidden layer after its ReLU, before its noise. Defaults are the MNIST network.
    """

    def __init__(
        self,
        image_shape: tuple[int, ...],
        num_classes: int,
        widths: tuple[int, ...] = (1000, 500, 250, 250, 250),
        input_noise: float = 0.3,
        hidden_noise: float = 0.5,
        train_scale: bool = False,
    ):
        """widths: of hidden layers; noise: standard deviations; train_scale: hidden g's train (source: no)."""
        super().__init__()
        check_widths(widths)
        sizes = (prod(image_shape), *widths)
        self.hidden = nn.ModuleList(WeightNormLinear(a, b, train_scale=train_scale) for a, b in pairwise(sizes))
        self.noise = nn.ModuleList(GaussianNoise(input_noise if k == 0 else hidden_noise) for k in range(len(sizes)))
        self.out = WeightNormLinear(sizes[-1], num_classes, train_scale=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, C, H, W], or points [B, 2] -> h [B, widths[-1]], logits [B, K]."""
        h = x.flatten(1)
        for layer, noise in zip(self.hidden, self.noise, strict=False):
            h = F.relu(layer(noise(h)))
        h = at_least_float32(h)
        return h, at_least_float32(self.out(self.noise[-1](h)))


class DenseGenerator(Generator):
    """Dense layers, bias-only batch norm, softplus; weight norm and sigmoid at the end (reference 5)."""

    def __init__(self, image_shape: tuple[int, ...], latent: int = 100, widths: tuple[int, ...] = (500, 500)):
        """latent: size of z; widths: of the hidden layers."""
        super().__init__()
        check_widths(widths)
        self.latent, self.image_shape = latent, tuple(image_shape)
        layers = []
        for a, b in pairwise((latent, *widths)):
            linear = nn.Linear(a, b, bias=False)
            nn.init.xavier_uniform_(linear.weight)
            layers += [linear, BatchNormBias(b), nn.Softplus()]
        self.hidden = nn.Sequential(*layers)
        self.out = WeightNormLinear(widths[-1], prod(image_shape), train_scale=True, init_std=None)

    def forward(self, z: Tensor) -> Tensor:
        """z [B, latent] -> images [B, C, H, W] in [0, 1]."""
        return torch.sigmoid(at_least_float32(self.out(self.hidden(z)))).unflatten(1, self.image_shape)
