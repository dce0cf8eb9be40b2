"""Triple-GAN's generators of images of a class and discriminators of pairs, dense and convolutional."""

from abc import ABC, abstractmethod
from itertools import pairwise
from math import prod

import torch
from einops import reduce
from torch import Tensor, nn

from gan_sntg.configurable import Configurable
from gan_sntg.errors import InputError
from gan_sntg.networks.batch_norm import BatchNormBias, channels_last
from gan_sntg.networks.classifiers import channels_of
from gan_sntg.networks.gan import Generator, Maps, check_halving, check_widths, depth_for
from gan_sntg.networks.noise import Dropout, GaussianNoise
from gan_sntg.networks.passes import at_least_float32
from gan_sntg.networks.weight_norm import WeightNormConv, WeightNormConvTranspose, WeightNormLinear


def one_hot(y: Tensor, num_classes: int, like: Tensor) -> Tensor:
    """y [B] as [B, K] of the dtype of `like`."""
    return torch.eye(num_classes, device=y.device, dtype=like.dtype)[y]


def with_label(x: Tensor, label: Tensor) -> Tensor:
    """x [B, C, ...] and, as K further channels, the label [B, K], the same at every place."""
    places = x.shape[2:]
    return torch.cat([x, label.view(*label.shape, *[1] * len(places)).expand(-1, -1, *places)], 1)


class Labeled(nn.ModuleList):
    """Blocks in turn, each of which is given the label beside what the one before it made."""

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """x [B, C, ...], label [B, K] -> the last block's."""
        for block in self:
            x = block(with_label(x, label))
        return x


class ConditionalGenerator(Generator):
    """z -> images of a class, which z's last number says: floor(K z); z at random are of any class.

    Whoever draws z uniformly draws classes uniformly too; `of_classes` chooses them. The label is given to every layer.
    """

    hidden: Labeled
    out: nn.Module

    def __init__(self, latent: int, num_classes: int):
        """latent: of z without the number for the class. Raises InputError."""
        super().__init__()
        if latent < 1:
            raise InputError(f"latent of the generator is {latent}; give the size of z, 1 or more")
        self.latent, self.num_classes = latent + 1, num_classes

    def classes(self, z: Tensor) -> Tensor:
        """The class int64 [B] that each z [B, latent] says."""
        return (z[:, -1] * self.num_classes).long().clamp(0, self.num_classes - 1)

    def of_classes(self, z: Tensor, y: Tensor) -> Tensor:
        """z [B, latent] that says the classes y [B] instead of its own."""
        return torch.cat([z[:, :-1], ((y + 0.5) / self.num_classes).to(z.dtype).unsqueeze(1)], 1)

    def logits(self, z: Tensor) -> Tensor:
        """What the last layer makes, before its nonlinearity."""
        label = one_hot(self.classes(z), self.num_classes, z)
        return at_least_float32(self.out(with_label(self.hidden(z[:, :-1], label), label)))


class DenseConditionalGenerator(ConditionalGenerator):
    """`DenseGenerator` with the label at every layer; its last weight norm starts from N(0, 0.05^2)."""

    def __init__(self, image_shape: tuple[int, ...], num_classes: int, latent: int = 100, widths: tuple[int, ...] = (500, 500)):
        """latent: size of z without the number for the class; widths: units of hidden layers."""
        super().__init__(latent, num_classes)
        check_widths(widths)
        self.image_shape, blocks = tuple(image_shape), []
        for a, b in pairwise((latent, *widths)):
            linear = nn.Linear(a + num_classes, b, bias=False)
            nn.init.xavier_uniform_(linear.weight)
            blocks.append(nn.Sequential(linear, BatchNormBias(b), nn.Softplus()))
        self.hidden = Labeled(blocks)
        self.out = WeightNormLinear(widths[-1] + num_classes, prod(image_shape), v_std=0.05, train_scale=True, init_std=None)

    def forward(self, z: Tensor) -> Tensor:
        """z [B, latent] -> images [B, C, H, W] in [0, 1]."""
        return torch.sigmoid(self.logits(z)).unflatten(1, self.image_shape)


