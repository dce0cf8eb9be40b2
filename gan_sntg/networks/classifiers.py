"""Classifiers: the 13-layer ConvNet, small ones, VAT's, Triple-GAN's, for points, pretrained."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from math import prod

import torch
from einops import reduce
from torch import Tensor, nn

from gan_sntg.configurable import Configurable
from gan_sntg.data.backbones import network
from gan_sntg.data.loader import Pool
from gan_sntg.data.normalization import SymmetricZCA
from gan_sntg.errors import InputError
from gan_sntg.files.mapped import taken
from gan_sntg.networks.batch_norm import BatchNorm, channels_last
from gan_sntg.networks.noise import Dropout, GaussianNoise
from gan_sntg.networks.passes import at_least_float32
from gan_sntg.networks.weight_norm import MeanOnlyConv, MeanOnlyLinear

SLOPE = 0.1  # of every LeakyReLU
Widths = tuple[int, int, int]  # channels of the two first blocks, of the third's first layer


class Classifier(Configurable, nn.Module, ABC):
    """f = g after h: x [B, ...] -> (h [B, D] penultimate features, logits [B, K])."""

    def fit(self, pool: Pool) -> None:
        """Take from a pool what depends on its images as a whole; most networks take nothing."""

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """h, logits; both float32 at the least, whatever autocast does inside."""


class ConvClassifier(Classifier):
    """x [B, C, H, W], stored channels last inside; h is the global average pool of `features`."""

    layout = staticmethod(channels_last)

    def __init__(self, features: list[nn.Module], out: nn.Module):
        """features: layers up to the average pool; out: layer of the logits."""
        super().__init__()
        self.features, self.out = nn.Sequential(*features), out

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, C, H, W] -> h [B, D], logits [B, K]."""
        maps = self.features(self.layout(x))
        h = reduce(at_least_float32(maps), "b c h w -> b c", "mean")
        return h, at_least_float32(self.out(h))


class ConvNet13(ConvClassifier):
    """`thirteen_layers` of noisy images, weight norm with mean-only batch norm (reference 1.1)."""

    def __init__(self, image_shape: tuple[int, ...], num_classes: int, widths: Widths = (128, 256, 512), noise: float = 0.15):
        """Defaults are the network of MNIST, SVHN and CIFAR.

        widths: channels of the three blocks; noise: standard deviation, of the whitened x.
        """
        channels = channels_of("ConvNet13", image_shape, smallest=12)
        layers = [GaussianNoise(noise), *thirteen_layers(channels, widths, mean_only)]
        super().__init__(layers, MeanOnlyLinear(widths[0], num_classes))


class SmallConvNet(ConvClassifier):
    """The source's small net: 5 x 5 of 32, two of 64, 3 x 3 and 1 x 1 of 128 (reference 1.1)."""

    def __init__(self, image_shape: tuple[int, ...], num_classes: int, noise: float = 0.15):
        """noise: standard deviation, of the whitened x."""
        channels = channels_of("SmallConvNet", image_shape, smallest=16)
        layers = [GaussianNoise(noise), *mean_only(channels, 32, 5, 0), *halve()]
        layers += [*mean_only(32, 64, 3, 1), *mean_only(64, 64, 3, 1), *halve()]
        layers += [*mean_only(64, 128, 3, 0), *mean_only(128, 128, 1, 0)]
        super().__init__(layers, MeanOnlyLinear(128, num_classes))


class PatchConvNet(ConvClassifier):
    """1 x 1 and 3 x 3 of a, unpadded 3 x 3 and 1 x 1 of b: for patches of few pixels, many channels.

    Layers are those of `SmallConvNet`, with dropout 0.5 after each 3 x 3 and no pooling before h. No source has it.
    """

    def __init__(self, image_shape: tuple[int, ...], num_classes: int, widths: tuple[int, int] = (64, 128), noise: float = 0.15):
        """widths: (a, b); noise: standard deviation, of the normalised x.

        Raises InputError for patches under 3 pixels, or a width of 0.
        """
        channels, (a, b) = channels_of("PatchConvNet", image_shape, smallest=3), widths
        if min(widths) < 1:
            raise InputError(f"widths is {list(widths)}; give two numbers of channels, each 1 or more")
        layers = [GaussianNoise(noise), *mean_only(channels, a, 1, 0), *mean_only(a, a, 3, 1), Dropout(0.5)]
        layers += [*mean_only(a, b, 3, 0), Dropout(0.5), *mean_only(b, b, 1, 0)]
        super().__init__(layers, MeanOnlyLinear(b, num_classes))


