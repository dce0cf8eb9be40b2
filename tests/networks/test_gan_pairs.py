"""The Improved GAN's pairs, and Bad GAN's encoders: layer by layer those of the source, sized to the image, and started from data."""

from math import prod

import pytest
import torch
from helpers.classifiers import outputs
from helpers.tiny import gan, norms, pair_batch, pair_gan, started, streams, weights
from torch import nn

from gan_sntg.data.loader import Batch
from gan_sntg.errors import InputError
from gan_sntg.graph.teachers import SamePass
from gan_sntg.losses import Matching
from gan_sntg.networks.batch_norm import BatchNorm, BatchNormBias
from gan_sntg.networks.gan import ConvDiscriminator, ConvGenerator, DenseDiscriminator, DenseGenerator, Maps
from gan_sntg.networks.inference import ConvEncoder, DenseEncoder
from gan_sntg.networks.noise import ChannelDropout, Drop, Dropout, GaussianNoise
from gan_sntg.networks.weight_norm import WeightNorm, data_dependent_init
from gan_sntg.rng import purpose_generator

# --- dense --------------------------------------------------------------------------------------------------------------


def test_the_default_discriminator_is_the_mnist_network():
    net = DenseDiscriminator((1, 28, 28), 10)
    assert [tuple(layer.v.shape) for layer in net.hidden] == [(1000, 784), (500, 1000), (250, 500), (250, 250), (250, 250)]
    assert [noise.std for noise in net.noise] == [0.3] + [0.5] * 5
    assert not any(layer.g.requires_grad for layer in net.hidden) and net.out.g.requires_grad
    h, logits = net(torch.rand(3, 1, 28, 28))
    assert h.shape == (3, 250) and logits.shape == (3, 10)


def test_h_is_taken_before_its_noise_and_the_logits_after():
    net = DenseDiscriminator((1, 2, 2), 3, widths=(4,), input_noise=0.0, hidden_noise=0.5)
    x = torch.rand(5, 1, 2, 2)
    (h1, l1), (h2, l2) = net(x), net(x)
    assert torch.equal(h1, h2) and not torch.equal(l1, l2)


def test_the_default_generator_is_the_mnist_network_with_images_in_the_unit_range():
    net = DenseGenerator((1, 28, 28))
    assert [tuple(m.weight.shape) for m in net.hidden if isinstance(m, nn.Linear)] == [(500, 100), (500, 500)]
    images = net(torch.rand(4, 100))
    assert images.shape == (4, 1, 28, 28) and images.min() >= 0 and images.max() <= 1
    assert net.out.g.requires_grad and all(p.requires_grad for p in net.parameters())


@pytest.mark.parametrize("widths", [(), (8, 0)])
def test_a_network_without_a_hidden_layer_is_refused(widths):
    with pytest.raises(InputError, match="at least one hidden layer"):
        DenseDiscriminator((1, 4, 4), 3, widths=widths)
    with pytest.raises(InputError, match="at least one hidden layer"):
        DenseGenerator((1, 4, 4), widths=widths)


# --- convolutional ------------------------------------------------------------------------------------------------------

CIFAR10, SVHN = (96, 192), (64, 128)
SMALL = {"widths": (4, 6)}


def weight_norms(net: nn.Module) -> list[WeightNorm]:
    return [m for m in net.modules() if isinstance(m, WeightNorm)]


@pytest.mark.parametrize("widths", [CIFAR10, SVHN])
def test_the_discriminator_has_the_layers_of_the_source(widths):
    a, b = widths
    net = ConvDiscriminator((3, 32, 32), 10, widths)
    shapes = [(a, 3, 3, 3), *[(a, a, 3, 3)] * 2, (b, a, 3, 3), *[(b, b, 3, 3)] * 3, *[(b, b, 1, 1)] * 2, (10, b)]
    assert [tuple(layer.v.shape) for layer in weight_norms(net)] == shapes
    assert sum(p.numel() for p in net.parameters()) == sum(prod(shape) + 2 * shape[0] for shape in shapes)  # V, g and b
    assert [m.p for m in net.modules() if isinstance(m, Dropout)] == [0.2, 0.5, 0.5] and isinstance(net.features[0], Dropout)
    assert {m.negative_slope for m in net.modules() if isinstance(m, nn.LeakyReLU)} == {0.2}
    assert [m.init_std for m in weight_norms(net)] == [1.0] * 9 + [0.1]
    assert [m.g.requires_grad for m in weight_norms(net)] == [False] * 9 + [True]
    assert all(abs(float(m.v.detach().std()) - 0.05) < 5e-3 for m in weight_norms(net))
    assert not list(net.buffers())  # it has no batch norm


