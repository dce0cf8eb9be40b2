"""Triple-GAN's networks of pairs: which class a z says, the label at every layer, and the layers of the source."""

import pytest
import torch
from torch import nn

from gan_sntg.errors import InputError
from gan_sntg.evaluation.samples import fix_on_bank
from gan_sntg.networks.batch_norm import BatchNormBias
from gan_sntg.networks.conditional import (
    ConvConditionalGenerator,
    ConvPairDiscriminator,
    DenseConditionalGenerator,
    DensePairDiscriminator,
    one_hot,
    with_label,
)
from gan_sntg.networks.gan import Maps
from gan_sntg.networks.noise import Dropout, GaussianNoise
from gan_sntg.networks.weight_norm import WeightNorm, data_dependent_init

K = 4
GENERATORS = {
    "dense": (DenseConditionalGenerator, (1, 4, 4), {"widths": (6, 5)}),
    "conv": (ConvConditionalGenerator, (3, 28, 28), {"width": 4}),
}
DISCRIMINATORS = {
    "dense": (DensePairDiscriminator, (1, 4, 4), {"widths": (6, 5)}),
    "conv": (ConvPairDiscriminator, (3, 20, 20), {"widths": (2, 3, 4)}),
}


@pytest.mark.parametrize("kind", GENERATORS)
def test_uniform_z_say_every_class_alike_and_chosen_ones_are_said(kind):
    make, shape, options = GENERATORS[kind]
    net = make(shape, K, latent=5, **options)
    z = torch.rand(4000, net.latent)
    assert net.latent == 6 and 900 < net.classes(z).bincount(minlength=K).min()
    assert net.classes(torch.tensor([[0.0] * 6, [0.2499] * 6, [0.25] * 6, [1.0] * 6])).tolist() == [0, 0, 1, 3]
    y = torch.arange(4000) % K
    chosen = net.of_classes(z, y)
    assert torch.equal(net.classes(chosen), y) and torch.equal(chosen[:, :-1], z[:, :-1])
    fix_on_bank(net)
    net.eval()
    images = net(net.of_classes(z[:3], torch.tensor([2, 2, 3])))
    others = net(torch.cat([z[:3, :-1], torch.tensor([[0.51], [0.74], [0.99]])], 1))
    assert images.shape == (3, *shape) and torch.equal(images, others)  # of the class, all z say the same
    assert not torch.allclose(images, net(net.of_classes(z[:3], torch.tensor([1, 1, 1]))))


def test_a_label_is_the_same_at_every_place():
    label = one_hot(torch.tensor([2, 0]), 3, torch.zeros(1, dtype=torch.float64))
    assert label.tolist() == [[0, 0, 1], [1, 0, 0]] and label.dtype == torch.float64
    x = torch.rand(2, 5, 2, 3, dtype=torch.float64)
    found = with_label(x, label)
    assert found.shape == (2, 8, 2, 3) and torch.equal(found[:, :5], x) and (found[0, 7] == 1).all() and (found[1, 6:] == 0).all()
    assert torch.equal(with_label(x[:, :, 0, 0], label)[:, 5:], label)


@pytest.mark.parametrize("kind", [*GENERATORS, *DISCRIMINATORS])
def test_every_layer_reads_the_label_whose_gradient_is_the_limit_of_differences(kind):
    make, shape, options = DISCRIMINATORS[kind]
    net, x = make(shape, K, **options).double().eval(), torch.rand(2, *shape, dtype=torch.float64)
    label = torch.rand(2, K, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda label: net.score(x, label), label)
    blocks = [m for m in net.modules() if isinstance(m, WeightNorm)]
    (total,) = torch.autograd.grad(net.score(x, label).sum(), label)
    for layer in blocks:  # without its columns for the label, a layer gives it no gradient
        before = layer.v.detach().clone()
        with torch.no_grad():
            layer.v[:, -K:] = 0
        assert not torch.allclose(torch.autograd.grad(net.score(x, label).sum(), label)[0], total)
        layer.v.data.copy_(before)


