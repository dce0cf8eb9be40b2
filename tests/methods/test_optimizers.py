"""The optimizers of a generative method: their kind and betas, and a rate each, of which all share the schedule."""

import pytest
import torch
from helpers.tiny import assert_same, gan, started, streams

from gan_sntg.schedules import linear_tail
from gan_sntg.training.optim import AdamInside


def rates(method, t: int) -> dict[str, float]:
    """What a step in epoch t sets."""
    method.step(next(streams().epoch()), t)
    return {name: optimizer.param_groups[0]["lr"] for name, optimizer in method.optimizers.items()}


@pytest.mark.parametrize("t", [0, 5, 8, 9])
def test_each_optimizer_has_its_own_base_rate_and_all_share_the_factor(t):
    method = started(gan(learning_rate=0.004, generator_learning_rate=0.001, decay_epochs=9), streams())
    factor = linear_tail(t, 9)
    assert rates(method, t) == {"d": 0.004 * factor, "g": 0.001 * factor}
    assert method.settings["learning_rate"] == 0.004 * factor


def test_a_rate_that_is_lowered_is_lowered_for_both():
    method = started(gan(learning_rate=0.004, generator_learning_rate=0.001), streams())
    method.learning_rate = 0.0004  # as after a roll-back
    assert rates(method, 0) == pytest.approx({"d": 4e-4, "g": 1e-4})


def test_no_rate_decays_below_the_least():
    method = started(gan(learning_rate=0.004, generator_learning_rate=0.002, decay_epochs=9, least_learning_rate=1e-4), streams())
    assert rates(method, 8) == pytest.approx({"d": 0.004 / 3, "g": 0.002 / 3})
    assert rates(method, 9) == rates(method, 50) == {"d": 1e-4, "g": 1e-4}


def test_betas_and_the_place_of_epsilon_are_those_given_and_else_the_sources():
    found = {name: (type(o), o.param_groups[0]["betas"]) for name, o in gan().optimizers.items()}
    assert found == {"d": (AdamInside, (0.5, 0.999)), "g": (AdamInside, (0.5, 0.999))}
    method = gan(beta2=0.9999, generator_beta1=0.0, adam_epsilon="outside_sqrt")
    found = {name: (type(o), o.param_groups[0]["betas"]) for name, o in method.optimizers.items()}
    assert found == {"d": (torch.optim.Adam, (0.5, 0.9999)), "g": (torch.optim.Adam, (0.0, 0.9999))}


def test_options_that_repeat_the_defaults_change_no_bit():
    def trained(**options) -> dict:
        s = streams()
        method = started(gan(weight=0.5, decay_epochs=6, **options), s)
        for t, batch in zip(range(4), s.epoch(), strict=False):
            method.step(batch, t)
        return method.state_dict()

    own = {"generator_learning_rate": 3e-3, "generator_beta1": 0.5, "beta2": 0.999, "adam_epsilon": "inside_sqrt"}
    assert_same(trained(), trained(**own))
