"""scripts/plane.py pairs runs by their seed, shows what they give, and searches only options that there are."""

import runpy
from pathlib import Path

import pytest

from gan_sntg.commands.building import config_parser

SCRIPTS = Path(__file__).parent.parent / "scripts"
ERRORS = {"supervised": 10.0, "pi_model": 4.0, "pi_model_sntg": 3.0}


@pytest.fixture
def script(monkeypatch) -> dict:
    """The names of the script, which imports another one beside it."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return runpy.run_path(str(SCRIPTS / "plane.py"))


def results(script: dict, cell: str) -> dict[str, dict]:
    """By run folder: the error of each method, higher by the seed but with SNTG, so that the pairs differ by -1, -2, ..., -10."""
    found = {}
    for name, error in ERRORS.items():
        for seed in script["TABLE_SEEDS"]:
            averaged = error + (0 if name == "pi_model_sntg" else seed)
            found[script["folder"](cell, name, seed)] = {"test_error_averaged": averaged, "test_error_last": 50.0, "seconds": 7.0}
    return found


def test_differences_are_taken_between_runs_of_one_seed(script):
    found = script["compared"]("two_moons_12", results(script, "two_moons_12"))
    expected = {"mean": -1 - 4.5, "std": (55 / 6) ** 0.5, "n": 10}  # of those pairs
    assert {k: found["paired"]["pi_model_sntg - pi_model"][k] for k in expected} == pytest.approx(expected)
    assert found["paired"]["pi_model - supervised"]["interval"] == pytest.approx([-6, -6])
    assert found["methods"]["pi_model"]["averaged"]["errors"] == [4.0 + seed for seed in range(10)]


def test_the_table_names_the_set_in_every_row(script):
    cells = {cell: script["compared"](cell, results(script, cell)) for cell in script["CELLS"]}
    lines = script["markdown"](cells).splitlines()
    for cell in cells:
        assert f"| {cell}, pi_model_sntg | 3.00 ± 0.00 | 50.00 ± 0.00 | 7 |" in lines
        assert f"| {cell}, pi_model - supervised | -6.00 | -6.00 to -6.00 |" in lines


def test_every_trial_of_the_search_is_made_of_options_that_there_are(script, monkeypatch):
    monkeypatch.chdir(SCRIPTS.parent)
    for cell in script["CELLS"]:
        for trial in [*script["PI_TRIALS"][cell], *script["SNTG_TRIALS"][cell]]:
            given = dict(zip(*[iter(trial.split())] * 2, strict=True))
            options = config_parser().parse_args([*script["words"](cell, "pi_model_sntg"), *trial.split()])
            assert {name: float(options[name.replace("--method", "method.init_args")]) for name in given} == {
                name: float(value) for name, value in given.items()
            }