def test_the_dense_pair_is_mnists():
    g, d = DenseConditionalGenerator((1, 28, 28), 10), DensePairDiscriminator((1, 28, 28), 10)
    assert [tuple(m.weight.shape) for m in g.modules() if isinstance(m, nn.Linear)] == [(500, 110), (500, 510)]
    assert g.out.v.shape == (784, 510) and [m.bias.numel() for m in g.modules() if isinstance(m, BatchNormBias)] == [500, 500]
    linear = [m for m in d.modules() if isinstance(m, WeightNorm)]
    sizes = (784 + 10, 1000, 500, 250, 250, 250)
    assert [tuple(m.v.shape) for m in linear] == [(b, a + 10) for a, b in zip(sizes, (*sizes[1:], 1), strict=True)]
    assert [m.std for m in d.modules() if isinstance(m, GaussianNoise)] == [0.3] + [0.5] * 5
    assert [m.g.requires_grad for m in linear] == [False] * 5 + [True] and g.out.g.requires_grad
    assert all(abs(float(m.v.detach().std()) - 0.05) < 5e-3 for m in linear)
    images = g(torch.rand(3, 101))
    assert images.shape == (3, 1, 28, 28) and 0 <= images.min() and images.max() <= 1
    assert d((images, torch.tensor([1, 2, 3]))).shape == (3,)


def test_the_convolutional_pair_is_that_of_cifar_and_svhn():
    g, d = ConvConditionalGenerator((3, 32, 32), 10), ConvPairDiscriminator((3, 32, 32), 10)
    weights = [m.weight for m in g.modules() if isinstance(m, nn.Linear | nn.ConvTranspose2d)]
    assert [tuple(w.shape) for w in weights] == [(8192, 110), (522, 256, 5, 5), (266, 128, 5, 5)] and g.out.v.shape == (138, 3, 5, 5)
    assert all(abs(float(w.detach().std()) - 0.05) < 2e-3 for w in weights)
    assert [tuple(m.v.shape) for m in d.modules() if isinstance(m, WeightNorm)] == [
        *[(32, 13, 3, 3), (32, 42, 3, 3), (64, 42, 3, 3), (64, 74, 3, 3), (128, 74, 3, 3), (128, 138, 3, 3)],
        (1, 138),
    ]
    assert [m.p for m in d.modules() if isinstance(m, Dropout)] == [0.2] * 3
    assert {m.negative_slope for m in d.modules() if isinstance(m, nn.LeakyReLU)} == {0.2}
    seen = []
    for block in [*g.hidden, *d.blocks]:
        block.register_forward_hook(lambda module, inputs, y: seen.append(tuple(y.shape[1:])))
    images = g(torch.rand(2, 101))
    assert images.shape == (2, 3, 32, 32) and images.abs().max() <= 1 and g.symmetric
    d((images, torch.tensor([1, 2])))
    assert seen[:3] == [(512, 4, 4), (256, 8, 8), (128, 16, 16)] and isinstance(g.hidden[0][-1], Maps)
    assert seen[3:] == [(32, 32, 32), (32, 16, 16), (64, 16, 16), (64, 8, 8), (128, 6, 6), (128, 4, 4)]


def test_no_weight_norm_of_them_starts_from_data():
    for make, shape, options in DISCRIMINATORS.values():
        net = make(shape, K, **options)
        before = [p.clone() for p in net.parameters()]
        data_dependent_init(net, (torch.rand(9, *shape), torch.arange(9) % K))
        assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_impossible_sizes_are_refused():
    with pytest.raises(InputError, match="latent of the generator is 0; give the size of z"):
        DenseConditionalGenerator((1, 4, 4), K, latent=0)
    with pytest.raises(InputError, match="20 or more pixels a side"):
        ConvPairDiscriminator((1, 8, 8), K)
    with pytest.raises(InputError, match="at least one hidden layer"):
        DensePairDiscriminator((1, 4, 4), K, widths=())
