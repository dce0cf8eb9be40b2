"""CatGAN's discriminators, with batch norm in place of weight norm: dense and convolutional."""

from itertools import pairwise
from math import prod

from torch import Tensor, nn

from gan_sntg.errors import InputError
from gan_sntg.networks.batch_norm import BatchNorm
from gan_sntg.networks.classifiers import SLOPE, ConvClassifier, channels_of
from gan_sntg.networks.gan import Discriminator, check_widths
from gan_sntg.networks.noise import GaussianNoise
from gan_sntg.networks.passes import at_least_float32


def normed(layer: nn.Linear | nn.Conv2d, units: int, noise: float) -> list[nn.Module]:
    """A layer without bias, its weights N(0, 2 / inputs), then Gaussian noise, batch norm and LeakyReLU."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return [layer, GaussianNoise(noise), BatchNorm(units), nn.LeakyReLU(SLOPE)]


class BatchNormDiscriminator(Discriminator):
    """Dense layers, each followed by Gaussian noise, batch norm and LeakyReLU 0.1; the logits are plain.

    h is the last hidden layer after its LeakyReLU. Defaults are CatGAN's MNIST network as public ports have it; the initial weights are
    assumptions. Since statistics are of a pass, a method must pass real and generated images apart.
    """

    def __init__(
        self, image_shape: tuple[int, ...], num_classes: int, widths: tuple[int, ...] = (1000, 500, 250, 250, 250), noise: float = 0.3
    ):
        """widths: of hidden layers; noise: standard deviation, on x and on what each batch norm is given."""
        super().__init__()
        check_widths(widths)
        layers: list[nn.Module] = [nn.Flatten(), GaussianNoise(noise)]
        for a, b in pairwise((prod(image_shape), *widths)):
            layers += normed(nn.Linear(a, b, bias=False), b, noise)
        self.hidden, self.out = nn.Sequential(*layers), nn.Linear(widths[-1], num_classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, C, H, W], or points [B, 2] -> h [B, widths[-1]], logits [B, K]."""
        h = at_least_float32(self.hidden(x))
        return h, at_least_float32(self.out(h))


class BatchNormConvNet(ConvClassifier, Discriminator):
    """CatGAN's CIFAR-10 network: twice three 3 x 3 and max-pooling, a 3 x 3, a 1 x 1, average pool.

    Each convolution is followed by noise, batch norm and LeakyReLU; h is the average pool, for the source's last 1 x 1 to K maps and the
    pooling commute. Layers are as public ports and others' papers have them; that the last 3 x 3 is not padded is an assumption.
    """

    def __init__(self, image_shape: tuple[int, ...], num_classes: int, widths: tuple[int, int] = (96, 192), noise: float = 0.3):
        """widths: of the first block, and of the rest and h; noise: standard deviation. Raises InputError."""
        channels, (first, rest) = channels_of("BatchNormConvNet", image_shape, smallest=12), widths
        if min(widths) < 1:
            raise InputError(f"widths is {list(widths)}; give two numbers of channels, each 1 or more")
        layers: list[nn.Module] = [GaussianNoise(noise)]
        for inputs, units in ((channels, first), (first, rest)):
            for a in (inputs, units, units):
                layers += normed(nn.Conv2d(a, units, 3, padding=1, bias=False), units, noise)
            layers.append(nn.MaxPool2d(2))
        for kernel in (3, 1):
            layers += normed(nn.Conv2d(rest, rest, kernel, bias=False), rest, noise)
        super().__init__(layers, nn.Linear(rest, num_classes))
