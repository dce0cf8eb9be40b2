"""Noise and dropout: from the named generator, or given from outside, the same numbers."""

import pytest
import torch

from gan_sntg.networks.classifiers import SmallConvNet
from gan_sntg.networks.conv_gan import ConvDiscriminator
from gan_sntg.networks.dense_gan import DenseDiscriminator
from gan_sntg.networks.noise import Dropout, GaussianNoise, drawing_from, given, recorded
from gan_sntg.networks.precision import Precision


def test_noise_comes_from_the_named_generator_and_only_in_training():
    net, x = torch.nn.Sequential(GaussianNoise(0.5)), torch.zeros(50_000)
    with drawing_from(net, torch.Generator().manual_seed(1)):
        a = net(x)
    torch.manual_seed(99)
    with drawing_from(net, torch.Generator().manual_seed(1)):
        b = net(x)
    assert torch.equal(a, b) and abs(float(a.std()) - 0.5) < 0.01
    assert net[0].generator is None
    assert torch.equal(net.eval()(x), x)


def test_dropout_zeroes_single_elements_and_scales_the_others_so_that_the_mean_stays():
    layer, x = Dropout(0.2), torch.ones(50, 10, 10, 10)
    y = layer(x)
    assert sorted(y.unique().tolist()) == [0, 1.25]
    assert abs(float((y == 0).float().mean()) - 0.2) < 0.01
    shares = (y == 0).float().mean((2, 3))  # of a channel of one image: whole channels would give 0 or 1
    assert shares.max() < 0.5 and shares.std() < 0.06
    assert torch.equal(layer.eval()(x), x)


def test_dropout_masks_the_gradient_as_it_masks_x():
    x = torch.randn(100, requires_grad=True)
    y = Dropout(0.5)(x)
    y.sum().backward()
    torch.testing.assert_close(x.grad * x.detach(), y.detach())


def test_every_kind_of_noise_draws_from_the_named_generator_whatever_the_global_one_does():
    net, x = torch.nn.Sequential(Dropout(0.5), GaussianNoise(0.5), Dropout(0.1)), torch.ones(1000)
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(len(draws))
        before = torch.get_rng_state()
        with drawing_from(net, torch.Generator().manual_seed(seed)):
            draws.append(net(x))
        assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert all(layer.generator is None for layer in net)


NETS = {
    "dense": (DenseDiscriminator, (1, 8, 8), {"widths": (20, 10)}),
    "convolutional": (ConvDiscriminator, (1, 28, 28), {"widths": (8, 8)}),
    "small": (SmallConvNet, (1, 28, 28), {}),
}


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("kind", NETS)
def test_given_numbers_make_the_pass_that_their_generator_makes(kind, precision):
    make, shape, options = NETS[kind]
    torch.manual_seed(0)
    net, x = make(shape, 3, **options), torch.randn(6, *shape)
    with precision("cpu"):
        with drawing_from(net, torch.Generator().manual_seed(5)), recorded(net) as record:
            plain = net(x)
        generator = torch.Generator().manual_seed(5)
        draws = [draw(generator) for _, draw in record]
        before = torch.get_rng_state()
        with given(record, draws):
            again = net(x)
    assert len(record) == 3
    assert all(torch.equal(a, b) for a, b in zip(plain, again, strict=True))
    assert torch.equal(before, torch.get_rng_state())
    assert all(layer.given is None and layer.record is None for layer, _ in record)


def test_a_net_without_training_noise_records_nothing():
    net = DenseDiscriminator((1, 8, 8), 3, widths=(20,)).eval()
    with recorded(net) as record:
        net(torch.rand(2, 1, 8, 8))
    assert record == []
