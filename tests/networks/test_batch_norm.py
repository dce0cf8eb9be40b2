"""Layers that torch does not have, against their definitions."""

import pytest
import torch
from helpers.tiny import assert_same
from torch import nn

from gan_sntg.networks import batch_norm
from gan_sntg.networks.weight_norm import MeanOnlyConv, MeanOnlyLinear


def test_batch_norm_uses_the_batch_in_training_and_fixed_statistics_in_evaluation():
    norm = batch_norm.BatchNormBias(3)
    bank, x = torch.randn(64, 3), 4 + 2 * torch.randn(32, 3)
    norm.bias.data = torch.tensor([1.0, 2.0, 3.0])
    expected = (x - x.mean(0)) / (x.var(0, correction=0) + 1e-6).sqrt() + norm.bias
    torch.testing.assert_close(norm(x), expected)
    assert norm.eval()(x).isnan().all()
    norm.train()
    batch_norm.fix_statistics(norm, bank)
    assert norm.training
    torch.testing.assert_close(norm(x), expected)  # training still uses the batch
    fixed = (x - bank.mean(0)) / (bank.var(0, correction=0) + 1e-6).sqrt() + norm.bias
    torch.testing.assert_close(norm.eval()(x), fixed)
    torch.testing.assert_close(norm(x[:1]), fixed[:1])


def test_batch_norm_takes_statistics_over_space_for_images():
    norm, x = batch_norm.BatchNormBias(2), torch.randn(5, 2, 3, 3)
    torch.testing.assert_close(norm(x).mean((0, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0)


def normed() -> tuple[nn.Sequential, torch.Tensor]:
    """Every kind of layer that keeps running statistics, after one pass."""
    torch.manual_seed(0)
    net = nn.Sequential(MeanOnlyConv(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), MeanOnlyLinear(12, 5), nn.BatchNorm1d(5, momentum=None))
    x = 1 + torch.randn(6, 2, 4, 4)
    net(x)
    return net, x


def state(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def test_frozen_statistics_normalises_by_the_batch_and_leaves_every_running_statistic_till_an_exception():
    net, x = normed()
    before = state(net)
    with pytest.raises(ZeroDivisionError), batch_norm.frozen_statistics(net):
        frozen = net(2 * x)
        net(3 * x).sum().backward()
        raise ZeroDivisionError
    assert_same(state(net), before)
    torch.testing.assert_close(frozen, net(2 * x), rtol=0, atol=0)
    moved = [name for name, value in net.state_dict().items() if not torch.equal(value, before[name])]
    assert moved == [name for name, _ in net.named_buffers()]  # now they move again, all of them


def test_frozen_statistics_nests():
    net, x = normed()
    before = state(net)
    with batch_norm.frozen_statistics(net):
        with batch_norm.frozen_statistics(net[0]):
            net(2 * x)
        net(2 * x)
    assert_same(state(net), before)
    with batch_norm.frozen_statistics(net[0]):  # a part of a network
        net(2 * x)
    assert (net[0].mean.updates, net[1].num_batches_tracked, net[3].mean.updates) == (1, 2, 2)


def test_frozen_statistics_changes_nothing_in_evaluation():
    net, x = normed()
    expected = net.eval()(2 * x)
    with batch_norm.frozen_statistics(net):
        assert torch.equal(net(2 * x), expected)


def test_a_batch_norm_that_never_kept_statistics_keeps_none_afterwards():
    norm = nn.BatchNorm1d(3, track_running_stats=False)
    with batch_norm.frozen_statistics(norm):
        norm(torch.randn(4, 3))
    assert not norm.track_running_stats


@pytest.mark.parametrize("channels", [1, 3])
def test_convolutions_take_what_is_made_channels_last_for_channels_last(channels):
    x = torch.randn(4, channels, 6, 5)
    for given in (x, x.contiguous(memory_format=torch.channels_last)):
        made = batch_norm.channels_last(given)
        assert torch.equal(made, x)
        assert nn.Conv2d(channels, 8, 3)(made).is_contiguous(memory_format=torch.channels_last)
    assert MeanOnlyConv(channels, 8, 3)(x).is_contiguous(memory_format=torch.channels_last)
