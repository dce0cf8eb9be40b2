"""Gaussian noise, fresh and of a table, dropout of elements and of channels; from which generator: test_classifiers.py."""

import copy

import pytest
import torch

from gan_sntg.networks.gan import DenseDiscriminator
from gan_sntg.networks.noise import ChannelDropout, Dropout, GaussianNoise, NoiseTable, RepeatedDraws
from gan_sntg.networks.passes import drawing_from, take_noise_from


def test_gaussian_noise_has_its_deviation_in_training_alone():
    layer, x = GaussianNoise(0.5), torch.zeros(50_000)
    assert abs(float(layer(x).std()) - 0.5) < 0.01
    assert torch.equal(layer.eval()(x), x)


def test_dropout_zeroes_single_elements_and_scales_the_others_so_that_the_mean_stays():
    layer, x = Dropout(0.2), torch.ones(50, 10, 10, 10)
    y = layer(x)
    assert sorted(y.unique().tolist()) == [0, 1.25]
    assert abs(float((y == 0).float().mean()) - 0.2) < 0.01
    shares = (y == 0).float().mean((2, 3))  # of a channel of one image: whole channels would give 0 or 1
    assert shares.max() < 0.5 and shares.std() < 0.06
    assert torch.equal(layer.eval()(x), x)


@pytest.mark.parametrize("channels_last", [False, True])
def test_channel_dropout_zeroes_whole_maps_of_single_images_and_scales_the_others(channels_last):
    layer, x = ChannelDropout(0.2), torch.randn(200, 50, 3, 4)
    y = layer(x.to(memory_format=torch.channels_last) if channels_last else x)
    dropped = (y == 0).float().mean((2, 3))
    assert sorted(dropped.unique().tolist()) == [0, 1] and abs(float(dropped.mean()) - 0.2) < 0.01
    assert 0 < dropped.mean(0).min() and dropped.mean(0).max() < 1  # no channel goes in all images at once
    torch.testing.assert_close(y, x * 1.25 * (1 - dropped)[..., None, None])
    assert torch.equal(layer.eval()(x), x)


def test_channel_dropout_draws_one_number_a_map_from_its_generator():
    layer, x = ChannelDropout(0.5), torch.ones(6, 7, 5, 5)
    layer.generator, same, before = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3), torch.get_rng_state()
    assert torch.equal(layer(x)[:, :, 2, 4] > 0, torch.rand(6, 7, 1, 1, generator=same)[:, :, 0, 0] >= 0.5)
    assert torch.equal(layer.generator.get_state(), same.get_state()) and torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("kind", "shape"), [(Dropout, (100,)), (ChannelDropout, (5, 10, 2, 2))])
def test_dropout_masks_the_gradient_as_it_masks_x(kind, shape):
    x = torch.randn(shape, requires_grad=True)
    y = kind(0.5)(x)
    y.sum().backward()
    torch.testing.assert_close(x.grad * x.detach(), y.detach())


@pytest.fixture(scope="module")
def table() -> NoiseTable:
    return NoiseTable(torch.Generator().manual_seed(0))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_noise_of_a_table_is_a_window_at_a_place_that_the_generator_draws(table, layout):
    layer, x = GaussianNoise(0.5), torch.zeros(6, 3, 5, 7).to(memory_format=layout)
    layer.table, layer.generator, same = table, torch.Generator().manual_seed(4), torch.Generator().manual_seed(4)
    for _ in range(3):
        start = int(torch.randint(NoiseTable.size - 630 + 1, (), generator=same))
        y = layer(x)
        assert y.stride() == x.stride()
        in_memory = y.permute(0, 2, 3, 1) if layout is torch.channels_last else y
        assert torch.equal(in_memory.flatten(), 0.5 * table.numbers[start : start + 630])
    assert torch.equal(layer.generator.get_state(), same.get_state())


def test_a_table_holds_normal_numbers_that_no_layer_changes_and_every_place_is_drawn(table):
    before, n = table.numbers.clone(), NoiseTable.size
    moments = [float((before**k).mean()) for k in (1, 2, 3, 4)]
    assert all(abs(found - true) < 6 * spread / n**0.5 for found, true, spread in zip(moments, (0, 1, 0, 3), (1, 2, 4, 10), strict=True))
    layer, x = GaussianNoise(1.0), torch.ones(1000)
    layer.table, layer.generator = table, torch.Generator().manual_seed(1)
    sums = torch.stack([layer(x)[:1] for _ in range(200)]).flatten() - 1
    assert abs(float(sums.mean())) < 0.35 and 0.8 < float(sums.std()) < 1.2 and len(sums.unique()) == 200
    assert torch.equal(table.numbers, before)


@pytest.mark.parametrize(("size", "dtype"), [(NoiseTable.size + 1, torch.float32), (40, torch.float64)])
def test_what_a_table_cannot_lend_is_drawn_anew(table, size, dtype):
    layer, x, plain = GaussianNoise(1.0), torch.zeros(size, dtype=dtype), GaussianNoise(1.0)
    layer.table = table
    layer.generator, plain.generator = (torch.Generator().manual_seed(7) for _ in range(2))
    assert torch.equal(layer(x), plain(x))


def test_copies_of_a_network_share_its_table_and_its_noise(table):
    net, x = DenseDiscriminator((1, 4, 4), 3, widths=(5, 6)), torch.rand(8, 1, 4, 4)
    take_noise_from(table, net)
    twin, found = copy.deepcopy(net), []
    for own in (net, twin):
        with drawing_from(own, torch.Generator().manual_seed(2)):
            found.append(own(x)[1])
    assert torch.equal(*found) and all(layer.table is table for layer in twin.noise)
    with drawing_from(net, torch.Generator().manual_seed(3)):
        assert not torch.equal(net(x)[1], found[0])


def test_repeated_draws_are_those_of_the_generators_first_pass_and_move_it_once():
    net, x = torch.nn.Sequential(GaussianNoise(0.5), Dropout(0.3), GaussianNoise(0.1)), torch.ones(4, 3)
    generator, other = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    with drawing_from(net, other):
        expected = net(x)
    draws = RepeatedDraws(generator)
    with drawing_from(net, draws):
        for _ in range(3):
            draws.begin_pass()
            assert torch.equal(net(x), expected) and draws.given == len(draws.made) == 3
            assert torch.equal(generator.get_state(), other.get_state())
