"""Encoders of images as z, Bad GAN's and ALI's; ALI's discriminators of pairs and classifier."""

from abc import ABC, abstractmethod
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from gan_sntg.configurable import Configurable
from gan_sntg.errors import InputError
from gan_sntg.networks.batch_norm import BatchNorm, channels_last
from gan_sntg.networks.classifiers import SLOPE
from gan_sntg.networks.gan import DenseDiscriminator, Discriminator, check_halving, check_widths, depth_for
from gan_sntg.networks.noise import Dropout, GaussianNoise
from gan_sntg.networks.passes import at_least_float32
from gan_sntg.networks.weight_norm import WeightNormConv, WeightNormLinear

Pair = tuple[Tensor, Tensor]  # x [B, C, H, W], z [B, latent]
MOST_LOG_STD = 8.0  # of E's normal z, either way, so that its exponential is finite in any precision
CHAIN = ((5, 1), (4, 2), (4, 1), (4, 2), (4, 1))  # kernel and stride of convolutions without padding: 32 -> 28 -> 13 -> 10 -> 4 -> 1


class Encoder(Configurable, nn.Module, ABC):
    """Images [B, C, H, W] -> mean and log standard deviation of their z, [B, latent] each.

    That of Dai et al. 2017. Hidden layers end in batch norm and ReLU; it passes over batches in training alone, so that its batch norm
    keeps no statistics.
    """

    latent: int
    hidden: nn.Module
    out: WeightNormLinear

    def __init__(self, latent: int, least_log_std: float | None):
        """latent: size of G's z; least_log_std: lower bound of log std (source: none). Raises InputError."""
        super().__init__()
        if latent < 1:
            raise InputError(f"latent of the encoder is {latent}; give the size of the generator's z")
        self.latent, self.least_log_std = latent, least_log_std

    def outwards(self, units: int) -> WeightNormLinear:
        """The last layer, which starts from data with deviation 0.1."""
        return WeightNormLinear(units, 2 * self.latent, train_scale=True, init_std=0.1, v_std=0.05)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """mean, log std; both float32 at the least."""
        mean, log_std = at_least_float32(self.out(self.hidden(x).flatten(1))).chunk(2, 1)
        return mean, log_std if self.least_log_std is None else log_std.clamp(min=self.least_log_std)


class DenseEncoder(Encoder):
    """Dense layers without bias; no source has one."""

    def __init__(
        self, image_shape: tuple[int, ...], latent: int = 100, widths: tuple[int, ...] = (128,), least_log_std: float | None = None
    ):
        """latent: size of G's z; widths: units of hidden layers.

        least_log_std: lower bound of log std; null: none.
        """
        super().__init__(latent, least_log_std)
        check_widths(widths)
        layers: list[nn.Module] = [nn.Flatten()]
        for a, b in pairwise((prod(image_shape), *widths)):
            layers += [nn.Linear(a, b, bias=False), BatchNorm(b, track_running_stats=False), nn.ReLU()]
        self.hidden, self.out = nn.Sequential(*layers), self.outwards(widths[-1])


