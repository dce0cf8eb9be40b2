"""The batch's mean of each channel against torch's; the running one is tested with the layers that subtract it (test_mean_only)."""

import pytest
import torch

from gan_sntg.networks.batch_norm import ChannelMean


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5, 6), (1, 2, 2, 2)])
def test_the_mean_of_channels_has_the_values_and_derivatives_of_torchs(shape):
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    others = [d for d in range(len(shape)) if d != 1]
    assert torch.equal(ChannelMean.apply(x, x.dtype), x.mean(others))
    assert torch.autograd.gradcheck(lambda x: ChannelMean.apply(x, x.dtype).square(), x)
    assert torch.autograd.gradgradcheck(lambda x: ChannelMean.apply(x, x.dtype).square(), x)


def test_the_mean_of_channels_of_short_numbers_is_taken_in_long_ones():
    x = torch.full((1000, 1), 1.0, dtype=torch.bfloat16).requires_grad_()
    mean = ChannelMean.apply(x, torch.float32)
    mean.sum().backward()
    assert mean.dtype == torch.float32 and mean.item() == 1
    assert x.grad.dtype == torch.bfloat16 and torch.equal(x.grad, torch.full_like(x.grad, 0.001))
