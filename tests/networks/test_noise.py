"""Gaussian noise, dropout of elements and of channels; from which generator: test_classifiers.py."""

import pytest
import torch

from gan_sntg.networks.noise import ChannelDropout, Dropout, GaussianNoise


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