class VATConvNet(ConvClassifier):
    """VAT's Conv-Large: ordinary batch norm and no noise on the image (reference 4).

    Weights are N(0, 2 / inputs of a unit), which the source cuts off at two deviations. With `top_bn` the logits too have batch
    norm (the source: SVHN only); the dense layer's bias, which that cancels, is then left out.
    """

    def __init__(self, image_shape: tuple[int, ...], num_classes: int, widths: Widths = (128, 256, 512), top_bn: bool = False):
        """widths: channels of the three blocks; top_bn: batch norm of the logits."""
        channels = channels_of("VATConvNet", image_shape, smallest=12)
        layers = thirteen_layers(channels, widths, batch_norm)
        dense = nn.Linear(widths[0], num_classes, bias=not top_bn)
        out = nn.Sequential(dense, BatchNorm(num_classes, eps=1e-6, momentum=0.01)) if top_bn else dense
        super().__init__(layers, out)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if dense.bias is not None:
            nn.init.zeros_(dense.bias)


class SmallBatchNormConvNet(ConvClassifier):
    """5 x 5 of 32, two 3 x 3 of 64 and two of 128, pooled after the first and the third: MNIST's C.

    Batch norm and ReLU after each, dropout 0.5 after pooling; h is the average pool. That every one of them has batch norm is assumed.
    """

    def __init__(self, image_shape: tuple[int, ...], num_classes: int, widths: Widths = (32, 64, 128)):
        """widths: channels of the three groups. Raises InputError for images under 14 pixels."""
        channels, (a, b, c) = channels_of("SmallBatchNormConvNet", image_shape, smallest=14), widths
        layers = [*triple_unit(channels, a, 5, 0), *halve()]
        layers += [*triple_unit(a, b, 3, 1), *triple_unit(b, b, 3, 0), *halve()]
        layers += [*triple_unit(b, c, 3, 1), *triple_unit(c, c, 3, 1)]
        dense = nn.Linear(c, num_classes)
        nn.init.normal_(dense.weight, std=0.05)
        super().__init__(layers, dense)


class DropoutConvNet13(ConvClassifier):
    """Dropout 0.2, `thirteen_layers` with batch norm and LeakyReLU 0.2, normed logits: SVHN's C."""

    def __init__(self, image_shape: tuple[int, ...], num_classes: int, widths: Widths = (128, 256, 512)):
        """widths: channels of the three blocks."""
        channels = channels_of("DropoutConvNet13", image_shape, smallest=12)
        layers = [Dropout(0.2), *thirteen_layers(channels, widths, partial(triple_unit, slope=0.2))]
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
        """widths: channels of the three blocks; noise: standard deviation, of the whitened x."""
        super().__init__(image_shape, num_classes, widths, noise)
        d = prod(image_shape)
        self.register_buffer("mean", torch.full((d,), torch.nan))
        self.register_buffer("matrix", torch.full((d, d), torch.nan))

    def fit(self, pool: Pool) -> None:
        """Fit the unlabelled pool. Raises InputError where its normalization is not `SymmetricZCA`'s scaling."""
        zca, x = SymmetricZCA(), taken(pool.x, pool.unlabeled)
        zca.pixels = pool.pixels
        if not torch.allclose(pool.normalize(x[:2]).float(), zca.scaling(zca.levels(x[:2]))):
            raise InputError("WhitenedConvNet13 whitens pixels of (x - 127.5) / 128; choose the normalization Symmetric with divisor 128")
        zca.fit(x.cpu())
        self.mean.copy_(zca.mean)
        self.matrix.copy_(zca.matrix)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, C, H, W] -> h [B, widths[0]], logits [B, K]."""
        with torch.autocast(x.device.type, enabled=False):
            white = ((x.to(self.mean.dtype).flatten(1) - self.mean) @ self.matrix).view(x.shape)
        return super().forward(white)


class PlaneMLP(Classifier):
    """Three layers of 100 units for points, LeakyReLU 0.1; h is the last one after it (reference 1.8).

    Assumed, since no code was published: Gaussian noise on the points, and weight norm with mean-only batch norm as in ConvNet13.
    """

    def __init__(self, image_shape: tuple[int, ...], num_classes: int, noise: float = 0.15):
        """image_shape: (2,), else InputError; noise: standard deviation, of the normalised x."""
        super().__init__()
        if tuple(image_shape) != (2,):
            raise InputError(f"PlaneMLP classifies points of 2 coordinates, but an example has shape {list(image_shape)}; use a ConvNet")
        layers = [nn.Sequential(MeanOnlyLinear(a, b), nn.LeakyReLU(SLOPE, inplace=True)) for a, b in pairwise((2, 100, 100, 100))]
        self.hidden = nn.Sequential(GaussianNoise(noise), *layers)
        self.out = MeanOnlyLinear(100, num_classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, 2] -> h [B, 100], logits [B, K]."""
        h = at_least_float32(self.hidden(x))
        return h, at_least_float32(self.out(h))


