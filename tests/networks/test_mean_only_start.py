"""How layers with mean-only batch norm start: from N(0, 0.05^2), then from one batch, layer by layer."""

import pytest
import torch
from torch import Tensor, nn

from gan_sntg.networks.weight_norm import MeanOnlyConv, MeanOnlyLinear, data_dependent_init, starts_from_data


@pytest.mark.parametrize("make", [lambda: MeanOnlyConv(40, 40, 5), lambda: MeanOnlyLinear(200, 200)], ids=["convolution", "dense"])
def test_a_layer_begins_as_in_the_source(make):
    layer = make()
    assert abs(float(layer.v.detach().std()) - 0.05) < 2e-3 and abs(float(layer.v.detach().mean())) < 2e-3
    assert (layer.g == 1).all() and (layer.b == 0).all()


def chain() -> tuple[nn.Sequential, Tensor]:
    torch.manual_seed(0)
    layers = [MeanOnlyConv(2, 6, 3, 1), nn.LeakyReLU(0.1), MeanOnlyConv(6, 4, 3), nn.Flatten(), MeanOnlyLinear(24, 3)]
    x = 5 + 3 * torch.randn(50, 2, 5, 4, dtype=torch.float64)
    x[:, :, :2] *= 4  # space matters: one place is unlike another
    return nn.Sequential(*layers).double(), x


def statistics(y: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of every unit, over the batch and over space."""
    values = y.detach().transpose(0, 1).flatten(1)
    return values.mean(1), values.std(1, correction=0)


def test_data_dependent_init_gives_every_unit_mean_0_and_std_1_and_leaves_b_0():
    net, x = chain()
    data_dependent_init(net, -1 - x)  # whatever g and b were before
    for layer in starts_from_data(net):
        layer.b.data.normal_()
    data_dependent_init(net, x)
    for k in (0, 2, 4):
        mean, deviation = statistics(net[: k + 1](x))
        torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-9, rtol=0)
        torch.testing.assert_close(deviation, torch.ones_like(mean), atol=1e-6, rtol=0)
        assert (net[k].b == 0).all() and not net[k].initializing


def test_data_dependent_init_divides_g_by_the_deviation_of_what_came_before():
    net, x = chain()
    y = x
    expected = []
    for layer in net:
        y = layer(y)
        if not isinstance(layer, MeanOnlyConv | MeanOnlyLinear):
            continue
        mean, deviation = statistics(y)
        expected.append(1 / deviation)
        y = (y - mean.view(1, -1, *[1] * (y.dim() - 2))) / deviation.view(1, -1, *[1] * (y.dim() - 2))
    data_dependent_init(net, x)
    for layer, g in zip(starts_from_data(net), expected, strict=True):
        torch.testing.assert_close(layer.g.detach(), g)


def test_data_dependent_init_leaves_the_running_means_as_they_were():
    net, x = chain()
    data_dependent_init(net, x)
    assert all(layer.mean.updates == 0 and (layer.mean.running == 0).all() for layer in starts_from_data(net))
    net(x)
    before = {name: value.clone() for name, value in net.named_buffers()}
    data_dependent_init(net, 2 * x)
    torch.testing.assert_close(dict(net.named_buffers()), before, rtol=0, atol=0)
    net(x)
    assert all(layer.mean.updates == 2 for layer in starts_from_data(net))  # and is frozen no longer


def test_a_unit_that_is_constant_on_the_batch_stays_finite():
    layer = MeanOnlyLinear(4, 3)
    data_dependent_init(layer, torch.ones(10, 4))
    assert layer.g.isfinite().all() and layer(torch.ones(10, 4)).isfinite().all()
