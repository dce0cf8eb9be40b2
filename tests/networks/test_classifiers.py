"""The classifiers of the discriminative family: layer by layer those of the source, sized to the image, and started from data."""

import re
from math import prod

import pytest
import torch
from helpers.classifiers import EVERY, K, made, outputs
from torch import nn

from gan_sntg.errors import InputError
from gan_sntg.networks.batch_norm import BatchNorm
from gan_sntg.networks.classifiers import ConvNet13, PlaneMLP, SmallConvNet, VATConvNet
from gan_sntg.networks.noise import Dropout, GaussianNoise
from gan_sntg.networks.weight_norm import MeanOnly

SIZES = pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
LAYERS = (MeanOnly, nn.Conv2d, nn.Linear)


def thirteen(channels: int, classes: int) -> list[tuple[int, ...]]:
    """Shapes of the weights of the 13-layer net."""
    blocks = [(128, channels, 3, 3), *[(128, 128, 3, 3)] * 2, (256, 128, 3, 3), *[(256, 256, 3, 3)] * 2]
    return [*blocks, (512, 256, 3, 3), (256, 512, 1, 1), (128, 256, 1, 1), (classes, 128)]


def numbers(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


@SIZES
def test_the_13_layer_convnet_is_that_of_the_source(shape):
    net, shapes = ConvNet13(shape, 10), thirteen(shape[0], 10)
    assert [tuple(m.v.shape) for m in net.modules() if isinstance(m, MeanOnly)] == shapes
    assert numbers(net) == sum(prod(s) + 2 * s[0] for s in shapes)  # V, g and b
    maps = outputs(net, torch.rand(2, *shape), (MeanOnly, nn.MaxPool2d))
    a = shape[1]
    assert [y.shape[2] for y in maps[:-1]] == [a, a, a, a // 2, a // 2, a // 2, a // 2, a // 4, a // 4 - 2, a // 4 - 2, a // 4 - 2]
    assert [y.shape[1] for y in maps] == [128] * 4 + [256] * 4 + [512, 256, 128, 10]


@SIZES
def test_the_small_convnet_is_that_of_the_source(shape):
    net = SmallConvNet(shape, 10)
    shapes = [(32, shape[0], 5, 5), (64, 32, 3, 3), (64, 64, 3, 3), (128, 64, 3, 3), (128, 128, 1, 1), (10, 128)]
    assert [tuple(m.v.shape) for m in net.modules() if isinstance(m, MeanOnly)] == shapes
    assert numbers(net) == sum(prod(s) + 2 * s[0] for s in shapes)
    maps = outputs(net, torch.rand(2, *shape), (MeanOnly, nn.MaxPool2d))
    assert [y.shape[2] for y in maps[:-1]] == ([24, 12, 12, 12, 6, 4, 4] if shape[1] == 28 else [28, 14, 14, 14, 7, 5, 5])


@SIZES
@pytest.mark.parametrize("top_bn", [False, True])
def test_vats_convnet_is_that_of_the_source(shape, top_bn):
    net, shapes = VATConvNet(shape, 10, top_bn=top_bn), thirteen(shape[0], 10)
    weighted = [m for m in net.modules() if isinstance(m, LAYERS)]
    norms = [m for m in net.modules() if isinstance(m, BatchNorm)]
    assert [tuple(m.weight.shape) for m in weighted] == shapes
    assert [m.num_features for m in norms] == [s[0] for s in (shapes if top_bn else shapes[:-1])]
    assert {(m.eps, m.momentum, m.affine) for m in norms} == {(1e-6, 0.01, True)}
    assert numbers(net) == sum(map(prod, shapes)) + sum(2 * s[0] for s in shapes[:-1]) + (20 if top_bn else 10)
    for m in weighted[1:-1]:
        deviation = (2 / m.weight[0].numel()) ** 0.5
        torch.testing.assert_close(m.weight.detach().std(), torch.tensor(deviation), rtol=0.02, atol=0)


def test_the_mlp_for_points_has_three_hidden_layers_of_100():
    net = PlaneMLP((2,), 3)
    assert [tuple(m.v.shape) for m in net.modules() if isinstance(m, MeanOnly)] == [(100, 2), (100, 100), (100, 100), (3, 100)]
    assert numbers(net) == 200 + 10_000 + 10_000 + 300 + 2 * 303


@EVERY
def test_every_layer_but_the_last_is_followed_by_a_leaky_relu_of_a_tenth(make, shape):
    net, _ = made(make, shape)
    slopes = [m.negative_slope for m in net.modules() if isinstance(m, nn.LeakyReLU)]
    assert slopes == [0.1] * (len([m for m in net.modules() if isinstance(m, LAYERS)]) - 1)


@EVERY
def test_noise_is_that_of_the_source(make, shape):
    net, _ = made(make, shape)
    noise = [m.std for m in net.modules() if isinstance(m, GaussianNoise)]
    assert noise == ([] if isinstance(net, VATConvNet) else [0.15])
    assert [m.p for m in net.modules() if isinstance(m, Dropout)] == ([] if shape == (2,) else [0.5, 0.5])
    if noise:
        assert isinstance(next(m for m in net.modules() if not list(m.children())), GaussianNoise)  # of the input
        assert [m.std for m in make(shape, K, noise=0.3).modules() if isinstance(m, GaussianNoise)] == [0.3]


@EVERY
def test_h_is_the_pool_of_the_last_maps_and_the_logits_are_dense_on_it(make, shape):
    net, x = made(make, shape)
    last = outputs(net.eval(), x, (nn.LeakyReLU,))[-1]
    h, logits = net(x)
    torch.testing.assert_close(h, last.flatten(2).mean(2) if last.dim() == 4 else last)
    torch.testing.assert_close(logits, net.out(h))
    assert logits.shape == (12, K)


def test_other_widths_narrow_every_block():
    for net in (ConvNet13((3, 32, 32), 10, (4, 6, 8)), VATConvNet((3, 32, 32), 10, (4, 6, 8))):
        weights = [m.weight() if isinstance(m, MeanOnly) else m.weight for m in net.modules() if isinstance(m, LAYERS)]
        assert [len(w) for w in weights] == [4, 4, 4, 6, 6, 6, 8, 6, 4, 10]


@pytest.mark.parametrize(("make", "side"), [(ConvNet13, 12), (VATConvNet, 12), (SmallConvNet, 16)])
def test_images_whose_last_map_would_be_empty_are_refused(make, side):
    net = make((1, side, side + 3), K)
    assert net.eval()(torch.rand(2, 1, side, side + 3))[1].shape == (2, K)
    for shape in ((1, side - 1, 40), (1, 40, side - 1), (2,)):
        with pytest.raises(
            InputError, match=f"{make.__name__} needs images.* {side} or more pixels a side, but .* shape {re.escape(str(list(shape)))}"
        ):
            make(shape, K)


def test_the_mlp_for_points_refuses_images():
    with pytest.raises(InputError, match=r"points of 2 coordinates, but an example has shape \[1, 8, 8\]"):
        PlaneMLP((1, 8, 8), K)


@pytest.mark.parametrize("make", [ConvNet13, VATConvNet])
def test_a_layer_without_a_channel_is_refused(make):
    with pytest.raises(InputError, match=r"widths is \[4, 0, 8\]; give three numbers of channels, each 1 or more"):
        make((1, 28, 28), K, (4, 0, 8))
