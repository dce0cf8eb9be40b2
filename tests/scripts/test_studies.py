"""Scripts of studies: the README's tables are those of the result files, and sample quality is compared by pairs."""

import json
import runpy
from pathlib import Path

import pytest

from gan_sntg.errors import InputError
from gan_sntg.evaluation.fidelity_records import Measurement, Score, record

ROOT = Path(__file__).parents[2]
TABLES = runpy.run_path(str(ROOT / "scripts/studies/readme_tables.py"))


def test_the_readme_is_not_stale(monkeypatch):
    monkeypatch.chdir(ROOT)
    text = Path("README.md").read_text()
    assert TABLES["replaced"](text, TABLES["tables"](Path("results"))) == text, "run python scripts/studies/readme_tables.py"


def report(scale: float, mean: float, seeds: int) -> str:
    """A result file of one cell of Table 4."""
    errors = {"averaged": {"mean": mean, "std": 0.5}}
    cells = {"mnist_100/fm_gan": {"errors": errors, "seeds": list(range(seeds))}}
    return json.dumps({"grid": "table4", "scale": scale, "command": f"gan-sntg reproduce table4 --scale {scale:g}", "cells": cells})


def test_a_cell_has_the_longest_schedules_figure_and_says_how_long_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    (tmp_path / "gpu").mkdir()
    (tmp_path / "other.json").write_text('{"command": "something else"}')
    (tmp_path / "table4_scale0.1.json").write_text(report(0.1, 1.44, 3))
    made = TABLES["tables"](tmp_path)
    assert "| FM-GAN |  | 16.77 ± 4.52 |  | 2.21 ± 1.36 | 1.44 ± 0.50 (n = 3, 0.1 of the length) | 0.93 ± 0.065 |" in made
    assert "| FM-GAN + SNTG |  |  |  |  |  |  |" in made and "`gan-sntg reproduce table4 --scale 0.1`" in made
    (tmp_path / "gpu" / "table4.json").write_text(report(1, 0.95, 10))
    (tmp_path / "digits.md").write_text("error rates\n\n| a |\n| --- |\n| 1 |\n")  # none of the paper's
    made = TABLES["tables"](tmp_path)
    assert "| 0.95 ± 0.50 (n = 10) | 0.93 ± 0.065 |" in made and "--scale 0.1`" not in made
    assert "**Error rates**\n\n| a |\n| --- |\n| 1 |\n" in made


@pytest.fixture
def samples(monkeypatch, tmp_path) -> dict:
    """The script's names, with two rows of three trained seeds; scores are 10, 20, 30 and one less."""
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()
    made = runpy.run_path(str(ROOT / "scripts/studies/samples.py"))["main"].__globals__
    folders = {row: [f"runs/{row}/{seed}" for seed in range(3)] for row in ("fm_gan", "fm_gan_sntg")}
    for folder in (folder for own in folders.values() for folder in own):
        Path(folder).mkdir(parents=True)
    monkeypatch.setitem(made, "trained", lambda options: folders)

    def score(folder: str) -> None:
        row, seed = Path(folder).parts[-2:]
        value = 10 * (int(seed) + 1) - (row == "fm_gan_sntg")
        scores = {"fid_digits": Score(value, value - 2, value + 2), "recall_digits": Score(0.5, 0.4, 0.6)}
        samples = 50 if (row, seed) == ("fm_gan_sntg", "2") and made.get("odd") else 100
        record(Path(folder), Measurement({"samples": samples}, {"epoch": 1}, scores))

    monkeypatch.setitem(made, "score", score)
    return made


def test_the_table_has_means_over_seeds_and_paired_differences_and_nothing_is_scored_twice(samples, monkeypatch):
    samples["main"]("digits", 1)
    found = json.loads(Path("results/samples_digits.json").read_text())
    rows = found["rows"]
    assert rows["fm_gan"]["fid_digits"]["values"] == [10, 20, 30] and rows["fm_gan_sntg"]["fid_digits"]["halfwidths"] == [2, 2, 2]
    assert found["with SNTG - without"]["fid_digits"]["mean"] == -1 and found["provenance"] == {"samples": 100}
    line = "| fid_digits | lower | 20.000 ± 10.000 | 19.000 ± 10.000 | -1.000 | -1.000 to -1.000 |"
    assert line in Path("results/samples_digits.md").read_text().splitlines()
    monkeypatch.setitem(samples, "score", None)
    samples["main"]("digits", 1)


def test_scores_of_different_provenance_make_no_table(samples, monkeypatch):
    monkeypatch.setitem(samples, "odd", True)
    with pytest.raises(InputError, match="samples: 100, 50"):
        samples["main"]("digits", 1)
    assert not Path("results/samples_digits.md").exists()
