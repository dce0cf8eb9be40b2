"""Comparisons pair runs by their seed, keep rows that were not made anew, and search only options that there are."""

import json
import runpy
from pathlib import Path

import pytest

from gan_sntg.commands import comparison
from gan_sntg.commands.building import config_parser
from gan_sntg.commands.comparison import Comparison, without_and_with
from gan_sntg.commands.study import arguments

SCRIPTS = Path(__file__).parent.parent / "scripts"
ERRORS = {"supervised": 10.0, "pi": 4.0, "pi_sntg": 3.0}


@pytest.fixture
def compared(monkeypatch, tmp_path) -> Comparison:
    """Three rows of ten seeds whose runs are made up: the error rises with the seed but with SNTG, so that pairs differ by -1 ... -10."""
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()
    asked = []

    def run_all(jobs: dict[str, list[str]], processes: int) -> dict[str, dict]:
        found = {}
        for out, words in jobs.items():
            name, seed = Path(out).parts[-2:]
            assert words == ["--config", f"{name}.yaml", "--seed", seed, "--data_seed", seed]
            asked.append(name)
            error = ERRORS[name] + (0 if name == "pi_sntg" else int(seed))
            found[out] = {"test_error_averaged": error, "test_error_last": 50.0, "seconds": 7.0}
        return found

    monkeypatch.setattr(comparison, "run_all", run_all)
    rows = {name: ["--config", f"{name}.yaml"] for name in ERRORS}
    pairs = without_and_with(["supervised", "pi"], "supervised")
    made = Comparison("script", "name", "heading", rows, pairs, range(10), [], {}, [])
    object.__setattr__(made, "asked", asked)
    return made


def test_differences_are_taken_between_runs_of_one_seed(compared):
    compared.table(list(ERRORS), 1)
    found = json.loads(Path("results/name.json").read_text())
    expected = {"mean": -1 - 4.5, "std": (55 / 6) ** 0.5, "n": 10}  # of those pairs
    assert {k: found["paired"]["pi_sntg - pi"][k] for k in expected} == pytest.approx(expected)
    assert found["paired"]["pi - supervised"]["interval"] == pytest.approx([-6, -6])
    assert found["methods"]["pi"]["averaged"]["errors"] == [4.0 + seed for seed in range(10)]
    assert found["methods"]["pi"]["command"] == "python scripts/script.py table --methods pi"


def test_the_table_in_markdown(compared, capsys):
    compared.table(list(ERRORS), 1)
    text = Path("results/name.md").read_text()
    assert text in capsys.readouterr().out
    lines = text.splitlines()
    assert lines[0] == "| heading | averaged weights, % | last weights, % | s a run, one thread |"
    assert "| pi_sntg | 3.00 ± 0.00 | 50.00 ± 0.00 | 7 |" in lines
    assert "| pi - supervised | -6.00 | -6.00 to -6.00 |" in lines


def test_a_row_made_anew_leaves_the_others_and_its_pairs_are_made_anew_too(compared, monkeypatch):
    compared.table(list(ERRORS), 1)
    monkeypatch.setitem(ERRORS, "pi", 5.0)
    compared.asked.clear()
    compared.table(["pi"], 1)
    assert set(compared.asked) == {"pi"}
    found = json.loads(Path("results/name.json").read_text())
    assert list(found["methods"]) == list(ERRORS)
    assert found["paired"]["pi - supervised"]["mean"] == pytest.approx(-5)
    assert found["paired"]["pi_sntg - pi"]["mean"] == pytest.approx(-6.5)


@pytest.mark.parametrize("script", ["digits", "plane", "mnist10k"])
def test_every_row_and_trial_of_a_script_is_made_of_options_that_there_are(script, monkeypatch):
    monkeypatch.chdir(SCRIPTS.parent)
    monkeypatch.syspath_prepend(str(SCRIPTS))
    made = runpy.run_path(str(SCRIPTS / f"{script}.py"))["COMPARISON"]
    assert made.script == script and set(made.trials) <= set(made.rows)
    assert {row for pair in made.pairs for row in pair} <= set(made.rows)
    parser = config_parser()
    for row in made.rows:
        parser.parse_args(made.at(row, 0))
        for trial in made.trials.get(row, []):
            parser.parse_args([*made.rows[row], *made.search_words, *arguments(trial)])


def test_a_trial_may_set_several_options_at_once():
    assert arguments({"a": "1", "b,c": "x,y"}) == ["--method.a", "1", "--method.b", "x", "--method.c", "y"]
