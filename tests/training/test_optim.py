"""Adam with epsilon inside the root against a scalar loop, and its state."""

import copy
from math import sqrt

import pytest
import torch

from gan_sntg.training.optim import AdamInside, adam, load_optimizer, set_learning_rate, trainable


@pytest.mark.parametrize("lr", [0.1, 0.0])
def test_updates_equal_a_scalar_loop_and_a_rate_of_zero_moves_nothing(lr):
    p = torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    optimizer = AdamInside([p], lr=0.5, betas=(0.5, 0.9), eps=1e-4)
    set_learning_rate(optimizer, lr)
    grads = [[0.3, -1e-3], [-0.2, 2e-3], [0.5, 1e-3]]
    for g in grads:
        p.grad = torch.tensor(g, dtype=torch.float64)
        optimizer.step()
    for k, x in enumerate([1.0, -2.0]):
        m = v = 0.0
        for t, g in enumerate((row[k] for row in grads), 1):
            m, v = 0.5 * m + 0.5 * g, 0.9 * v + 0.1 * g * g
            x -= lr * (m / (1 - 0.5**t)) / sqrt(v / (1 - 0.9**t) + 1e-4)
        assert abs(float(p[k]) - x) < 1e-12 and (lr or x == [1.0, -2.0][k])


def test_trainable_leaves_frozen_parameters_out():
    net = torch.nn.Linear(2, 2)
    net.bias.requires_grad_(False)
    assert [p.shape for p in trainable(net)] == [net.weight.shape]


def test_adams_epsilon_is_outside_or_inside_the_root_as_named():
    for kind, root in ("outside_sqrt", lambda v: sqrt(v) + 1e-8), ("inside_sqrt", lambda v: sqrt(v + 1e-8)):
        p = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
        optimizer = adam([p], 0.1, (0.5, 0.999), kind)
        p.grad = torch.full_like(p, 1e-5)
        optimizer.step()
        torch.testing.assert_close(p.detach(), torch.tensor([-0.1 * 1e-5 / root(1e-10)], dtype=torch.float64))


def test_a_rate_and_betas_reach_every_group():
    optimizer = adam([torch.nn.Parameter(torch.zeros(2))], 0.1, (0.9, 0.999), "outside_sqrt")
    set_learning_rate(optimizer, 0.3)
    assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["betas"]) == (0.3, (0.9, 0.999))
    set_learning_rate(optimizer, 0.2, (0.5, 0.99))
    assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["betas"]) == (0.2, (0.5, 0.99))


KINDS = {
    "inside": lambda params, lr, betas: adam(params, lr, betas, "inside_sqrt"),
    "outside": lambda params, lr, betas: adam(params, lr, betas, "outside_sqrt"),
    "plain": lambda params, lr, betas: torch.optim.SGD(params, lr),
    "momentum": lambda params, lr, betas: torch.optim.SGD(params, lr, momentum=0.9),
    "decay": lambda params, lr, betas: torch.optim.AdamW(params, lr, betas),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_the_state_of_any_optimizer_is_put_back(kind, steps):
    params = [torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(2, 2))]
    optimizer, other = (KINDS[kind](params, 0.1, (0.5, 0.9)) for _ in range(2))
    for _ in range(steps):
        params[0].grad = torch.full((3,), 0.1)  # the other has none, and nothing is kept of it
        optimizer.step()
    state = copy.deepcopy(optimizer.state_dict())
    load_optimizer(other, state)
    torch.testing.assert_close(other.state_dict(), state, rtol=0, atol=0)