class ConvConditionalGenerator(ConditionalGenerator):
    """`ConvGenerator` with the label at every layer, as maps of it between convolutions."""

    symmetric = True

    def __init__(self, image_shape: tuple[int, ...], num_classes: int, latent: int = 100, width: int = 512):
        """latent: size of z without the number for the class.

        width: channels of the smallest maps, halved at each doubling of the maps.
        """
        super().__init__(latent, num_classes)
        _, start, doublings = depth_for(image_shape)
        check_halving(width, doublings)
        units = width * start**2
        dense = nn.Linear(latent + num_classes, units, bias=False)
        nn.init.normal_(dense.weight, std=0.05)
        blocks = [nn.Sequential(dense, BatchNormBias(units), nn.ReLU(), Maps(1, (width, start, start)))]
        for a, b in pairwise(width // 2**k for k in range(doublings)):
            double = nn.ConvTranspose2d(a + num_classes, b, 5, stride=2, padding=2, output_padding=1, bias=False)
            nn.init.normal_(double.weight, std=0.05)
            blocks.append(nn.Sequential(double, BatchNormBias(b), nn.ReLU()))
        self.hidden, last = Labeled(blocks), width // 2 ** (doublings - 1)
        self.out = WeightNormConvTranspose(last + num_classes, image_shape[0], 5, train_scale=True, init_std=None)

    def forward(self, z: Tensor) -> Tensor:
        """z [B, latent] -> images [B, C, H, W] in [-1, 1]."""
        return torch.tanh(self.logits(z))


class PairDiscriminator(Configurable, nn.Module, ABC):
    """D of pairs: images [B, C, H, W] and their classes [B] -> the logit of its being a true pair [B].

    The label is given to every layer. No batch norm, so that all kinds of pairs may pass at once. Weights N(0, 0.05^2) with weight norm
    that never starts from data, its g trained in the last layer alone, as in the source.
    """

    def __init__(self, num_classes: int):
        super().__init__()
        self.num_classes = num_classes

    def forward(self, pair: tuple[Tensor, Tensor]) -> Tensor:
        """Logits [B] of images and classes, float32 at the least."""
        x, y = pair
        return at_least_float32(self.score(x, one_hot(y, self.num_classes, x))).squeeze(1)

    @abstractmethod
    def score(self, x: Tensor, label: Tensor) -> Tensor:
        """x [B, C, H, W], label [B, K] -> [B, 1]."""


class DensePairDiscriminator(PairDiscriminator):
    """Dense layers with ReLU and Gaussian noise after each, noise on image and label; MNIST's D."""

    def __init__(
        self,
        image_shape: tuple[int, ...],
        num_classes: int,
        widths: tuple[int, ...] = (1000, 500, 250, 250, 250),
        input_noise: float = 0.3,
        hidden_noise: float = 0.5,
    ):
        """widths: units of hidden layers; input_noise, hidden_noise: standard deviation of Gaussian noise."""
        super().__init__(num_classes)
        check_widths(widths)
        blocks: list[nn.Module] = [GaussianNoise(input_noise)]
        for a, b in pairwise((prod(image_shape) + num_classes, *widths)):
            linear = WeightNormLinear(a + num_classes, b, v_std=0.05, init_std=None)
            blocks.append(nn.Sequential(linear, nn.ReLU(), GaussianNoise(hidden_noise)))
        self.blocks = Labeled([*blocks, WeightNormLinear(widths[-1] + num_classes, 1, v_std=0.05, train_scale=True, init_std=None)])

    def score(self, x: Tensor, label: Tensor) -> Tensor:
        """x [B, C, H, W] or points [B, 2]."""
        return self.blocks(x.flatten(1), label)


class ConvPairDiscriminator(PairDiscriminator):
    """Dropout 0.2, twice a 3 x 3 and one of stride 2 with dropout, two unpadded 3 x 3, average pool.

    LeakyReLU 0.2. Defaults are the network of CIFAR-10 and SVHN: 32 -> 16 -> 8 -> 6 -> 4.
    """

    layout = staticmethod(channels_last)

    def __init__(self, image_shape: tuple[int, ...], num_classes: int, widths: tuple[int, int, int] = (32, 64, 128)):
        """widths: channels of the two blocks, and of the rest. Raises InputError for images under 20 pixels."""
        super().__init__(num_classes)
        channels, (a, b, c) = channels_of("ConvPairDiscriminator", image_shape, smallest=20), widths
        check_widths(widths)
        blocks: list[nn.Module] = []
        for inputs, units, stride, padding in ((channels, a, 1, 1), (a, a, 2, 1), (a, b, 1, 1), (b, b, 2, 1), (b, c, 1, 0), (c, c, 1, 0)):
            conv = WeightNormConv(inputs + num_classes, units, 3, stride=stride, padding=padding, init_std=None)
            blocks.append(nn.Sequential(conv, nn.LeakyReLU(0.2), *([Dropout(0.2)] if stride == 2 else [])))
        self.dropout, self.blocks = Dropout(0.2), Labeled(blocks)
        self.out = WeightNormLinear(c + num_classes, 1, v_std=0.05, train_scale=True, init_std=None)

    def score(self, x: Tensor, label: Tensor) -> Tensor:
        """x [B, C, H, W], stored channels last inside."""
        maps = self.blocks(self.dropout(self.layout(x)), label)
        return self.out(with_label(reduce(at_least_float32(maps), "b c h w -> b c", "mean"), label))
