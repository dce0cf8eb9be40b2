"""Schedules at the values that the reference states."""

from math import exp

import pytest

from gan_sntg.core.schedules import linear_tail, ramp_up


@pytest.mark.parametrize(("t", "value"), [(10, 0.022), (20, 0.060), (40, 0.287), (60, 0.732), (80, 1.0), (300, 1.0)])
def test_ramp_up_has_the_reference_values(t, value):
    assert ramp_up(t, 80) == pytest.approx(value, abs=5e-4)


def test_ramp_up_is_zero_until_its_start_and_in_the_first_epoch():
    assert ramp_up(0, 80) == 0 and ramp_up(0, 0) == 0
    assert ramp_up(30, 80, 30) == 0 and ramp_up(31, 80, 30) == pytest.approx(exp(-5 * (1 - 1 / 80) ** 2))
    assert ramp_up(31, 0, 30) == 1


def test_linear_tail_is_that_of_cifar_over_1200_epochs():
    for t in (0, 400, 800, 801, 1000, 1199):
        assert linear_tail(t, 1200) == pytest.approx(min(3 - t / 400, 1))
    assert linear_tail(5, None) == 1
