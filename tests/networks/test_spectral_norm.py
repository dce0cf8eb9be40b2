"""Spectral norm: the largest singular value, torch's own as a reference, and when the estimate moves."""

import copy

import pytest
import torch
import torch.nn.functional as F
from helpers.classifiers import largest, spectrals
from helpers.tiny import assert_same
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from gan_sntg.networks.batch_norm import frozen_statistics
from gan_sntg.networks.ema import Average
from gan_sntg.networks.passes import Precision
from gan_sntg.networks.residual import Convolution, ResidualDiscriminator
from gan_sntg.networks.weight_norm import SpectralNormConv, fixed_weights


def spread(inputs: int, outputs: int, kernel: int) -> SpectralNormConv:
    """A layer whose weights have unlike singular values."""
    torch.manual_seed(0)
    conv = SpectralNormConv(inputs, outputs, kernel).double()
    nn.init.normal_(conv.weight, std=3.0)
    return conv


@pytest.mark.parametrize(("inputs", "outputs", "kernel"), [(3, 4, 3), (6, 2, 1), (1, 1, 3)])
def test_the_largest_singular_value_comes_to_be_1(inputs, outputs, kernel):
    conv = spread(inputs, outputs, kernel)
    for _ in range(300):
        conv.iterate()
    torch.testing.assert_close(largest(conv.bounded()), torch.ones((), dtype=torch.float64))
    torch.testing.assert_close(conv.bounded(), conv.weight / largest(conv.weight))


def test_passes_statistics_and_gradients_are_those_of_torchs_own():
    conv, x = spread(3, 4, 3), torch.randn(2, 3, 5, 5, dtype=torch.float64)
    reference = nn.Conv2d(3, 4, 3, padding=1).double()
    reference.load_state_dict({"weight": conv.weight, "bias": conv.bias})
    reference = spectral_norm(reference)
    own = reference.parametrizations.weight
    own[0]._u.copy_(conv.u)
    own[0]._v.copy_(conv.v)
    for _ in range(3):
        found, expected = conv(x), reference(x)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close((conv.u, conv.v), (own[0]._u, own[0]._v))
    gradients = torch.autograd.grad(found.square().sum(), [conv.weight, conv.bias])
    torch.testing.assert_close(gradients, torch.autograd.grad(expected.square().sum(), [own.original, reference.bias]))


def test_only_training_passes_move_the_estimate_and_not_if_frozen():
    conv, x = spread(3, 4, 3), torch.randn(2, 3, 5, 5, dtype=torch.float64)
    before = copy.deepcopy(conv.state_dict())
    with frozen_statistics(conv):
        conv(x)
    with fixed_weights(conv):
        assert torch.equal(conv(x), conv(x))
    conv.eval()(x)
    assert_same(conv.state_dict(), before)
    with torch.no_grad():
        conv.train()(x)
    expected = F.normalize(before["weight"].flatten(1) @ before["v"], dim=0)
    torch.testing.assert_close(conv.u, expected)
    torch.testing.assert_close(conv.v, F.normalize(before["weight"].flatten(1).T @ expected, dim=0))


def test_one_backward_goes_through_two_passes_that_move_the_estimate():
    conv, x = spread(3, 4, 3), torch.randn(2, 3, 5, 5, dtype=torch.float64)
    passes = [conv(x).square().sum(), conv(2 * x).square().sum()]
    apart = [torch.autograd.grad(y, conv.weight, retain_graph=True)[0] for y in passes]
    sum(passes).backward()
    torch.testing.assert_close(conv.weight.grad, sum(apart))


def test_the_norm_is_estimated_in_float32_under_autocast():
    conv = spread(3, 4, 3).float()
    twin = copy.deepcopy(conv)
    with Precision.bfloat16("cpu"):
        w = conv.bounded()
    assert w.dtype == torch.float32 and torch.equal(w, twin.bounded()) and torch.equal(conv.u, twin.u)


def test_while_weights_move_the_norm_exceeds_1_by_a_few_percent_and_that_of_their_average_too():
    torch.manual_seed(0)
    conv, x, target = SpectralNormConv(8, 16, 3), torch.randn(2, 8, 4, 4), torch.randn(2, 16, 4, 4)
    average, optimizer = Average(conv, 0.99), torch.optim.Adam(conv.parameters(), lr=1e-3)
    for _ in range(100):
        optimizer.zero_grad()
        (conv(x) - target).square().mean().backward()
        optimizer.step()
        average.update(conv)
    assert largest(conv.weight) > 1.1
    assert_same(dict(average.net.named_buffers()), dict(conv.named_buffers()))
    for net in (conv.eval(), average.net):
        assert 1 - 1e-5 < largest(net.bounded()) < 1.15


def test_every_convolution_of_a_spectral_discriminator_begins_with_norm_1_and_its_logits_are_free():
    net = ResidualDiscriminator((3, 32, 32), 5, width=16, convolution=Convolution.spectral)
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 1 + 3 * 3 and convolutions == spectrals(net) and type(net.out) is nn.Linear
    for conv in convolutions:
        torch.testing.assert_close(largest(conv.eval().bounded()), torch.ones(()))


# --- the pair -----------------------------------------------------------------------------------------------------------
