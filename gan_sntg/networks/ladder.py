"""Ladder networks: encoder with clean and corrupted path, and decoder (Rasmus et al., 2015)."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from math import prod
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from einops import reduce
from torch import Tensor, nn

from gan_sntg.networks.batch_norm import BatchNorm, channels_last, moments, normalized, other_dims, per_channel
from gan_sntg.networks.classifiers import SLOPE, Classifier, channels_of
from gan_sntg.networks.gan import check_widths
from gan_sntg.networks.noise import GaussianNoise
from gan_sntg.networks.passes import at_least_float32, mode

EPS = 1e-10  # of every variance, as in the authors' code
Decoded = Literal["full", "top"]  # the layers that are reconstructed; "top": the Gamma model, which has no V


class Activations(NamedTuple):
    """A layer in one path: z [B, C, ...], with noise where corrupted; mean, var [C] before the norm; h.

    Of the input z and h are x, mean and var None; the h of the top layer are the logits.
    """

    z: Tensor
    mean: Tensor | None
    var: Tensor | None
    h: Tensor


class Standardization(BatchNorm):
    """(x - mean) / sqrt(var + 1e-10) of each channel; no scale or shift, and what it subtracts is told."""

    def __init__(self, features: int):
        super().__init__(features, eps=EPS, momentum=0.01, affine=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x [B, C, ...] -> z, mean, var: the batch's in training, with gradients, else the stored ones."""
        x = at_least_float32(x)
        mean, var = moments(x) if self.training else (self.running_mean, self.running_var)
        assert mean is not None and var is not None  # for the type checker
        if self.training and self.track_running_stats:
            self.store(mean.detach(), var.detach() * (len(x) / max(len(x) - 1, 1)), self.momentum or 0.0)
        return normalized(x, mean, var, self.eps), mean, var

    @torch.no_grad()
    def store(self, mean: Tensor, var: Tensor, weight: float = 1.0) -> None:
        """Move the stored statistics [C] by `weight` of the way to these."""
        assert self.running_mean is not None and self.running_var is not None
        self.running_mean.lerp_(mean, weight)
        self.running_var.lerp_(var, weight)


class EncoderLayer(nn.Module):
    """h_l = act(gamma (z_l + beta)), z_l = BN(transform(h_(l-1))), plus noise in the corrupted path."""

    def __init__(
        self,
        transform: nn.Module,
        features: int,
        noise: float,
        activation: Callable[[Tensor], Tensor] | None = None,
        bias: bool = True,
        scale: bool = False,
    ):
        """features: C; activation: None is linear; bias, scale: whether there are beta and gamma."""
        super().__init__()
        self.transform, self.norm, self.noise, self.activation = transform, Standardization(features), GaussianNoise(noise), activation
        self.bias = nn.Parameter(torch.zeros(features)) if bias else None
        self.scale = nn.Parameter(torch.ones(features)) if scale else None

    def forward(self, h: Tensor, noisy: bool) -> Activations:
        """noisy: whether noise is added, which evaluation never does."""
        z, mean, var = self.norm(self.transform(h))
        z = self.noise(z) if noisy else z
        a = z if self.bias is None else z + per_channel(self.bias, z)
        a = a if self.scale is None else a * per_channel(self.scale, a)
        return Activations(z, mean, var, self.activation(a) if self.activation else a)

    @torch.no_grad()
    def fit_statistics(self, h: Tensor) -> None:
        """Store mean and variance n / (n - 1) of n examples; n counts images where these are maps, too."""
        x = at_least_float32(self.transform(h))
        var, mean = torch.var_mean(x, other_dims(x), correction=0)
        self.norm.store(mean, var * (len(x) / max(len(x) - 1, 1)))


class Combinator(nn.Module):
    """z^ = (z~ - mu) v + mu, with mu(u), v(u) = a1 sigmoid(a2 u + a3) + a4 u + a5 and likewise a6 to a10.

    All a are of each unit or map; a2 = a7 = 1 and the others 0 at the start, where z^ is 0.
    """

    def __init__(self, features: int):
        super().__init__()
        self.a = nn.Parameter(torch.zeros(10, features))
        self.a.data[[1, 6]] = 1.0

    def forward(self, u: Tensor, z: Tensor) -> Tensor:
        """u: from above; z: z~ of the corrupted path; both [B, C, ...], as is z^."""
        a = [per_channel(own, z) for own in self.a]
        mu, v = (self.modulation(u, *own) for own in (a[:5], a[5:]))
        return (z - mu) * v + mu

    @staticmethod
    def modulation(u: Tensor, height: Tensor, slope: Tensor, shift: Tensor, linear: Tensor, constant: Tensor) -> Tensor:
        """height sigmoid(slope u + shift) + linear u + constant."""
        bent = torch.sigmoid(torch.addcmul(shift, slope, u))
        return torch.addcmul(torch.addcmul(constant, linear, u), height, bent)


