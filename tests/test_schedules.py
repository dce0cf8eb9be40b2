"""Schedules at the values that the reference states."""

from math import exp

import pytest

from gan_sntg.schedules import ExponentialDecay, LinearDecay, LinearTail, RampUpDown, linear_tail, ramp_down, ramp_up, ramp_up_down


@pytest.mark.parametrize(("t", "value"), [(10, 0.022), (20, 0.060), (40, 0.287), (60, 0.732), (80, 1.0), (300, 1.0)])
def test_ramp_up_has_the_reference_values(t, value):
    assert ramp_up(t, 80) == pytest.approx(value, abs=5e-4)


def test_ramp_up_is_zero_until_its_start_and_in_the_first_epoch():
    assert ramp_up(0, 80) == 0 and ramp_up(0, 0) == 0
    assert ramp_up(30, 80, 30) == 0 and ramp_up(31, 80, 30) == pytest.approx(exp(-5 * (1 - 1 / 80) ** 2))
    assert ramp_up(31, 0, 30) == 1


def test_a_weight_that_stops_falls_as_long_as_it_rose_and_is_then_zero():
    for t in range(301):
        rise = exp(-5 * (1 - (t - 10) / 50) ** 2) if t < 60 else 1
        fall = exp(-12.5 * (1 - (200 - t) / 50) ** 2) if t > 150 else 1
        assert ramp_up_down(t, 50, 10, 200) == pytest.approx(rise * fall * (10 < t < 200))
        assert ramp_up_down(t, 50, 10) == ramp_up(t, 50, 10)
    assert [ramp_up_down(t, 0, 0, 2) for t in range(4)] == [0, 1, 0, 0]


def test_linear_tail_is_that_of_cifar_over_1200_epochs():
    for t in (0, 400, 800, 801, 1000, 1199):
        assert linear_tail(t, 1200) == pytest.approx(min(3 - t / 400, 1))
    assert linear_tail(5, None) == 1


def test_up_and_down_multiply_the_rate_and_anneal_beta1():
    schedule = RampUpDown(epochs=300, up_epochs=80, down_epochs=50)
    for t in range(300):
        up = exp(-5 * (1 - t / 80) ** 2) if t < 80 else 1
        down = exp(-((0.5 * (t - 250)) ** 2) / 50) if t >= 250 else 1  # as the authors' code writes it
        assert schedule.at(t) == (pytest.approx(up * down), (pytest.approx(0.9 * down + 0.5 * (1 - down)), 0.999))


def test_the_rate_is_not_0_in_the_first_epoch_though_the_weight_is():
    assert RampUpDown(300).at(0)[0] == pytest.approx(0.0067, abs=5e-5) and ramp_up(0, 80) == 0


def test_mean_teacher_on_svhn_has_another_beta2_while_the_rate_rises():
    schedule = RampUpDown(epochs=360, early_beta2=0.99)
    assert [schedule.at(t)[1][1] for t in (0, 79, 80, 359)] == [0.99, 0.99, 0.999, 0.999]


def test_without_ends_the_rate_is_constant():
    assert {RampUpDown(10, up_epochs=0, down_epochs=0).at(t)[0] for t in range(10)} == {1.0}
    assert ramp_down(9, 10, 0) == 1


def test_vats_rate_falls_to_nothing_after_its_start():
    schedule = LinearDecay(epochs=500, start_epochs=460)
    for t in (0, 459, 460, 470, 499, 500):
        assert schedule.at(t) == (pytest.approx(min(1, (500 - t) / 40)), (0.9 if t < 460 else 0.5, 0.999))


def test_the_gans_schedule_as_an_object_is_its_function():
    for t in (0, 60, 90, 119):
        assert LinearTail(120, beta1=0.5).at(t) == (linear_tail(t, 120), (0.5, 0.999))
    assert LinearTail().at(10**6)[0] == 1


def test_triple_gans_rate_falls_by_a_factor_each_epoch_and_beta1_before_it():
    schedule = ExponentialDecay(300, 0.99, fall_epochs=50)
    for t in (0, 249, 275, 299, 300, 301, 999):
        down = exp(-((0.5 * (t - 250)) ** 2) / 50) if t >= 250 else 1
        assert schedule.at(t) == (pytest.approx(0.99 ** max(0, t - 300)), (pytest.approx(0.9 * down + 0.5 * (1 - down)), 0.999))
    assert ExponentialDecay(300).at(1000)[0] == pytest.approx(0.030, abs=5e-4)
    early = ExponentialDecay(330, early_epochs=30, early_factor=0.3)
    assert [early.at(t) for t in (0, 29, 30)] == [(0.3, (0.9, 0.999))] * 2 + [(1.0, (0.5, 0.999))]
