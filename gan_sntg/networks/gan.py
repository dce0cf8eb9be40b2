"""Discriminators and generators: the Improved GAN's, dense and convolutional, and CatGAN's D."""

from abc import ABC, abstractmethod
from functools import partial
from itertools import pairwise
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_sntg.configurable import Configurable
from gan_sntg.errors import InputError
from gan_sntg.networks.batch_norm import BatchNorm, BatchNormBias, channels_last
from gan_sntg.networks.classifiers import SLOPE, Classifier, ConvClassifier, channels_of
from gan_sntg.networks.noise import Drop, GaussianNoise
from gan_sntg.networks.passes import at_least_float32
from gan_sntg.networks.weight_norm import WeightNormConv, WeightNormConvTranspose, WeightNormLinear

# By the side of an image: halvings in D, to maps of 6 to 8 pixels; pixels of G's smallest maps; and doublings in G. 32 is the source's.
DEPTHS = {28: (2, 7, 2), 32: (2, 4, 3), 48: (3, 6, 3), 64: (3, 4, 4), 96: (4, 6, 4), 128: (4, 4, 5)}
MOST_CHANNELS = 256  # of an image: more than the bands of hyperspectral cameras


class Discriminator(Classifier):
    """A classifier of images whose fake class has no logit of its own."""


class Generator(Configurable, nn.Module, ABC):
    """z [B, latent], uniform in [0, 1] -> images [B, C, H, W] in the range that D sees."""

    latent: int
    symmetric = False  # whether its images are in -1..1, not in 0..1
    of_images = True  # else it draws features [B, D] in the range that D sees

    @abstractmethod
    def forward(self, z: Tensor) -> Tensor:
        """The images."""

    def draw_z(self, n: int, draws: torch.Generator) -> Tensor:
        """z [n, latent] of the parameters' dtype, on the device of the draws."""
        return torch.rand(n, self.latent, generator=draws, device=draws.device, dtype=next(self.parameters()).dtype)


def check_widths(widths: tuple[int, ...]) -> None:
    """Raise InputError unless there is a hidden layer and each has a unit."""
    if not widths or min(widths) < 1:
        raise InputError(f"widths is {list(widths)}; give the size of at least one hidden layer, each 1 or more")


class Rectified(torch.autograd.Function):
    """ReLU whose derivative is the sign of its output, not a mask, which compiled programs write slowly."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        """max(0, x)."""
        return x.clamp(min=0)

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:
        """Keep the output."""
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The gradient where x > 0, else 0."""
        return grad * ctx.saved_tensors[0].sign()


def relu(x: Tensor) -> Tensor:
    """max(0, x), with gradient where x > 0."""
    return Rectified.apply(x) if torch.compiler.is_compiling() else F.relu(x)  # pyright: ignore[reportReturnType]


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
        """widths: units of hidden layers; input_noise, hidden_noise: standard deviation of Gaussian noise.

        train_scale: train the g of hidden weight norms (source: no).
        """
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
            h = relu(layer(noise(h)))
        h = at_least_float32(h)
        return h, at_least_float32(self.out(self.noise[-1](h)))


class DenseGenerator(Generator):
    """Dense layers, bias-only batch norm, softplus; weight norm and sigmoid at the end (reference 5)."""

    def __init__(self, image_shape: tuple[int, ...], latent: int = 100, widths: tuple[int, ...] = (500, 500)):
        """latent: size of z; widths: units of hidden layers."""
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


class FeatureGenerator(DenseGenerator):
    """Dense layers that draw features of a `Backbone`, or points, in place of images.

    `DenseGenerator` without its sigmoid. Not in the paper.
    """

    of_images = False

    def __init__(self, image_shape: tuple[int, ...], latent: int = 100, widths: tuple[int, ...] = (500, 500)):
        """image_shape: (D,), else InputError; latent: size of z; widths: units of hidden layers."""
        if len(image_shape) != 1:
            seen = list(image_shape)
            raise InputError(f"FeatureGenerator draws features, but networks see images {seen}; add a Backbone, or choose ConvGenerator")
        super().__init__(image_shape, latent, widths)

    def forward(self, z: Tensor) -> Tensor:
        """z [B, latent] -> features [B, D], any real numbers."""
        return at_least_float32(self.out(self.hidden(z)))


