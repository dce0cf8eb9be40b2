"""The script that measures the loss over all pairs: it compares the same loss, and measures it."""

import runpy
from pathlib import Path

import pytest
import torch

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "scripts/benchmarks/graph_speed.py"))


@pytest.mark.parametrize("n", [2, 9])
@pytest.mark.parametrize("other", ["gathered", "broadcast"])
def test_what_is_compared_has_the_same_value_and_gradient(n, other):
    torch.testing.assert_close(SCRIPT["call"](other, *SCRIPT["inputs"](n)), SCRIPT["call"]("all pairs", *SCRIPT["inputs"](n)))


def test_every_repeat_is_timed_but_the_first():
    found = SCRIPT["timed"](3, repeats=2)
    assert list(found) == list(SCRIPT["LOSSES"]) and all(len(times) == 2 and min(times) > 0 for times in found.values())


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells the peak of a process")
def test_the_rise_of_memory_holds_the_tensors_that_are_known_to_be_made():
    n, d = 300, SCRIPT["D"]
    matrix, pairs = 4 * n * n * d / 2**20, 4 * n * (n - 1) / 2 * d / 2**20  # MB of [n, n, D] and [S, D]
    assert SCRIPT["rise"]("broadcast", n) > matrix and SCRIPT["rise"]("gathered", n) > pairs > SCRIPT["rise"]("all pairs", n)


def test_the_table_has_ratios_to_all_pairs_and_says_what_is_not_installed():
    rows = {"all pairs": {"ms": [1.0, 2.0, 3.0], "mb": 0.5}, "gathered": {"ms": [4.0, 5.0, 6.0], "mb": 70.0}, "metric learning": None}
    assert SCRIPT["table"]({"512": rows}).splitlines()[2:] == [
        "| n = 512, all pairs | 2.00 (1.00 to 3.00) | 1.0 | 0.5 |",
        "| n = 512, gathered | 5.00 (4.00 to 6.00) | 2.5 | 70.0 |",
        "| n = 512, metric learning | not installed |  |  |",
    ]
