"""Layers that torch does not have, against their definitions."""

import torch

from gan_sntg.core import layers


def test_weight_norm_gives_every_unit_the_norm_g():
    layer = layers.WeightNormLinear(5, 3, train_scale=True).double()
    layer.g.data = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    v = layer.v.detach()
    expected = torch.stack([layer.g[k] * v[k] / (1e-6 + (v[k] ** 2).sum()).sqrt() for k in range(3)])
    torch.testing.assert_close(layer.weight(), expected)
    x = torch.randn(4, 5, dtype=torch.float64)
    torch.testing.assert_close(layer(x), x @ expected.T + layer.b)


def test_data_dependent_init_gives_each_units_output_mean_0_and_the_asked_std():
    net = torch.nn.Sequential(layers.WeightNormLinear(6, 4), torch.nn.ReLU(), layers.WeightNormLinear(4, 3, init_std=0.1)).double()
    x = 5 + 3 * torch.randn(200, 6, dtype=torch.float64)
    layers.data_dependent_init(net, x)
    first, out = net[0](x), net(x)
    torch.testing.assert_close(first.mean(0), torch.zeros(4, dtype=torch.float64), atol=1e-9, rtol=0)
    torch.testing.assert_close(first.std(0, correction=0), torch.ones(4, dtype=torch.float64), atol=1e-6, rtol=0)
    torch.testing.assert_close(out.std(0, correction=0), torch.full((3,), 0.1, dtype=torch.float64), atol=1e-6, rtol=0)
    assert not net[0].initializing


def test_hidden_scales_are_frozen_by_default():
    assert not layers.WeightNormLinear(2, 2).g.requires_grad
    assert layers.WeightNormLinear(2, 2, train_scale=True).g.requires_grad


def test_noise_comes_from_the_named_generator_and_only_in_training():
    net, x = torch.nn.Sequential(layers.GaussianNoise(0.5)), torch.zeros(50_000)
    with layers.drawing_from(net, torch.Generator().manual_seed(1)):
        a = net(x)
    torch.manual_seed(99)
    with layers.drawing_from(net, torch.Generator().manual_seed(1)):
        b = net(x)
    assert torch.equal(a, b) and abs(float(a.std()) - 0.5) < 0.01
    assert net[0].generator is None
    assert torch.equal(net.eval()(x), x)


def test_batch_norm_uses_the_batch_in_training_and_fixed_statistics_in_evaluation():
    norm = layers.BatchNormBias(3)
    bank, x = torch.randn(64, 3), 4 + 2 * torch.randn(32, 3)
    norm.bias.data = torch.tensor([1.0, 2.0, 3.0])
    expected = (x - x.mean(0)) / (x.var(0, correction=0) + 1e-6).sqrt() + norm.bias
    torch.testing.assert_close(norm(x), expected)
    assert norm.eval()(x).isnan().all()
    norm.train()
    layers.fix_statistics(norm, bank)
    assert norm.training
    torch.testing.assert_close(norm(x), expected)  # training still uses the batch
    fixed = (x - bank.mean(0)) / (bank.var(0, correction=0) + 1e-6).sqrt() + norm.bias
    torch.testing.assert_close(norm.eval()(x), fixed)
    torch.testing.assert_close(norm(x[:1]), fixed[:1])


def test_batch_norm_takes_statistics_over_space_for_images():
    norm, x = layers.BatchNormBias(2), torch.randn(5, 2, 3, 3)
    torch.testing.assert_close(norm(x).mean((0, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0)
