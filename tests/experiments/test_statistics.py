"""What seeds say, against cases solved by hand."""

import math

import pytest

from gan_sntg.experiments.statistics import difference, student_difference, summary


def test_summary_divides_by_n_minus_1_and_gives_no_deviation_of_one_value():
    assert summary([1.0, 2.0, 6.0]) == {"n": 3, "mean": 3.0, "std": pytest.approx(math.sqrt(7))}
    assert summary([4.0]) == {"n": 1, "mean": 4.0, "std": None}


def test_a_difference_is_taken_seed_by_seed_where_both_are():
    found = difference({0: 10.0, 1: 20.0, 2: 30.0, 7: 0.0}, {2: 29.0, 1: 17.0, 0: 8.0, 5: 99.0})
    assert found["seeds"] == [0, 1, 2]
    assert (found["mean"], found["std"]) == (pytest.approx(-2.0), pytest.approx(1.0))  # -2, -3, -1
    assert (found["better"], found["worse"], found["sign_p"]) == (3, 0, pytest.approx(0.25))  # 2 / 2^3


def test_the_bootstrap_of_two_pairs_runs_from_one_to_the_other():
    # of four resamples (a, a), (a, b), (b, a), (b, b) each end has a quarter, more than 2.5 %
    assert difference({0: 0.0, 1: 0.0}, {0: -1.0, 1: 3.0})["interval"] == [-1.0, 3.0]


def test_the_bootstrap_of_three_pairs_ends_at_its_quantiles():
    # means of three draws of 0, 0, 27: 27 k / 3 with k binomial(3, 1/3): P(0) = 8/27, P(27) = 1/27 = 3.7 % > 2.5 %
    assert difference(dict.fromkeys(range(3), 0.0), {0: 0.0, 1: 0.0, 2: 27.0})["interval"] == [0.0, 27.0]
    # of five, P(all the large one) = 1/3125, P(>= 4) = 0.67 %, P(>= 3) = 5.8 %: the end is 3/5
    assert difference(dict.fromkeys(range(5), 0.0), {0: 0.0, 1: 0.0, 2: 0.0, 3: 0.0, 4: 5.0})["interval"] == [0.0, pytest.approx(3.0)]


def test_the_sign_test_leaves_ties_out_and_is_two_sided():
    found = difference(dict.fromkeys(range(6), 1.0), {0: 0.0, 1: 0.0, 2: 0.0, 3: 0.0, 4: 2.0, 5: 1.0})
    assert (found["better"], found["worse"]) == (4, 1)
    assert found["sign_p"] == pytest.approx(2 * (1 + 5) / 32)
    assert difference({0: 1.0}, {0: 1.0})["sign_p"] is None


def test_one_pair_has_no_interval_and_pairs_without_a_common_seed_are_none():
    assert difference({3: 1.0}, {3: 2.0})["interval"] is None
    with pytest.raises(KeyError, match="no seed"):
        difference({3: 1.0}, {4: 2.0})


def test_the_interval_of_a_paired_difference_by_student():
    found = student_difference([1.0, 2.0, 3.0], [2.0, 5.0, 5.0])  # differences 1, 3, 2: mean 2, deviation 1; t(0.975, 2 degrees) = 4.3027
    assert found["mean"] == 2 and found["interval"] == pytest.approx([2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5], rel=1e-6)
