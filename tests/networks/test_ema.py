"""Averaged weights against explicit sums."""

import torch

from gan_sntg.networks.ema import Average


def history(decay: float, n: int):
    net = torch.nn.Linear(2, 2).double()
    net.bias.requires_grad_(False)
    average, seen = Average(net, decay), []
    for _ in range(n):
        with torch.no_grad():
            for p in net.parameters():
                p.normal_()
        average.update(net)
        seen.append(net.weight.detach().clone())
    return net, average, seen


def test_the_average_is_the_debiased_moving_average():
    _, average, seen = history(0.9, 7)
    weights = [0.9 ** (6 - i) for i in range(7)]
    expected = sum(w * p for w, p in zip(weights, seen, strict=True)) / sum(weights)
    torch.testing.assert_close(average.net.weight.detach(), expected)


def test_zero_start_is_the_recursion_of_the_source():
    net, average, seen = history(0.9, 7)
    a = torch.zeros_like(seen[0])
    for p in seen:
        a = a + 0.1 * (p - a)
    torch.testing.assert_close(average.zero_start(net).weight.detach(), a)


def test_frozen_parameters_are_copied_and_not_averaged():
    net, average, _ = history(0.9, 3)
    assert torch.equal(average.net.bias, net.bias) and torch.equal(average.zero_start(net).bias, net.bias)


def test_the_average_stays_in_evaluation_mode():
    _, average, _ = history(0.9, 1)
    assert not average.train().net.training
