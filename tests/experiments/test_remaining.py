"""How long a grid will take, from what is known."""

import pytest

from gan_sntg.experiments.executors import duration, estimate


def test_what_is_left_is_that_of_like_cells_and_of_the_mean_where_there_are_none():
    cells = [("a", 1.0, 10.0), ("a", 0.0, None), ("b", 0.5, 15.0), ("b", 0.0, None), ("c", 0.0, None)]
    assert estimate(cells) == pytest.approx(10 + 15 + 30 + 20)
    assert estimate([("a", 0.0, None)]) is None


def test_durations_are_rounded_for_the_eye():
    assert [duration(s) for s in (4.2, 90, 3600 * 1.4, 3600 * 3.5)] == ["4 s", "2 min", "84 min", "3.5 h"]
