"""Triple-GAN's classifiers: the layers of the source, and the whitening that CIFAR-10's holds."""

import pytest
import torch
from helpers.tiny import Squares, streams
from torch import nn

from discriminative import PiModel
from gan_sntg.data import Pool, Symmetric, SymmetricZCA, UnitRange
from gan_sntg.errors import InputError
from gan_sntg.methods import FeatureMatchingGAN
from gan_sntg.networks.batch_norm import BatchNorm
from gan_sntg.networks.classifiers import ConvNet13, DropoutConvNet13, SmallBatchNormConvNet, WhitenedConvNet13
from gan_sntg.networks.gan import DenseDiscriminator, DenseGenerator
from gan_sntg.networks.noise import Dropout
from gan_sntg.schedules import LinearTail

SMALL = {"widths": (4, 6, 8)}


def convolutions(net: nn.Module) -> list[tuple]:
    """(inputs, outputs, kernel, padding) of each."""
    return [(m.in_channels, m.out_channels, m.kernel_size[0], m.padding[0]) for m in net.modules() if isinstance(m, nn.Conv2d)]


def test_mnists_classifier_has_the_layers_of_the_source():
    net = SmallBatchNormConvNet((1, 28, 28), 10)
    assert convolutions(net) == [(1, 32, 5, 0), (32, 64, 3, 1), (64, 64, 3, 0), (64, 128, 3, 1), (128, 128, 3, 1)]
    pooled = ["MaxPool2d", "Dropout"]
    unit = ["Conv2d", "BatchNorm", "ReLU"]
    assert [type(m).__name__ for m in net.features] == [*unit, *pooled, *unit * 2, *pooled, *unit * 2]
    h, logits = net(torch.rand(2, 1, 28, 28))
    assert h.shape == (2, 128) and logits.shape == (2, 10) and net.features(torch.rand(2, 1, 28, 28)).shape[2:] == (5, 5)
    with pytest.raises(InputError, match="14 or more pixels a side"):
        SmallBatchNormConvNet((1, 8, 8), 10)


def test_svhns_classifier_has_the_layers_of_the_source():
    net = DropoutConvNet13((3, 32, 32), 10)
    assert [c[1:3] for c in convolutions(net)] == [*[(128, 3)] * 3, *[(256, 3)] * 3, (512, 3), (256, 1), (128, 1)]
    assert [m.p for m in net.modules() if isinstance(m, Dropout)] == [0.2, 0.5, 0.5]
    norms = [m for m in net.modules() if isinstance(m, BatchNorm)]
    assert len(norms) == 10 and {(m.eps, m.momentum) for m in norms} == {(1e-4, 0.1)} and net.out[0].bias is None
    assert {m.negative_slope for m in net.modules() if isinstance(m, nn.LeakyReLU)} == {0.2}
    assert all(abs(float(m.weight.detach().std()) - 0.05) < 4e-3 for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear))


def pool(normalization, n: int = 60) -> Pool:
    x = torch.randint(0, 256, (n, 1, 12, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    y = torch.arange(n) % 3
    return Pool(x, y, y, torch.arange(n // 2), normalization, "cpu")


def test_a_whitening_classifier_of_pixels_is_the_classifier_of_whitened_ones():
    own, zca = pool(Symmetric(128)), SymmetricZCA()
    zca.fit(own.x[own.unlabeled])  # of the pool alone
    torch.manual_seed(0)
    inside = WhitenedConvNet13((1, 12, 12), 3, **SMALL)
    torch.manual_seed(0)
    outside = ConvNet13((1, 12, 12), 3, **SMALL)
    inside.fit(own)
    inside.eval(), outside.eval()
    found, expected = inside(own.normalize(own.x)), outside(zca(own.x))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert set(inside.state_dict()) - set(outside.state_dict()) == {"mean", "matrix"}
    with torch.autocast("cpu", torch.bfloat16):  # the whitening stays exact
        seen = []
        inside.features[0].register_forward_pre_hook(lambda module, args: seen.append(args[0]))
        inside(own.normalize(own.x))
    assert torch.equal(seen[0], zca(own.x))


class Fitted(DenseDiscriminator):
    """A network that keeps the pools that it is given."""

    def fit(self, pool):
        vars(self).setdefault("pools", []).append(pool)


def test_each_family_gives_its_network_the_pool():
    s, d, g = streams(), Fitted((1, 4, 4), 3, (4,)), DenseGenerator((1, 4, 4), 5, (4,))
    c, own = Fitted((1, 4, 4), 3, (4,)), {"schedule": LinearTail(), "learning_rate": 0.1}
    for method, net in (FeatureMatchingGAN(discriminator=d, generator=g), d), (PiModel(net=c, **own), c):
        method.prepare(Squares(), s.pool)
        assert net.pools == [s.pool]


def test_gradients_reach_the_pixels_of_generated_images():
    net, x = WhitenedConvNet13((1, 12, 12), 3, **SMALL), torch.rand(4, 1, 12, 12, requires_grad=True)
    net.fit(pool(Symmetric(128)))
    (grad,) = torch.autograd.grad(net(x)[1].square().sum(), x)
    assert grad.abs().sum() > 0


def test_pixels_of_another_scale_are_refused_and_without_a_fit_nothing_comes_out():
    net = WhitenedConvNet13((1, 12, 12), 3, **SMALL)
    assert net(torch.rand(2, 1, 12, 12))[1].isnan().all()
    with pytest.raises(InputError, match="choose the normalization Symmetric with divisor 128"):
        net.fit(pool(UnitRange()))
