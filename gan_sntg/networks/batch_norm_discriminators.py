"""CatGAN's discriminator of dense layers, with batch norm in place of weight norm."""

from itertools import pairwise
from math import prod

from torch import Tensor, nn

from gan_sntg.networks.batch_norm import BatchNorm
from gan_sntg.networks.classifiers import SLOPE
from gan_sntg.networks.gan import Discriminator, check_widths
from gan_sntg.networks.noise import GaussianNoise
from gan_sntg.networks.passes import at_least_float32


class BatchNormDiscriminator(Discriminator):
    """Dense layers, each followed by Gaussian noise, batch norm and LeakyReLU 0.1; the logits are plain.

    h is the last hidden layer after its LeakyReLU. Defaults are CatGAN's MNIST network as public ports have it. Since statistics are of a
    pass, a method must pass real and generated images apart. Assumed: weights N(0, 2 / inputs).
    """

    def __init__(
        self, image_shape: tuple[int, ...], num_classes: int, widths: tuple[int, ...] = (1000, 500, 250, 250, 250), noise: float = 0.3
    ):
        """widths: of hidden layers; noise: standard deviation, on x and on what each batch norm is given."""
        super().__init__()
        check_widths(widths)
        layers: list[nn.Module] = [nn.Flatten(), GaussianNoise(noise)]
        for a, b in pairwise((prod(image_shape), *widths)):
            linear = nn.Linear(a, b, bias=False)
            nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
            layers += [linear, GaussianNoise(noise), BatchNorm(b), nn.LeakyReLU(SLOPE)]
        self.hidden, self.out = nn.Sequential(*layers), nn.Linear(widths[-1], num_classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, C, H, W], or points [B, 2] -> h [B, widths[-1]], logits [B, K]."""
        h = at_least_float32(self.hidden(x))
        return h, at_least_float32(self.out(h))
