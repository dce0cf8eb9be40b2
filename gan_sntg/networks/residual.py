"""A residual pair for images of 32 to 128 pixels, without batch norm; spectral norm is a choice of D."""

from enum import member
from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor, nn

from gan_sntg.configurable import Choice
from gan_sntg.errors import InputError
from gan_sntg.networks.classifiers import ConvClassifier
from gan_sntg.networks.gan import MOST_CHANNELS, Discriminator, Generator, Maps, check_halving
from gan_sntg.networks.noise import Dropout
from gan_sntg.networks.passes import at_least_float32
from gan_sntg.networks.weight_norm import SpectralNormConv

SLOPE = 0.2  # of every LeakyReLU
SIZES = (*range(32, 64, 8), *range(64, 129, 16))  # of images, which halving takes to 4 to 7 pixels


def halvings_of(image_shape: tuple[int, ...]) -> int:
    """Number of halvings that take images [C, H, W] to 4 to 7 pixels. Raises InputError."""
    if len(image_shape) != 3:
        raise InputError(f"the residual networks classify and draw images, but an example is {list(image_shape)}; use a dense network")
    channels, height, width = image_shape
    if not 1 <= channels <= MOST_CHANNELS or height != width or height not in SIZES:
        raise InputError(
            f"the residual networks have no form for images of {channels} x {height} x {width}, since halving must end at maps of 4 to 7 "
            f"pixels; give square images of {', '.join(map(str, SIZES))} pixels with 1 to {MOST_CHANNELS} channels, or use "
            "ConvDiscriminator and ConvGenerator"
        )
    return height.bit_length() - 3


def plain(inputs: int, outputs: int, kernel: int, gain: float) -> nn.Conv2d:
    """A convolution that keeps the size of maps; weights N(0, gain^2 / inputs of a unit), biases 0."""
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    nn.init.normal_(conv.weight, std=gain / sqrt(inputs * kernel**2))
    nn.init.zeros_(conv.bias)  # pyright: ignore[reportArgumentType]
    return conv


def spectral(inputs: int, outputs: int, kernel: int, gain: float) -> nn.Conv2d:
    """The same with spectral norm, which leaves nothing of the gain; see `SpectralNormConv`."""
    return SpectralNormConv(inputs, outputs, kernel)


class Convolution(Choice):
    """Bound of a convolution's weights: none (`plain`), or `spectral` norm."""

    plain = member(plain)
    spectral = member(spectral)


class ResidualBlock(nn.Module):
    """x + c2(dropout(a(c1(a(x))))), c of 3 x 3, a LeakyReLU 0.2. x [B, channels, H, W].

    As Fixup starts it in a network of L blocks (Zhang et al. 2019): c1 with He's weights by L^(-1/2), c2 with 0, so that the block is the
    identity at first. With spectral norm the weights of both have norm 1 instead, from the start.
    """

    def __init__(self, channels: int, blocks: int, dropout: float = 0.0, convolution: Convolution = Convolution.plain):
        """blocks: L."""
        super().__init__()
        first = convolution(channels, channels, 3, sqrt(2 / (1 + SLOPE**2) / blocks))
        layers = [nn.LeakyReLU(SLOPE), first, nn.LeakyReLU(SLOPE), Dropout(dropout), convolution(channels, channels, 3, 0.0)]
        self.branch = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return x + self.branch(x)


class ResidualDiscriminator(ConvClassifier, Discriminator):
    """Average-pooled stages of a 1 x 1 and a residual block, after a 3 x 3; LeakyReLU 0.2, no batch norm.

    h is the average pool of the last maps, of 4 to 7 pixels, after LeakyReLU. The shape is that of R3GAN (Huang et al. 2024), but
    blocks have two plain 3 x 3 in place of its three layers, one grouped. Dropout, of the image and in blocks, is for the classes' sake and
    an assumption. Spectral norm is of convolutions alone: of the logits' layer it would bound their confidence.
    """

    def __init__(
        self,
        image_shape: tuple[int, ...],
        num_classes: int,
        width: int = 256,
        dropout: float = 0.2,
        convolution: Convolution = Convolution.plain,
    ):
        """width: channels of the smallest maps, and of h, halved at each doubling of the maps.

        dropout: of the image and in blocks; convolution: plain, or with spectral norm.
        """
        halvings = halvings_of(image_shape)
        check_halving(width, halvings + 1)
        widths = [width // 2**k for k in reversed(range(halvings + 1))]
        layers: list[nn.Module] = [Dropout(dropout), convolution(image_shape[0], widths[0], 3, 1.0), nn.LeakyReLU(SLOPE)]
        for a, b in pairwise(widths):
            layers += [nn.AvgPool2d(2), convolution(a, b, 1, 1.0), ResidualBlock(b, halvings, dropout, convolution)]
        out = nn.Linear(width, num_classes)
        nn.init.normal_(out.weight, std=width**-0.5)
        nn.init.zeros_(out.bias)
        super().__init__([*layers, nn.LeakyReLU(SLOPE)], out)


class ResidualGenerator(Generator):
    """A dense layer, then residual blocks, a 1 x 1 and bilinear doubling between them; 3 x 3 and tanh.

    The mirror of `ResidualDiscriminator`, likewise without batch norm, so that an image hears nothing of its batch. z is centred and scaled
    to variance 1 first.
    """

    symmetric = True

    def __init__(self, image_shape: tuple[int, ...], latent: int = 100, width: int = 256):
        """latent: size of z; width: channels of the smallest maps, halved at each doubling of the maps."""
        super().__init__()
        doublings = halvings_of(image_shape)
        check_halving(width, doublings + 1)
        self.latent, start = latent, image_shape[1] // 2**doublings
        dense = nn.Linear(latent, width * start**2)
        nn.init.normal_(dense.weight, std=latent**-0.5)
        nn.init.zeros_(dense.bias)
        layers: list[nn.Module] = [dense, Maps(1, (width, start, start)), ResidualBlock(width, doublings + 1)]
        for a, b in pairwise(width // 2**k for k in range(doublings + 1)):
            layers += [plain(a, b, 1, 1.0), nn.Upsample(scale_factor=2, mode="bilinear"), ResidualBlock(b, doublings + 1)]
        self.hidden = nn.Sequential(*layers, nn.LeakyReLU(SLOPE))
        self.out = plain(width // 2**doublings, image_shape[0], 3, 1.0)

    def forward(self, z: Tensor) -> Tensor:
        """z [B, latent] -> images [B, C, H, W] in [-1, 1]."""
        return torch.tanh(at_least_float32(self.out(self.hidden((z - 0.5) * sqrt(12)))))
