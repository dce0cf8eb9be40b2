"""The script that measures how fast seeds are together: its ways take the same steps."""

import runpy
from pathlib import Path

import pytest
import torch
from helpers.tiny import weights

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script(monkeypatch) -> dict:
    monkeypatch.chdir(ROOT)
    return runpy.run_path("scripts/benchmarks/seeds_speed.py")


def test_the_ways_take_the_same_steps(script):
    apart, abreast = (script["Runs"]("digits_20/fm_gan_sntg, halves", [0, 1], 1, abreast) for abreast in (False, True))
    for runs in apart, abreast:
        runs.steps(2)
    stack = abreast.methods[0].discriminator.parameters()
    found = torch.cat([p.detach().flatten(1) for p in stack], 1)
    torch.testing.assert_close(found, torch.stack([weights(m.discriminator) for m in apart.methods]), rtol=1e-2, atol=1e-3)


def test_the_table_has_a_line_for_each_row_and_a_column_for_each_way(script):
    ways = {name: {"median": 10.0 * k, "ratio": float(k)} for k, name in enumerate(script["WAYS"], 1)}
    last = script["table"]({"digits_20/fm_gan": ways}).splitlines()[-1]
    assert last == "| digits_20/fm_gan | 10.0 (x 1.00) | 20.0 (x 2.00) | 30.0 (x 3.00) |"
