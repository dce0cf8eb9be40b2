"""Derivatives in forward mode: those of differences of two passes, of all classifiers, at the price of one more pass."""

import pytest
import torch
from helpers.classifiers import ANY
from helpers.classifiers import made as classifier
from torch.utils.flop_counter import FlopCounterMode

from gan_sntg.networks.batch_norm import frozen_statistics
from gan_sntg.networks.noise import RepeatedDraws
from gan_sntg.networks.passes import drawing_from, with_derivative
from gan_sntg.training.optim import trainable


@ANY
@pytest.mark.parametrize("training", [True, False])
def test_derivatives_are_those_of_differences(make, shape, training):
    net, x = classifier(make, shape)
    net, x = net.double(), x.double()
    net(x)  # statistics to evaluate with
    net.train(training)
    d, noise = torch.randn_like(x), RepeatedDraws(torch.Generator().manual_seed(1))

    def outputs(x: torch.Tensor) -> list[torch.Tensor]:
        noise.begin_pass()
        with drawing_from(net, noise):
            return list(net(x))

    with frozen_statistics(net):
        plain, ahead, back = outputs(x), outputs(x + 1e-8 * d), outputs(x - 1e-8 * d)
        noise.begin_pass()
        found, changes = with_derivative(net, x.requires_grad_(), d, noise)
    torch.testing.assert_close(found, plain, rtol=0, atol=0)
    for change, a, b in zip(changes, ahead, back, strict=True):
        assert not change.requires_grad
        torch.testing.assert_close(change, (a - b).detach() / 2e-8, rtol=1e-4, atol=1e-6)  # so near that no kink lies between
    params = trainable(net)
    own = torch.autograd.grad(plain[1].square().sum(), params, allow_unused=True)
    torch.testing.assert_close(torch.autograd.grad(found[1].square().sum(), params, allow_unused=True), own)


@ANY
def test_they_take_the_products_of_one_more_pass(make, shape):
    net, x = classifier(make, shape)
    with FlopCounterMode(display=False) as counter:
        net(x)
        one = counter.get_total_flops()
        with_derivative(net, x.requires_grad_(), torch.ones_like(x), torch.Generator())
    assert one > 0 and counter.get_total_flops() == 3 * one
