"""The meter: means of the terms, and the first that is not finite."""

import math

import pytest
import torch

from gan_sntg.errors import NonFiniteError
from gan_sntg.training.meter import Meter, Meters


def test_the_meter_gives_the_mean_of_each_term_over_the_steps_that_had_it():
    meter = Meter()
    for step, terms in enumerate([{"a": 1.0}, {"a": 3.0, "b": 10.0}, {"a": 5.0, "b": 20.0}, {"b": 60.0}]):
        meter.add({name: torch.tensor(value) for name, value in terms.items()}, step)
    assert meter.read(1) == {"a": 3.0, "b": 30.0}
    assert meter.read(1) == {}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_meter_names_the_first_term_that_is_not_finite_its_epoch_and_step(value):
    meter = Meter()
    for step in range(10):
        bad, later = value if step >= 7 else 1.0, value if step > 7 else 1.0
        meter.add({"d/early": torch.tensor(later), "d/graph": torch.tensor(bad)}, step)
    with pytest.raises(NonFiniteError, match="the term d/graph is not finite since epoch 2, step 7"):
        meter.read(steps_per_epoch=3)


def test_the_meters_of_runs_abreast_give_each_its_means():
    meters = Meters(["a", "b"])
    for step, terms in enumerate([{"d/x": [1.0, 10.0]}, {"d/x": [3.0, 30.0], "d/y": [5.0, 50.0]}]):
        meters.add({name: torch.tensor(value) for name, value in terms.items()}, step)
    assert meters.read(1) == [{"d/x": 2.0, "d/y": 5.0}, {"d/x": 20.0, "d/y": 50.0}]
    assert meters.read(1) == [{}, {}]


def test_the_meters_name_the_run_whose_term_is_not_finite():
    meters = Meters(["seed 3", "seed 4"])
    for step in range(4):
        meters.add({"d/x": torch.tensor([1.0, math.nan if step >= 2 else 1.0])}, step)
    with pytest.raises(NonFiniteError, match="^seed 4: the term d/x is not finite since epoch 1, step 2"):
        meters.read(steps_per_epoch=2)
