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
    assert meter.read() == {"a": 3.0, "b": 30.0}
    assert meter.read() == {}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_meter_names_the_first_term_that_is_not_finite_its_epoch_and_step(value):
    meter = Meter()
    for step in range(10):
        bad, later = value if step >= 7 else 1.0, value if step > 7 else 1.0
        meter.add({"d/early": torch.tensor(later), "d/graph": torch.tensor(bad)}, step)
    with pytest.raises(NonFiniteError, match="the term d/graph is not finite since epoch 2, step 7"):
        meter.check(steps_per_epoch=3)


def test_the_meters_of_runs_abreast_give_each_its_means():
    meters = Meters([Meter(), Meter()])
    for step, terms in enumerate([{"d/x": [1.0, 10.0]}, {"d/x": [3.0, 30.0], "d/y": [5.0, 50.0]}]):
        meters.add({name: torch.tensor(value) for name, value in terms.items()}, step)
    meters.check(1)
    assert [meter.read() for meter in meters.runs] == [{"d/x": 2.0, "d/y": 5.0}, {"d/x": 20.0, "d/y": 50.0}]


def test_meters_are_joined_and_taken_apart_as_they_were():
    meters = [Meter(), Meter()]
    for k, meter in enumerate(meters):
        meter.add({"a": torch.tensor(1.0 + k), "b": torch.tensor(2.0)}, 0)
        meter.add({"a": torch.tensor(3.0)}, 1)
    before, both = [str(meter.state_dict()) for meter in meters], Meters(meters)
    both.check(4)
    assert [str(meter.state_dict()) for meter in meters] == before
    again = Meter()
    again.load_state_dict(meters[1].state_dict())
    assert again.read() == meters[1].read() == {"a": 2.5, "b": 2.0}
    meters[1].whose = "two: "
    both.add({"a": torch.tensor([1.0, torch.nan])}, 2)
    with pytest.raises(NonFiniteError, match="two: the term a is not finite since epoch 0, step 2"):
        both.check(4)


@pytest.mark.parametrize("change", [{"count": 0}, {"sums": torch.zeros(3)}, {"first": torch.zeros(1)}])
def test_an_invalid_state_of_a_meter_is_refused(change):
    entry = {"names": ["a", "b"], "sums": torch.zeros(2), "first": torch.zeros(2, dtype=torch.int64), "count": 1}
    with pytest.raises(ValueError, match="not one a term"):
        Meter().load_state_dict([entry | change])
