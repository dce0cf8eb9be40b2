"""Triple-GAN's classifiers of MNIST, SVHN and CIFAR-10."""

from functools import partial
from math import prod

import torch
from torch import Tensor, nn

from gan_sntg.data.loader import Pool
from gan_sntg.data.normalization import SymmetricZCA
from gan_sntg.errors import InputError
from gan_sntg.networks.batch_norm import BatchNorm
from gan_sntg.networks.classifiers import ConvClassifier, ConvNet13, Widths, channels_of, halve, thirteen_layers
from gan_sntg.networks.noise import Dropout


def normed(inputs: int, outputs: int, kernel: int, padding: int, slope: float = 0.0) -> list[nn.Module]:
    """A convolution without bias, weights N(0, 0.05^2), batch norm (epsilon 1e-4, step 0.1), LeakyReLU."""
    conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=False)
    nn.init.normal_(conv.weight, std=0.05)
    return [conv, BatchNorm(outputs, eps=1e-4, momentum=0.1), nn.LeakyReLU(slope) if slope else nn.ReLU()]


class SmallBatchNormConvNet(ConvClassifier):
    """5 x 5 of 32, two 3 x 3 of 64 and two of 128, pooled after the first and the third: MNIST's C.

    Batch norm and ReLU after each, dropout 0.5 after pooling; h is the average pool. That every one of them has batch norm is assumed.
    """

    def __init__(self, image_shape: tuple[int, ...], num_classes: int, widths: Widths = (32, 64, 128)):
        """widths: channels of the three groups. Raises InputError for images under 14 pixels."""
        channels, (a, b, c) = channels_of("SmallBatchNormConvNet", image_shape, smallest=14), widths
        layers = [*normed(channels, a, 5, 0), *halve()]
        layers += [*normed(a, b, 3, 1), *normed(b, b, 3, 0), *halve()]
        layers += [*normed(b, c, 3, 1), *normed(c, c, 3, 1)]
        dense = nn.Linear(c, num_classes)
        nn.init.normal_(dense.weight, std=0.05)
        super().__init__(layers, dense)


class DropoutConvNet13(ConvClassifier):
    """Dropout 0.2, `thirteen_layers` with batch norm and LeakyReLU 0.2, normed logits: SVHN's C."""

    def __init__(self, image_shape: tuple[int, ...], num_classes: int, widths: Widths = (128, 256, 512)):
        channels = channels_of("DropoutConvNet13", image_shape, smallest=12)
        layers = [Dropout(0.2), *thirteen_layers(channels, widths, partial(normed, slope=0.2))]
        dense = nn.Linear(widths[0], num_classes, bias=False)
        nn.init.normal_(dense.weight, std=0.05)
        super().__init__(layers, nn.Sequential(dense, BatchNorm(num_classes, eps=1e-4, momentum=0.1)))


class WhitenedConvNet13(ConvNet13):
    """`ConvNet13` of images that it whitens by `SymmetricZCA` itself, generated ones too: CIFAR-10's C.

    So G and D see pixels, and C is as where the data are normalised by `SymmetricZCA`. Statistics are buffers, NaN until `fit`.
    """

    mean: Tensor
    matrix: Tensor

    def __init__(self, image_shape: tuple[int, ...], num_classes: int, widths: Widths = (128, 256, 512), noise: float = 0.15):
        """noise: standard deviation, of the whitened x."""
        super().__init__(image_shape, num_classes, widths, noise)
        d = prod(image_shape)
        self.register_buffer("mean", torch.full((d,), torch.nan))
        self.register_buffer("matrix", torch.full((d, d), torch.nan))

    def fit(self, pool: Pool) -> None:
        """Fit the unlabelled pool. Raises InputError where its normalization is not `SymmetricZCA`'s scaling."""
        zca, x = SymmetricZCA(), pool.x[pool.unlabeled]
        if not torch.allclose(pool.normalize(x[:2]).float(), zca.scaling(x[:2])):
            raise InputError("WhitenedConvNet13 whitens pixels of (x - 127.5) / 128; choose the normalization Symmetric with divisor 128")
        zca.fit(x.cpu())
        self.mean.copy_(zca.mean)
        self.matrix.copy_(zca.matrix)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, C, H, W] -> h [B, widths[0]], logits [B, K]."""
        with torch.autocast(x.device.type, enabled=False):
            white = ((x.to(self.mean.dtype).flatten(1) - self.mean) @ self.matrix).view(x.shape)
        return super().forward(white)