class DecoderLayer(nn.Module):
    """z^_l from z^_(l+1) and z~_l: u = BN(V z^_(l+1)) in the combinator; at the top u = BN(softmax)."""

    def __init__(self, features: int, above: int | None = None):
        """above: units of the layer above, for V; None at the top, which has none."""
        super().__init__()
        self.transform = nn.Identity() if above is None else dense(above, features)
        self.combine = Combinator(features)

    def forward(self, above: Tensor, z: Tensor) -> Tensor:
        """above: z^ of the layer above, at the top the softmax; z: z~ -> z^."""
        u = self.transform(above)
        return self.combine(normalized(u, *moments(u), EPS), z)


class LadderNetwork(Classifier):
    """Encoder and decoder. As a classifier: the corrupted path in training, the clean one in evaluation.

    Batch norm takes the statistics of one call in training, so labelled and unlabelled images are given in calls of their own, and
    those that `fit_statistics` stored, or running ones, in evaluation.
    """

    layout: Callable[[Tensor], Tensor] = staticmethod(channels_last)  # of x for the first layer

    def __init__(self, layers: Sequence[EncoderLayer], decoders: Sequence[DecoderLayer], noise: float, feature_layer: int = -2):
        """layers: from the input up; decoders: from the top down; noise: on x.

        feature_layer: place in a path of the activations whose mean over space is h.
        """
        super().__init__()
        self.noise, self.layers, self.decoders = GaussianNoise(noise), nn.ModuleList(layers), nn.ModuleList(decoders)
        self.feature_layer = feature_layer

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, C, H, W] -> h [B, D], logits [B, K]."""
        return self.outputs(self.encode(x, noisy=True))

    def outputs(self, path: list[Activations]) -> tuple[Tensor, Tensor]:
        """h [B, D] and logits [B, K] of a path."""
        h = path[self.feature_layer].h
        return h.mean(tuple(range(2, h.dim()))) if h.dim() > 2 else h, path[-1].h

    def encode(self, x: Tensor, noisy: bool) -> list[Activations]:
        """The clean or the corrupted path: the input and every layer, from below."""
        x = self.layout(x)
        x = self.noise(x) if noisy else x
        path = [Activations(x, None, None, x)]
        for layer in self.layers:
            path.append(layer(path[-1].h, noisy))
        return path

    def reconstruct(self, corrupted: list[Activations]) -> list[Tensor]:
        """z^ of the decoded layers, from below; in training mode."""
        found = [corrupted[-1].h.softmax(1)]
        for decoder, layer in zip(self.decoders, reversed(corrupted), strict=False):
            found.append(decoder(found[-1], layer.z))
        return found[:0:-1]

    @torch.no_grad()
    def fit_statistics(self, x: Tensor) -> None:
        """Store each layer's statistics over x, with those of the layers below in use.

        x [N, ...] is passed as one batch: two layers of it are in memory at once.
        """
        h = self.layout(x)
        with mode(self, training=False):
            for layer in self.layers:
                assert isinstance(layer, EncoderLayer)
                layer.fit_statistics(h)
                h = layer(h, noisy=False).h


class DenseLadder(LadderNetwork):
    """Dense layers with ReLU, as on permutation-invariant MNIST, whose widths are the default.

    `decoder` "full" reconstructs the input and every layer, "top" the logits' layer alone. W and V are N(0, 1 / inputs of a unit).
    """

    layout = staticmethod(partial(torch.flatten, start_dim=1))  # images or points

    def __init__(
        self,
        image_shape: tuple[int, ...],
        num_classes: int,
        widths: tuple[int, ...] = (1000, 500, 250, 250, 250),
        noise: float = 0.3,
        decoder: Decoded = "full",
    ):
        """widths: units of hidden layers; noise: standard deviation, of x and after every norm.

        decoder: full, of the input and all layers; top, of the logits alone.
        """
        check_widths(widths)
        sizes = (prod(image_shape), *widths, num_classes)
        hidden = [EncoderLayer(dense(a, b), b, noise, F.relu) for a, b in pairwise(sizes[:-1])]
        top = EncoderLayer(dense(widths[-1], num_classes), num_classes, noise, scale=True)
        below = [DecoderLayer(b, above=a) for a, b in pairwise(reversed(sizes))] if decoder == "full" else []
        super().__init__([*hidden, top], [DecoderLayer(num_classes), *below], noise)


def dense(inputs: int, outputs: int) -> nn.Linear:
    """A product without bias, its weights N(0, 1 / inputs)."""
    linear = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(linear.weight, std=inputs**-0.5)
    return linear


class SmallConvLadder(LadderNetwork):
    """Conv-Small of MNIST as a Gamma model: ReLU; h is the spatial mean of the 128 maps.

    5 x 5 of 32, halve, two 3 x 3 of 64, halve, 3 x 3 of 128, 1 x 1 of K, global mean, dense of K. Pooled maps are normed and disturbed
    too, without beta.
    """

    def __init__(self, image_shape: tuple[int, ...], num_classes: int, noise: float = 0.3):
        """noise: standard deviation, of x and after every norm."""
        channels = channels_of("SmallConvLadder", image_shape, smallest=12)
        unit, k = partial(conv, noise=noise, activation=F.relu), num_classes
        layers = [unit(channels, 32, 5, 4), halved(32, noise), unit(32, 64, 3, 0), unit(64, 64, 3, 2), halved(64, noise)]
        layers += [unit(64, 128, 3, 0), unit(128, k, 1, 0), EncoderLayer(GlobalMean(), k, noise, bias=False)]
        layers += [EncoderLayer(dense(k, k), k, noise, scale=True)]
        super().__init__(layers, [DecoderLayer(k)], noise, feature_layer=-4)


class LargeConvLadder(LadderNetwork):
    """Conv-Large of CIFAR-10 as a Gamma model: LeakyReLU 0.1; h is the spatial mean of the 192 maps.

    Three 3 x 3 of 96, halve, three of 192, halve, 3 x 3 and 1 x 1 of 192, 1 x 1 of K, and their global mean as the top layer, which has
    beta but no gamma.
    """

    def __init__(self, image_shape: tuple[int, ...], num_classes: int, widths: tuple[int, int] = (96, 192), noise: float = 0.3):
        """widths: of the first block and of the rest; noise: standard deviation, of x and after every norm."""
        channels = channels_of("LargeConvLadder", image_shape, smallest=16)
        check_widths(widths)
        (a, b), k = widths, num_classes
        unit = partial(conv, noise=noise, activation=partial(F.leaky_relu, negative_slope=SLOPE))
        layers = [unit(channels, a, 3, 0), unit(a, a, 3, 2), unit(a, a, 3, 2), halved(a, noise)]
        layers += [unit(a, b, 3, 0), unit(b, b, 3, 2), unit(b, b, 3, 0), halved(b, noise), unit(b, b, 3, 0), unit(b, b, 1, 0)]
        layers += [unit(b, k, 1, 0), EncoderLayer(GlobalMean(), k, noise)]
        super().__init__(layers, [DecoderLayer(k)], noise, feature_layer=-3)


class GlobalMean(nn.Module):
    """The mean over space."""

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, H, W] -> [B, C]."""
        return reduce(x, "b c h w -> b c", "mean")


def conv(inputs: int, outputs: int, kernel: int, padding: int, noise: float, activation: Callable[[Tensor], Tensor]) -> EncoderLayer:
    """A convolution without bias, its weights uniform with variance 1 / inputs of a unit, as a layer."""
    transform = nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=False)
    bound = (3 / (inputs * kernel**2)) ** 0.5
    nn.init.uniform_(transform.weight, -bound, bound)
    return EncoderLayer(transform, outputs, noise, activation)


def halved(features: int, noise: float) -> EncoderLayer:
    """2 x 2 max-pooling, odd sides rounded up, as a linear layer without beta."""
    return EncoderLayer(nn.MaxPool2d(2, ceil_mode=True), features, noise, bias=False)