class PretrainedNet(Classifier):
    """A network pretrained on other images, trained on: its features, dropout, a hidden layer h, logits.

    Batch norms keep the statistics, and the body's own dropout is off, as in evaluation: a pass is disturbed by the features' dropout
    alone. x are images in 0..1, of one or three channels (normalization UnitRange).
    """

    def __init__(
        self,
        image_shape: tuple[int, ...],
        num_classes: int,
        net: str = "efficientnet_lite0",
        file: str | None = None,
        size: int | None = None,
        download: bool = False,
        width: int = 256,
        dropout: float = 0.5,
    ):
        """net: classifier of torchvision, timm/NAME, or efficientnet_lite0, as for `Backbone`.

        file: its weights; null: the published ones. size: pixels of a side that images are brought to; null: the network's own. download:
        fetch the published weights where they are not there. width: units of h. dropout: of the features. Raises InputError for images of
        other channels, an unknown net, or no units.
        """
        super().__init__()
        if channels_of("PretrainedNet", image_shape, smallest=8) not in (1, 3) or width < 1:
            raise InputError(f"PretrainedNet takes images of 1 or 3 channels, not {image_shape[0]}, and a width of 1 or more, not {width}")
        with torch.random.fork_rng(devices=[]):
            self.network = network(net)
        self.name, self.file, self.download, self.size = net, file, download, size or self.network.size
        self.body = self.network.body.to(memory_format=torch.channels_last).eval()
        self.hidden = nn.Sequential(Dropout(dropout), nn.Linear(self.network.dim(net, self.size), width), nn.ReLU())
        self.out = nn.Linear(width, num_classes)

    def train(self, mode: bool = True) -> "PretrainedNet":
        """The head trains or evaluates; batch norms and dropout of the body evaluate."""
        super().train(mode)
        self.body.eval()
        return self

    def fit(self, pool: Pool) -> None:
        """Read the weights of the body. Raises InputError without them, or where images are not in 0..1."""
        x = pool.images(pool.unlabeled[:2])
        if not torch.allclose(pool.normalize(x).float(), pool.pixels.levels(x) / 255):
            raise InputError("PretrainedNet takes images in 0..1; choose the normalization UnitRange")
        self.network.load(self.name, self.file, self.download, "method.net")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, C, H, W] -> h [B, width], logits [B, K]."""
        h = at_least_float32(self.hidden(self.body(self.network.seen(x, self.size)).flatten(1)))
        return h, at_least_float32(self.out(h))


def thirteen_layers(channels: int, widths: Widths, unit: Callable[[int, int, int, int], list[nn.Module]]) -> list[nn.Module]:
    """Three 3 x 3 of a, halve, three of b, halve, 3 x 3 of c without padding, 1 x 1 of b and of a.

    widths: (a, b, c), else InputError where one is below 1; unit(inputs, outputs, kernel, padding): makes one of them.
    """
    a, b, c = widths
    if min(widths) < 1:
        raise InputError(f"widths is {list(widths)}; give three numbers of channels, each 1 or more")
    first = [layer for inputs in (channels, a, a) for layer in unit(inputs, a, 3, 1)]
    second = [layer for inputs in (a, b, b) for layer in unit(inputs, b, 3, 1)]
    return [*first, *halve(), *second, *halve(), *unit(b, c, 3, 0), *unit(c, b, 1, 0), *unit(b, a, 1, 0)]


def mean_only(inputs: int, outputs: int, kernel: int, padding: int) -> list[nn.Module]:
    """A convolution with weight norm and mean-only batch norm, and LeakyReLU."""
    return [MeanOnlyConv(inputs, outputs, kernel, padding), nn.LeakyReLU(SLOPE, inplace=True)]


def batch_norm(inputs: int, outputs: int, kernel: int, padding: int) -> list[nn.Module]:
    """A convolution without bias, batch norm whose statistics decay by 0.99 a pass, and LeakyReLU."""
    conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=False)
    return [conv, BatchNorm(outputs, eps=1e-6, momentum=0.01), nn.LeakyReLU(SLOPE, inplace=True)]


def triple_unit(inputs: int, outputs: int, kernel: int, padding: int, slope: float = 0.0) -> list[nn.Module]:
    """Triple-GAN's convolution: no bias, N(0, 0.05^2); batch norm (epsilon 1e-4, step 0.1); LeakyReLU."""
    conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=False)
    nn.init.normal_(conv.weight, std=0.05)
    return [conv, BatchNorm(outputs, eps=1e-4, momentum=0.1), nn.LeakyReLU(slope, inplace=True) if slope else nn.ReLU(inplace=True)]


def halve() -> list[nn.Module]:
    """2 x 2 max-pooling and dropout of single elements."""
    return [nn.MaxPool2d(2), Dropout(0.5)]


def channels_of(network: str, image_shape: tuple[int, ...], smallest: int) -> int:
    """C of images [C, H, W]. Raises InputError unless both sides have `smallest` pixels."""
    if len(image_shape) != 3 or min(image_shape[1:]) < smallest:
        raise InputError(
            f"{network} needs images of channels x height x width with {smallest} or more pixels a side, but an example has shape "
            f"{list(image_shape)}; give larger images, or another network"
        )
    return image_shape[0]
