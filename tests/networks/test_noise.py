"""Gaussian noise and dropout; from which generator: test_classifiers.py."""

import torch

from gan_sntg.networks.noise import Dropout, GaussianNoise


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


def test_dropout_masks_the_gradient_as_it_masks_x():
    x = torch.randn(100, requires_grad=True)
    y = Dropout(0.5)(x)
    y.sum().backward()
    torch.testing.assert_close(x.grad * x.detach(), y.detach())
