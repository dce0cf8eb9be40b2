"""Weight norm: every unit's weight has norm g, and one pass over data standardises what every unit gives."""

from functools import partial

import pytest
import torch

from gan_sntg.networks.precision import Precision
from gan_sntg.networks.weight_norm import (
    WeightNormConv,
    WeightNormConvTranspose,
    WeightNormLinear,
    data_dependent_init,
    fixed_weights,
    starts_from_data,
)

LAYERS = [WeightNormLinear(5, 3), WeightNormConv(5, 3, 3), WeightNormConvTranspose(5, 3, 5)]


def zeros(n: int) -> torch.Tensor:
    return torch.zeros(n, dtype=torch.float64)


def statistics(y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of every unit, over the batch and over space."""
    values = y.detach().transpose(0, 1).flatten(1)
    return values.mean(1), values.std(1, correction=0)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_weight_norm_gives_every_output_unit_the_norm_g(layer):
    layer.double().g.data = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    units = layer.v.detach().movedim(1, 0) if isinstance(layer, WeightNormConvTranspose) else layer.v.detach()
    assert len(units) == 3
    found = layer.weight().movedim(1, 0) if isinstance(layer, WeightNormConvTranspose) else layer.weight()
    for k in range(3):
        torch.testing.assert_close(found[k], layer.g[k] * units[k] / (1e-6 + (units[k] ** 2).sum()).sqrt())
    x = torch.randn(2, 5, *[3] * (layer.v.dim() - 2), dtype=torch.float64)
    passed = partial(torch.func.functional_call, layer, args=(x,))
    assert torch.autograd.gradcheck(lambda v, g: passed({"v": v, "g": g}), (layer.v, layer.g.requires_grad_()))


@pytest.mark.parametrize("precision", Precision)
def test_fixed_weights_are_those_of_now_without_gradient_and_end_with_the_context(precision):
    torch.manual_seed(0)
    net, x = (
        torch.nn.Sequential(WeightNormConv(2, 4, 3, train_scale=True), torch.nn.Flatten(), WeightNormLinear(36, 3)),
        torch.randn(3, 2, 5, 5),
    )
    x.requires_grad_()
    with precision("cpu"):
        expected = net(x)
        with fixed_weights(net):
            found = net(x)
            found.sum().backward()
            with torch.no_grad():
                net[0].v.add_(1)
            assert torch.equal(net(x), found)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 if precision is Precision.float32 else 0.02)
        assert not torch.equal(net(x), found)
    assert x.grad is not None and net[0].v.grad is None and net[0].g.grad is None and net[2].v.grad is None


def test_the_dense_layer_is_its_matrix_and_bias():
    layer, x = WeightNormLinear(5, 3).double(), torch.randn(4, 5, dtype=torch.float64)
    layer.b.data.normal_()
    torch.testing.assert_close(layer(x), x @ layer.weight().T + layer.b)


@pytest.mark.parametrize(("stride", "padding", "size"), [(1, 0, 5), (1, 1, 7), (2, 1, 4)])
def test_the_convolution_is_torchs_with_the_normed_weight(stride, padding, size):
    layer, x = WeightNormConv(2, 4, 3, stride, padding), torch.randn(3, 2, 7, 7)
    layer.b.data.normal_()
    plain = torch.nn.Conv2d(2, 4, 3, stride, padding)
    plain.weight.data, plain.bias.data = layer.weight().detach(), layer.b.detach()
    torch.testing.assert_close(layer(x), plain(x))
    assert layer(x).shape == (3, 4, size, size)


@pytest.mark.parametrize("kernel", [3, 5])
def test_the_transposed_convolution_is_torchs_and_doubles(kernel):
    layer, x = WeightNormConvTranspose(2, 4, kernel), torch.randn(3, 2, 7, 7)
    layer.b.data.normal_()
    plain = torch.nn.ConvTranspose2d(2, 4, kernel, stride=2, padding=kernel // 2, output_padding=1)
    plain.weight.data, plain.bias.data = layer.weight().detach(), layer.b.detach()
    torch.testing.assert_close(layer(x), plain(x))
    assert layer(x).shape == (3, 4, 14, 14)


def test_data_dependent_init_gives_each_units_output_mean_0_and_the_asked_std_over_batch_and_space():
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        WeightNormConvTranspose(2, 6, 5),
        torch.nn.LeakyReLU(0.2),
        WeightNormConv(6, 4, 3, stride=2, init_std=0.5),
        torch.nn.Flatten(),
        WeightNormLinear(36, 3, init_std=0.1),
    ).double()
    x = 5 + 3 * torch.randn(50, 2, 4, 4, dtype=torch.float64)
    x[:, :, :2] *= 4  # space matters: one place is unlike another
    data_dependent_init(net, -1 - x)  # whatever g and b were before
    data_dependent_init(net, x)
    for k, std in ((0, 1.0), (2, 0.5), (4, 0.1)):
        mean, deviation = statistics(net[: k + 1](x))
        torch.testing.assert_close(mean, zeros(len(mean)), atol=1e-9, rtol=0)
        torch.testing.assert_close(deviation, std + zeros(len(mean)), atol=1e-6, rtol=0)
        assert not net[k].initializing


def test_a_layer_without_an_initial_std_is_left_as_it_was_drawn():
    net = torch.nn.Sequential(WeightNormLinear(6, 4), WeightNormLinear(4, 3, init_std=None))
    assert starts_from_data(net) == [net[0]]
    data_dependent_init(net, 5 + torch.randn(20, 6))
    assert (net[0].g != 1).all() and torch.equal(net[1].g.detach(), torch.ones(3)) and torch.equal(net[1].b.detach(), torch.zeros(3))


def test_v_is_drawn_with_the_deviation_of_the_source():
    assert abs(float(WeightNormConv(40, 40, 5).v.detach().std()) - 0.05) < 2e-3
    assert abs(float(WeightNormConvTranspose(40, 40, 5).v.detach().std()) - 0.05) < 2e-3
    assert abs(float(WeightNormLinear(200, 200, v_std=0.1).v.detach().std()) - 0.1) < 2e-3


@pytest.mark.parametrize("kind", [WeightNormConv, WeightNormConvTranspose])
def test_hidden_scales_are_frozen_by_default(kind):
    assert not kind(2, 2, 3).g.requires_grad and not WeightNormLinear(2, 2).g.requires_grad
    assert kind(2, 2, 3, train_scale=True).g.requires_grad and WeightNormLinear(2, 2, train_scale=True).g.requires_grad