def test_the_discriminators_maps_are_those_of_the_source():
    found = outputs(ConvDiscriminator((3, 32, 32), 10), torch.rand(2, 3, 32, 32), (WeightNorm,))  # the defaults: CIFAR-10's
    assert [y.shape[2] for y in found[:-1]] == [32, 32, 16, 16, 16, 8, 6, 6, 6]
    assert [y.shape[1] for y in found] == [96] * 3 + [192] * 6 + [10]


def test_hidden_scales_train_only_where_that_is_asked_for():
    assert all(layer.g.requires_grad for layer in weight_norms(ConvDiscriminator((3, 32, 32), 10, **SMALL, train_scale=True)))


def test_noise_at_the_input_and_dropout_of_channels_are_options():
    net = ConvDiscriminator((3, 32, 32), 10, **SMALL, input_noise=0.05, input_dropout=0.15, input_drop=Drop.channels)
    assert [type(m) for m in net.features[:2]] == [GaussianNoise, ChannelDropout] and net.features[0].std == 0.05
    assert [(type(m), m.p) for m in net.modules() if isinstance(m, Dropout)] == [(ChannelDropout, 0.15), (Dropout, 0.5), (Dropout, 0.5)]
    net = ConvDiscriminator((3, 32, 32), 10, **SMALL, hidden_drop=Drop.channels)
    assert [type(m) for m in net.modules() if isinstance(m, Dropout)] == [Dropout, ChannelDropout, ChannelDropout]


def test_the_generator_has_the_layers_of_the_source():
    net = ConvGenerator((3, 32, 32))
    weights = [m.weight for m in net.hidden if isinstance(m, nn.Linear | nn.ConvTranspose2d)]
    assert [tuple(w.shape) for w in weights] == [(8192, 100), (512, 256, 5, 5), (256, 128, 5, 5)]
    assert [m.bias.numel() for m in net.hidden if isinstance(m, BatchNormBias)] == [8192, 256, 128]
    assert net.out.v.shape == (128, 3, 5, 5) and net.out.g.requires_grad and net.out.init_std == 0.1
    assert sum(p.numel() for p in net.parameters()) == 819_200 + 8_192 + 3_276_800 + 256 + 819_200 + 128 + 9_600 + 3 + 3
    for w in [*weights, net.out.v]:
        assert abs(float(w.detach().std()) - 0.05) < 2e-3
    maps = outputs(net, torch.rand(2, 100), (Maps, nn.ConvTranspose2d, WeightNorm))
    assert [tuple(y.shape[1:]) for y in maps] == [(512, 4, 4), (256, 8, 8), (128, 16, 16), (3, 32, 32)]


def test_the_encoder_has_the_layers_of_the_source():
    net = ConvEncoder((3, 32, 32))
    convs = [m for m in net.hidden if isinstance(m, nn.Conv2d)]
    assert [(tuple(m.weight.shape), m.stride, m.padding, m.bias) for m in convs] == [
        (shape, (2, 2), (2, 2), None) for shape in [(128, 3, 5, 5), (256, 128, 5, 5), (512, 256, 5, 5)]
    ]
    assert [type(m) for m in net.hidden] == [nn.Conv2d, BatchNorm, nn.ReLU] * 3
    assert net.out.v.shape == (200, 8192) and net.out.g.requires_grad and net.out.init_std == 0.1
    assert sum(p.numel() for p in net.parameters()) == 9_600 + 819_200 + 3_276_800 + 2 * 896 + 8192 * 200 + 2 * 200
    maps = outputs(net, torch.rand(2, 3, 32, 32), (nn.Conv2d,))
    assert [tuple(y.shape[1:]) for y in maps] == [(128, 16, 16), (256, 8, 8), (512, 4, 4)]


@pytest.mark.parametrize("make", [lambda **o: DenseEncoder((1, 28, 28), 7, (9,), **o), lambda **o: ConvEncoder((1, 28, 28), 7, 8, **o)])
def test_an_encoder_gives_mean_and_log_deviation_of_z_started_from_data_and_clamped_where_asked_for(make):
    torch.manual_seed(0)
    net, x = make(), torch.rand(60, 1, 28, 28)
    data_dependent_init(net, x)
    mean, log_std = net(x)
    assert mean.shape == log_std.shape == (60, 7)
    torch.testing.assert_close(torch.cat([mean, log_std]).std(correction=0).detach(), torch.tensor(0.1), rtol=1e-3, atol=0)
    assert log_std.min() < -0.1 and not list(net.buffers())
    net.least_log_std = -0.1
    clamped = net(x)
    assert torch.equal(clamped[0], mean) and torch.equal(clamped[1], log_std.clamp(min=-0.1))
    assert make(least_log_std=-8).least_log_std == -8


