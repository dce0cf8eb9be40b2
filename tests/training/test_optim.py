"""Adam with epsilon inside the root against a scalar loop, and its state."""

import copy
from math import sqrt

import pytest
import torch

from gan_sntg.training.optim import AdamInside, adam, load_optimizer, set_learning_rate, trainable


def test_updates_equal_a_scalar_loop():
    p = torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    optimizer = AdamInside([p], lr=0.1, betas=(0.5, 0.9), eps=1e-4)
    grads = [[0.3, -1e-3], [-0.2, 2e-3], [0.5, 1e-3]]
    for g in grads:
        p.grad = torch.tensor(g, dtype=torch.float64)
        optimizer.step()
    for k, x in enumerate([1.0, -2.0]):
        m = v = 0.0
        for t, g in enumerate((row[k] for row in grads), 1):
            m, v = 0.5 * m + 0.5 * g, 0.9 * v + 0.1 * g * g
            x -= 0.1 * (m / (1 - 0.5**t)) / sqrt(v / (1 - 0.9**t) + 1e-4)
        assert abs(float(p[k]) - x) < 1e-12


def test_epsilon_inside_the_root_damps_small_gradients_as_its_root_outside_would():
    p = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = AdamInside([p], lr=1.0)
    p.grad = torch.full((1,), 1e-6, dtype=torch.float64)
    optimizer.step()
    assert abs(float(p)) < 0.011  # torch's Adam would move by 0.99


def test_a_restored_optimizer_goes_on_as_the_one_it_was_taken_from():
    def run(interrupted: bool) -> torch.Tensor:
        p = torch.nn.Parameter(torch.ones(3))
        optimizer = AdamInside([p], lr=0.1)
        for k in range(4):
            p.grad = torch.sin(p.detach() + k)
            optimizer.step()
            if interrupted and k == 1:
                state, optimizer = optimizer.state_dict(), AdamInside([p], lr=0.5)
                optimizer.load_state_dict(state)
        return p.detach()

    assert torch.equal(run(False), run(True))


def test_a_learning_rate_of_zero_moves_nothing():
    p = torch.nn.Parameter(torch.ones(3))
    optimizer = AdamInside([p], lr=0.1)
    set_learning_rate(optimizer, 0.0)
    p.grad = torch.ones(3)
    optimizer.step()
    assert torch.equal(p.detach(), torch.ones(3))


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