def depth_for(image_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """The depth for images [C, H, W]. Raises InputError unless square and in DEPTHS."""
    if len(image_shape) != 3:
        raise InputError(f"the convolutional networks classify images, but an example is {list(image_shape)}; use a dense network")
    channels, height, width = image_shape
    if not 1 <= channels <= MOST_CHANNELS or height != width or height not in DEPTHS:
        raise InputError(
            f"the convolutional networks have no form for images of {channels} x {height} x {width}; give square images of "
            f"{', '.join(map(str, DEPTHS))} pixels with 1 to {MOST_CHANNELS} channels, or use DenseDiscriminator and DenseGenerator"
        )
    return DEPTHS[height]


class ConvDiscriminator(ConvClassifier, Discriminator):
    """Weight-norm convolutions, LeakyReLU 0.2 and dropout; h is the average pool (reference 5).

    Input dropout 0.2; blocks of two 3 x 3 convolutions, one of stride 2 and dropout 0.5, as many as halvings in DEPTHS; then
    3 x 3 without padding and two of 1 x 1. Defaults are the CIFAR-10 network: 32 -> 16 -> 8 -> 6; the SVHN network: (64, 128).
    """

    def __init__(
        self,
        image_shape: tuple[int, ...],
        num_classes: int,
        widths: tuple[int, int] = (96, 192),
        train_scale: bool = False,
        input_noise: float = 0.0,
        input_dropout: float = 0.2,
        input_drop: Drop = Drop.elements,
        hidden_drop: Drop = Drop.elements,
    ):
        """widths: channels of the first block, and of the rest and h.

        train_scale: train the g of hidden weight norms (source: no); input_noise: standard deviation, before the dropout; input_dropout:
        probability at the input; input_drop, hidden_drop: what dropout zeroes (Dai et al. 2017: noise and channels).
        """
        (first, rest), (halvings, _, _) = widths, depth_for(image_shape)
        channels = [image_shape[0], first, *[rest] * (halvings - 1)]
        conv = partial(WeightNormConv, train_scale=train_scale)
        layers: list[nn.Module] = [GaussianNoise(input_noise)] if input_noise else []  # names of weights count layers
        layers.append(input_drop(input_dropout))
        for a, b in pairwise(channels):
            for layer in (conv(a, b, 3, padding=1), conv(b, b, 3, padding=1), conv(b, b, 3, stride=2, padding=1)):
                layers += [layer, nn.LeakyReLU(0.2)]
            layers.append(hidden_drop(0.5))
        for kernel in (3, 1, 1):
            layers += [conv(rest, rest, kernel), nn.LeakyReLU(0.2)]
        super().__init__(layers, WeightNormLinear(rest, num_classes, train_scale=True, init_std=0.1, v_std=0.05))


def check_halving(width: int, layers: int) -> None:
    """Raise InputError unless a width can be halved from layer to layer."""
    if width % 2 ** (layers - 1) or width < 1:
        raise InputError(f"width is {width}, which cannot be halved {layers - 1} times; give a multiple of {2 ** (layers - 1)}")


class Maps(nn.Unflatten):
    """Vectors [B, C size^2] as maps [B, C, size, size], stored channels last, which is faster."""

    layout = staticmethod(channels_last)

    def forward(self, input: Tensor) -> Tensor:
        """The same numbers in another order of storage."""
        return self.layout(super().forward(input))


class ConvGenerator(Generator):
    """A dense layer, then transposed 5 x 5 convolutions that double the maps; tanh (reference 5).

    The last layer has weight norm with a trained g and starts from data; the other weights are N(0, 0.05^2).
    Defaults are the network of CIFAR-10 and SVHN: 4 x 4 x 512, 8 x 8 x 256, 16 x 16 x 128, 32 x 32.
    """

    symmetric = True

    def __init__(self, image_shape: tuple[int, ...], latent: int = 100, width: int = 512):
        """latent: size of z; width: channels of the smallest maps, halved at each doubling of the maps."""
        super().__init__()
        self.latent = latent
        _, start, doublings = depth_for(image_shape)
        check_halving(width, doublings)
        units = width * start**2
        dense = nn.Linear(latent, units, bias=False)
        layers = [dense, BatchNormBias(units), nn.ReLU(), Maps(1, (width, start, start))]
        for a, b in pairwise(width // 2**k for k in range(doublings)):
            double = nn.ConvTranspose2d(a, b, 5, stride=2, padding=2, output_padding=1, bias=False)
            layers += [double, BatchNormBias(b), nn.ReLU()]
        self.hidden = nn.Sequential(*layers)
        for layer in self.hidden:
            if isinstance(layer, nn.Linear | nn.ConvTranspose2d):
                nn.init.normal_(layer.weight, std=0.05)
        self.out = WeightNormConvTranspose(width // 2 ** (doublings - 1), image_shape[0], 5, train_scale=True, init_std=0.1)

    def forward(self, z: Tensor) -> Tensor:
        """z [B, latent] -> images [B, C, H, W] in [-1, 1]."""
        return torch.tanh(at_least_float32(self.out(self.hidden(z))))


def noisy_normed(layer: nn.Linear | nn.Conv2d, units: int, noise: float) -> list[nn.Module]:
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
            layers += noisy_normed(nn.Linear(a, b, bias=False), b, noise)
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
                layers += noisy_normed(nn.Conv2d(a, units, 3, padding=1, bias=False), units, noise)
            layers.append(nn.MaxPool2d(2))
        for kernel in (3, 1):
            layers += noisy_normed(nn.Conv2d(rest, rest, kernel, bias=False), rest, noise)
        super().__init__(layers, nn.Linear(rest, num_classes))
