"""The README's results are those of the result files, and cells without a result are empty."""

import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> dict:
    return runpy.run_path(str(ROOT / "scripts" / "studies" / "readme_tables.py"))


def test_the_readme_is_not_stale(script, monkeypatch):
    monkeypatch.chdir(ROOT)
    text = Path("README.md").read_text()
    assert script["replaced"](text, script["tables"](Path("results"))) == text, "run python scripts/studies/readme_tables.py"


def report(scale: float, mean: float, seeds: int) -> str:
    """A result file of one cell of Table 4."""
    errors = {"averaged": {"mean": mean, "std": 0.5}}
    cells = {"mnist_100/fm_gan": {"errors": errors, "seeds": list(range(seeds))}}
    return json.dumps({"grid": "table4", "scale": scale, "command": f"gan-sntg reproduce table4 --scale {scale:g}", "cells": cells})


def test_a_cell_has_the_longest_schedules_figure_and_says_how_long_it_was(script, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    (tmp_path / "gpu").mkdir()
    (tmp_path / "other.json").write_text('{"command": "something else"}')
    (tmp_path / "table4_scale0.1.json").write_text(report(0.1, 1.44, 3))
    made = script["tables"](tmp_path)
    assert "| FM-GAN |  | 16.77 ± 4.52 |  | 2.21 ± 1.36 | 1.44 ± 0.50 (n = 3, 0.1 of the length) | 0.93 ± 0.065 |" in made
    assert "| FM-GAN + SNTG |  |  |  |  |  |  |" in made and "`gan-sntg reproduce table4 --scale 0.1`" in made
    (tmp_path / "gpu" / "table4.json").write_text(report(1, 0.95, 10))
    made = script["tables"](tmp_path)
    assert "| 0.95 ± 0.50 (n = 10) | 0.93 ± 0.065 |" in made and "--scale 0.1`" not in made


def test_a_table_that_is_none_of_the_papers_stands_as_it_was_reported(script, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    (tmp_path / "digits.md").write_text("error rates\n\n| a |\n| --- |\n| 1 |\n")
    assert "**Error rates**\n\n| a |\n| --- |\n| 1 |\n" in script["tables"](tmp_path)
