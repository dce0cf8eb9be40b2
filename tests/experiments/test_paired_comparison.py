"""Comparisons pair runs by their seed, and searches try only options that there are."""

import json
import runpy
from pathlib import Path

import pytest

from gan_sntg.experiments import search
from gan_sntg.experiments.search import Comparison, arguments
from gan_sntg.runs.options import config_parser

SCRIPTS = Path(__file__).parents[2] / "scripts" / "studies"
ERRORS = {"supervised": 10.0, "pi": 4.0, "pi_sntg": 3.0}


@pytest.fixture
def compared(monkeypatch, tmp_path) -> Comparison:
    """Three rows of ten seeds whose runs are made up: the error rises with the seed but with SNTG, so that pairs differ by -1 ... -10."""
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()

    def run_all(jobs: dict[str, list[str]], processes: int) -> dict[str, dict]:
        found = {}
        for out, words in jobs.items():
            name, seed = Path(out).parts[-2:]
            assert words == ["--config", f"{name}.yaml", "--seed", seed, "--data_seed", seed]
            error = ERRORS[name] + (0 if name == "pi_sntg" else int(seed))
            found[out] = {"test_error_averaged": error, "test_error_last": 50.0, "seconds": 7.0}
        return found

    monkeypatch.setattr(search, "run_all", run_all)
    rows = {name: ["--config", f"{name}.yaml"] for name in ERRORS}
    pairs = [("pi", "supervised"), ("pi_sntg", "pi")]
    return Comparison("script", "name", "heading", rows, pairs, range(10), [])


def test_differences_are_taken_between_runs_of_one_seed(compared):
    compared.table(1)
    found = json.loads(Path("results/name.json").read_text())
    expected = {"mean": -1 - 4.5, "std": (55 / 6) ** 0.5, "n": 10}  # of those pairs
    assert {k: found["paired"]["pi_sntg - pi"][k] for k in expected} == pytest.approx(expected)
    assert found["paired"]["pi - supervised"]["interval"] == pytest.approx([-6, -6])
    assert found["methods"]["pi"]["averaged"]["errors"] == [4.0 + seed for seed in range(10)]
    assert found["command"] == "python scripts/script.py"


def test_the_table_in_markdown(compared, capsys):
    compared.table(1)
    text = Path("results/name.md").read_text()
    assert text in capsys.readouterr().out
    lines = text.splitlines()
    assert lines[0] == "| heading | averaged weights, % | last weights, % | s a run, one thread |"
    assert "| pi_sntg | 3.00 ± 0.00 | 50.00 ± 0.00 | 7 |" in lines
    assert "| pi - supervised | -6.00 | -6.00 to -6.00 |" in lines


@pytest.mark.parametrize("script", ["digits", "plane", "mnist10k"])
def test_every_row_and_trial_of_a_search_is_made_of_options_that_there_are(script, monkeypatch):
    monkeypatch.chdir(SCRIPTS.parents[1])
    made = runpy.run_path(str(SCRIPTS / f"{script}.py"))["SEARCH"]
    assert made.script == script and set(made.trials) <= set(made.rows) and set(made.longer) <= set(made.trials)
    parser = config_parser()
    for row, trials in made.trials.items():
        for trial in trials:
            parser.parse_args([*made.rows[row], *made.words, *arguments(trial)])


def test_a_trial_may_set_several_options_at_once():
    assert arguments({"a": "1", "b,c": "x,y"}) == ["--method.a", "1", "--method.b", "x", "--method.c", "y"]