def test_an_encoder_of_nothing_or_of_widths_that_cannot_be_halved_is_refused():
    with pytest.raises(InputError, match="latent of the encoder is 0"):
        DenseEncoder((1, 4, 4), latent=0)
    with pytest.raises(InputError, match="at least one hidden layer"):
        DenseEncoder((1, 4, 4), widths=())
    with pytest.raises(InputError, match="width is 6.*give a multiple of 4"):
        ConvEncoder((3, 32, 32), width=6)


@pytest.mark.parametrize(
    ("size", "channels", "halved", "doubled"),
    [
        *[(28, channels, [14, 7], [7, 14]) for channels in (1, 3)],
        *[(32, channels, [16, 8], [4, 8, 16]) for channels in (1, 3, 256)],
        *[(48, channels, [24, 12, 6], [6, 12, 24]) for channels in (3, 13)],
        *[(64, channels, [32, 16, 8], [4, 8, 16, 32]) for channels in (3, 6)],
        (96, 2, [48, 24, 12, 6], [6, 12, 24, 48]),
        (128, 3, [64, 32, 16, 8], [4, 8, 16, 32, 64]),
    ],
)
def test_every_size_has_a_pair_of_fitting_depth_for_any_channels(size, channels, halved, doubled):
    shape = channels, size, size
    net, generator = ConvDiscriminator(shape, 5, **SMALL), ConvGenerator(shape, latent=7, width=16)
    images = generator(torch.rand(3, 7))
    assert images.shape == (3, *shape) and images.abs().max() <= 1
    h, logits = net(images)
    assert h.shape == (3, 6) and logits.shape == (3, 5)
    assert [y.shape[2] for y in outputs(net, images, (Dropout,))] == [size, *halved]
    found = outputs(generator, torch.rand(3, 7), (Maps, nn.ConvTranspose2d))
    assert [tuple(y.shape[1:]) for y in found] == [(16 // 2**k, s, s) for k, s in enumerate(doubled)]
    assert outputs(net, images, (WeightNorm,))[-2].shape[2] == halved[-1] - 2
    found = outputs(ConvEncoder(shape, latent=7, width=16), images, (nn.Conv2d,))
    assert [tuple(y.shape[1:]) for y in found] == [(16 // 2**k, s, s) for k, s in reversed(list(enumerate(doubled)))]


@pytest.mark.parametrize("network", [lambda shape: ConvDiscriminator(shape, 10), ConvGenerator])
@pytest.mark.parametrize("shape", [(3, 40, 40), (3, 32, 28), (0, 32, 32), (1, 8, 8), (257, 64, 64)])
def test_other_shapes_are_refused_with_the_sizes_that_there_are(network, shape):
    with pytest.raises(
        InputError,
        match=f"images of {' x '.join(map(str, shape))}; give square images of 28, 32, 48, 64, 96, 128 pixels with 1 to 256 channels",
    ):
        network(shape)


@pytest.mark.parametrize(("width", "multiple"), [(6, 4), (0, 4)])
def test_a_width_that_cannot_be_halved_is_refused(width, multiple):
    with pytest.raises(InputError, match=f"width is {width}.*give a multiple of {multiple}"):
        ConvGenerator((3, 32, 32), width=width)


def test_a_generator_that_starts_from_data_is_started_on_z_of_its_own_generator():
    method = pair_gan("conv").double()
    method.start(Batch(*(view._replace(x=view.x.double()) for view in pair_batch("conv"))))
    method.generators = {"z": purpose_generator(0, "z")}
    generator = method.generator
    drawn = generator.out(generator.hidden(method.draw_z(40))).detach()
    torch.testing.assert_close(drawn.mean(), torch.zeros((), dtype=torch.float64), atol=1e-9, rtol=0)
    torch.testing.assert_close(drawn.std(correction=0), torch.tensor(0.1, dtype=torch.float64), atol=1e-6, rtol=0)


def test_the_start_of_the_dense_pair_draws_no_z_and_leaves_its_generator():
    method = gan()
    weights_before, state = weights(method.generator), method.generators["z"].get_state()
    started(method, streams())
    assert torch.equal(weights(method.generator), weights_before) and torch.equal(method.generators["z"].get_state(), state)


def test_every_term_of_the_convolutional_pair_moves_the_network_that_it_should_and_no_other():
    method, batch = pair_gan("conv", teacher=SamePass(), matching=Matching.absolute), pair_batch("conv", n=10)
    method.start(batch)
    for name, term in method.discriminator_terms(batch, 1).items():
        found = norms(method, term)
        assert found["d"] > 0 and found["g"] == 0, name
    g = weights(method.generator)
    log = method.step(batch, 1)
    assert not torch.equal(weights(method.generator), g) and len(log) == 5
    assert all(value.isfinite() for value in log.values())
