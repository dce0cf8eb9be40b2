"""Scripts that measure speed compare the same loss, or the same steps, and tell what they measured."""

import runpy
from pathlib import Path

import pytest
import torch
from helpers.tiny import weights

ROOT = Path(__file__).parents[2]
GRAPH, SEEDS = (runpy.run_path(str(ROOT / f"scripts/benchmarks/{name}_speed.py")) for name in ("graph", "seeds"))


@pytest.mark.parametrize("n", [2, 9])
@pytest.mark.parametrize("other", ["gathered", "broadcast"])
def test_what_is_compared_has_the_same_value_and_gradient(n, other):
    torch.testing.assert_close(GRAPH["call"](other, *GRAPH["inputs"](n)), GRAPH["call"]("all pairs", *GRAPH["inputs"](n)))


def test_every_repeat_is_timed_but_the_first():
    found = GRAPH["timed"](3, repeats=2)
    assert list(found) == list(GRAPH["LOSSES"]) and all(len(times) == 2 and min(times) > 0 for times in found.values())


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells the peak of a process")
def test_the_rise_of_memory_holds_the_tensors_that_are_known_to_be_made():
    n, d = 300, GRAPH["D"]
    matrix, pairs = 4 * n * n * d / 2**20, 4 * n * (n - 1) / 2 * d / 2**20  # MB of [n, n, D] and [S, D]
    assert GRAPH["rise"]("broadcast", n) > matrix and GRAPH["rise"]("gathered", n) > pairs > GRAPH["rise"]("all pairs", n)


def test_the_tables_have_ratios_to_the_first_and_say_what_is_not_installed():
    rows = {"all pairs": {"ms": [1.0, 2.0, 3.0], "mb": 0.5}, "gathered": {"ms": [4.0, 5.0, 6.0], "mb": 70.0}, "metric learning": None}
    assert GRAPH["table"]({"512": rows}).splitlines()[2:] == [
        "| n = 512, all pairs | 2.00 (1.00 to 3.00) | 1.0 | 0.5 |",
        "| n = 512, gathered | 5.00 (4.00 to 6.00) | 2.5 | 70.0 |",
        "| n = 512, metric learning | not installed |  |  |",
    ]
    ways = {name: {"median": 10.0 * k, "ratio": float(k)} for k, name in enumerate(SEEDS["WAYS"], 1)}
    last = SEEDS["table"]({"digits_20/fm_gan": ways}).splitlines()[-1]
    assert last == "| digits_20/fm_gan | 10.0 (x 1.00) | 20.0 (x 2.00) | 30.0 (x 3.00) |"


def test_seeds_take_the_same_steps_in_every_way(monkeypatch):
    monkeypatch.chdir(ROOT)
    apart, abreast = (SEEDS["Runs"]("digits_20/fm_gan_sntg, halves", [0, 1], 1, abreast) for abreast in (False, True))
    for runs in apart, abreast:
        runs.steps(2)
    stack = abreast.methods[0].discriminator.parameters()
    found = torch.cat([p.detach().flatten(1) for p in stack], 1)
    torch.testing.assert_close(found, torch.stack([weights(m.discriminator) for m in apart.methods]), rtol=1e-2, atol=1e-3)