class ConvEncoder(Encoder):
    """5 x 5 convolutions of stride 2 without bias, the mirror of `ConvGenerator`; weights N(0, 0.05^2).

    Defaults are the CIFAR-10 network: 32 x 32, 16 x 16 x 128, 8 x 8 x 256, 4 x 4 x 512.
    """

    layout = staticmethod(channels_last)

    def __init__(self, image_shape: tuple[int, ...], latent: int = 100, width: int = 512, least_log_std: float | None = None):
        """latent: size of G's z; width: channels of the smallest maps.

        least_log_std: lower bound of log std; null: none.
        """
        super().__init__(latent, least_log_std)
        _, start, halvings = depth_for(image_shape)
        check_halving(width, halvings)
        layers: list[nn.Module] = []
        for a, b in pairwise([image_shape[0], *(width // 2**k for k in reversed(range(halvings)))]):
            conv = nn.Conv2d(a, b, 5, stride=2, padding=2, bias=False)
            nn.init.normal_(conv.weight, std=0.05)
            layers += [conv, BatchNorm(b, track_running_stats=False), nn.ReLU()]
        self.hidden, self.out = nn.Sequential(*layers), self.outwards(width * start**2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, C, H, W], stored channels last inside -> mean, log std."""
        return super().forward(self.layout(x))


class InferenceEncoder(Configurable, nn.Module, ABC):
    """E: images -> their z in 0..1, Phi(mean + std N(0, 1)) in training, Phi(mean) in evaluation.

    Phi, the standard normal distribution function, takes the source's normal z, one to one, to the uniform z that generators here are
    given. Since E is a part of the classifier, its batch norm keeps running statistics.
    """

    def __init__(self, latent: int, hidden: list[nn.Module], units: int):
        """latent: size of z; hidden: layers from images to [B, units]; units: of the last hidden layer.

        Raises InputError for a latent below 1.
        """
        super().__init__()
        if latent < 1:
            raise InputError(f"latent of the encoder is {latent}; give the size of the generator's z")
        self.latent, self.hidden, self.noise = latent, nn.Sequential(*hidden), GaussianNoise(1.0)
        self.out = WeightNormLinear(units, 2 * latent, train_scale=True, init_std=0.1, v_std=0.05)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log std of the normal z of images, [B, latent] each, float32 at the least."""
        mean, log_std = at_least_float32(self.out(self.hidden(x))).chunk(2, 1)
        return mean, log_std.clamp(-MOST_LOG_STD, MOST_LOG_STD)

    def forward(self, x: Tensor) -> Tensor:
        """z of images x [B, C, H, W]."""
        mean, log_std = self.posterior(x)
        return torch.special.ndtr(mean + log_std.exp() * self.noise(torch.zeros_like(mean)))


def normed(layer: nn.Linear | nn.Conv2d, units: int) -> list[nn.Module]:
    """A layer without bias, its weights N(0, 0.05^2), batch norm and LeakyReLU 0.1."""
    nn.init.normal_(layer.weight, std=0.05)
    return [layer, BatchNorm(units), nn.LeakyReLU(SLOPE)]


class DenseInferenceEncoder(InferenceEncoder):
    """Dense layers with batch norm; no source has one."""

    def __init__(self, image_shape: tuple[int, ...], latent: int = 100, widths: tuple[int, ...] = (128, 128)):
        """latent: size of z; widths: units of hidden layers."""
        check_widths(widths)
        pairs = pairwise((prod(image_shape), *widths))
        super().__init__(latent, [nn.Flatten(), *(m for a, b in pairs for m in normed(nn.Linear(a, b, bias=False), b))], widths[-1])


def chain_of(image_shape: tuple[int, ...], width: int) -> list[tuple[int, int, int, int]]:
    """(inputs, units, kernel, stride) of each layer of `CHAIN`, the last of `width` units.

    Raises InputError for images of other than 32 x 32 pixels.
    """
    if len(image_shape) != 3 or tuple(image_shape[1:]) != (32, 32):
        raise InputError(
            f"ALI's convolutional networks take images of 32 x 32 pixels, but an example has shape {list(image_shape)}; "
            "use DenseInferenceEncoder and DenseJointDiscriminator"
        )
    check_halving(width, len(CHAIN))
    channels = [image_shape[0], *(width // 2**k for k in reversed(range(len(CHAIN))))]
    return [(a, b, *layer) for (a, b), layer in zip(pairwise(channels), CHAIN, strict=True)]


class ConvInferenceEncoder(InferenceEncoder):
    """The source's CIFAR-10 encoder: `CHAIN` of 32 to 512 maps and a 1 x 1, with batch norm."""

    layout = staticmethod(channels_last)

    def __init__(self, image_shape: tuple[int, ...], latent: int = 64, width: int = 512):
        """latent: size of z; width: channels of the last maps, halved at each layer before."""
        layers = [m for a, b, *how in chain_of(image_shape, width) for m in normed(nn.Conv2d(a, b, *how, bias=False), b)]
        super().__init__(latent, [*layers, nn.Flatten(), *normed(nn.Linear(width, width, bias=False), width)], width)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, C, H, W], stored channels last inside -> mean, log std."""
        return super().posterior(self.layout(x))


class JointDiscriminator(Configurable, nn.Module, ABC):
    """(x [B, C, H, W], z [B, latent]) -> h [B, D], logits [B, K]; the fake class has none.

    A pass holds pairs of real and of generated images, so it must not have batch norm.
    """

    latent: int

    @abstractmethod
    def forward(self, pair: Pair) -> tuple[Tensor, Tensor]:
        """h, logits; both float32 at the least."""


def standardized(z: Tensor) -> Tensor:
    """Uniform numbers in 0..1 as numbers of mean 0 and deviation 1."""
    return (z - 0.5) * 12**0.5


class DenseJointDiscriminator(JointDiscriminator):
    """`DenseDiscriminator` of the pixels with noise and z without, standardised, side by side.

    With noise, which hides uniform numbers, D hardly heeds z.
    """

    def __init__(
        self,
        image_shape: tuple[int, ...],
        num_classes: int,
        latent: int = 100,
        widths: tuple[int, ...] = (1000, 500, 250, 250, 250),
        input_noise: float = 0.3,
        hidden_noise: float = 0.5,
    ):
        """latent: size of z; widths: units of hidden layers.

        input_noise, hidden_noise: standard deviation of Gaussian noise.
        """
        super().__init__()
        self.latent = latent
        self.noise = GaussianNoise(input_noise)
        self.joint = DenseDiscriminator((prod(image_shape) + latent,), num_classes, widths, 0.0, hidden_noise)

    def forward(self, pair: Pair) -> tuple[Tensor, Tensor]:
        """h [B, widths[-1]], logits [B, K]."""
        x, z = pair
        return self.joint(torch.cat([self.noise(x.flatten(1)), standardized(z)], 1))


class Maxout(nn.Module):
    """The greater of channels c and C + c: [B, 2 C, ...] -> [B, C, ...]."""

    def forward(self, x: Tensor) -> Tensor:
        """Gradient into the greater one."""
        return torch.maximum(*x.chunk(2, 1))


def maxout_layers(sizes: list[int], dropouts: list[float]) -> list[nn.Module]:
    """Dense layers of these sizes with maxout, each after dropout of its own."""
    parts = zip(pairwise(sizes), dropouts, strict=True)
    return [m for (a, b), p in parts for m in (Dropout(p), WeightNormLinear(a, 2 * b), Maxout())]


class ConvJointDiscriminator(JointDiscriminator):
    """The source's CIFAR-10 discriminator: `CHAIN` of x, layers of z and of both; maxout, dropout.

    h is the last hidden layer. Unlike the source it has weight norm that starts from data, as the Improved GAN's D.
    """

    layout = staticmethod(channels_last)

    def __init__(self, image_shape: tuple[int, ...], num_classes: int, latent: int = 64, width: int = 512):
        """latent: size of z.

        width: channels of x's last maps and of z's layers; the joint layers have twice as many.
        """
        super().__init__()
        self.latent, layers = latent, []
        for k, (a, b, kernel, stride) in enumerate(chain_of(image_shape, width)):
            layers += [Dropout(0.5 if k else 0.2), WeightNormConv(a, 2 * b, kernel, stride), Maxout()]
        self.of_x = nn.Sequential(*layers, nn.Flatten())
        self.of_z = nn.Sequential(*maxout_layers([latent, width, width], [0.2, 0.5]))
        self.joint = nn.Sequential(*maxout_layers([2 * width] * 3, [0.5, 0.5]))
        self.out = nn.Sequential(Dropout(0.5), WeightNormLinear(2 * width, num_classes, train_scale=True, init_std=0.1, v_std=0.05))

    def forward(self, pair: Pair) -> tuple[Tensor, Tensor]:
        """x [B, C, 32, 32], stored channels last inside, z [B, latent] -> h [B, 2 width], logits [B, K]."""
        x, z = pair
        h = at_least_float32(self.joint(torch.cat([self.of_x(self.layout(x)), self.of_z(standardized(z))], 1)))
        return h, at_least_float32(self.out(h))


class InferringClassifier(Discriminator):
    """The classifier x -> D(x, E(x)), which consists of both networks."""

    def __init__(self, pairs: JointDiscriminator, encoder: InferenceEncoder):
        """pairs: D; encoder: E. Raises InputError where their z differ in size."""
        super().__init__()
        if pairs.latent != encoder.latent:
            raise InputError(f"the discriminator's latent is {pairs.latent}, the encoder's {encoder.latent}; give them the same")
        self.pairs, self.encoder = pairs, encoder

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, C, H, W] -> h [B, D], logits [B, K]; gradient into both networks."""
        return self.pairs((x, self.encoder(x)))
