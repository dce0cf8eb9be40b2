"""Searches choose on validation errors, at seeds of their own, among options that there are."""

from pathlib import Path

import pytest
import yaml
from helpers.trees import POINTS

from gan_sntg.errors import InputError, UnhealthyError
from gan_sntg.experiments import search
from gan_sntg.experiments.plan import Cell
from gan_sntg.experiments.search import Search, SearchedRow, load_search, option_words
from gan_sntg.files.yaml_files import configs_folder

TRIALS = {"digits_20": [8, 2, 6, 2, 6, 2, 6, 2, 6, 2, 6, 2, 8, 12], "mnist10k_100": [2, 4, 3, 2, 2, 2, 2, 2], "plane": [8, 4, 2, 2]}
TRIALS |= {"digits_noise": [4, 3]}


@pytest.mark.parametrize("path", sorted((configs_folder() / "search").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_trial_is_made_of_options_that_there_are(path):
    found = load_search(path.stem)
    assert [len(found.cells(row, row.trials(), [0])) for row in found.rows.values()] == TRIALS[path.stem]


def test_trials_are_every_combination_or_a_sample_of_them_and_name_folders():
    row = SearchedRow("a", {"a": ["1", "2"], "b,c": ["x,y"]})
    assert row.trials() == {"1-x_y": {"a": "1", "b,c": "x,y"}, "2-x_y": {"a": "2", "b,c": "x,y"}}
    assert len(SearchedRow("a", row.values, sample=1).trials()) == 1
    assert option_words(row.trials()["2-x_y"]) == ["--method.a", "2", "--method.b", "x", "--method.c", "y"]


@pytest.fixture
def asked(monkeypatch) -> list[tuple[str, int]]:
    """(rate, seed) of every run asked for; its validation error is the rate, but 50 for 0.1 at seed 9."""
    kept = []

    def errors(cells: list[Cell], processes: int) -> list[float]:
        kept.extend((cell.row.key, cell.seed) for cell in cells)
        assert all(cell.config["validation"] == "True" and cell.words[-1] == cell.words[-3] == str(cell.seed) for cell in cells)
        return [50.0 if (cell.row.key, cell.seed) == ("0.1", 9) else float(cell.row.key) for cell in cells]

    monkeypatch.setattr(search, "validation_errors", errors)
    return kept


def searched(*rates: str, seeds: list[str]) -> dict:
    return Search("s", "digits", {}, seeds).run(SearchedRow("pi_model", {"learning_rate": [*rates]}), 1)


def test_a_search_of_one_stage_chooses_the_least_mean(asked):
    found = searched("3", "1", "2", seeds=["5..6"])
    assert found["chosen"] == {"learning_rate": "1"} and [row["mean"] for row in found["trials"]] == [1, 2, 3]
    assert sorted(asked) == [(rate, seed) for rate in "123" for seed in (5, 6)]


def test_a_second_stage_goes_on_with_the_best_four_and_decides(asked):
    found = searched("0.1", "1", "2", "3", "4", seeds=["8", "8..9"])
    assert ("4", 8) in asked and ("4", 9) not in asked
    assert found["chosen"] == {"learning_rate": "1"}  # 0.1 was the best of the first stage
    assert [(row["trial"], row["n"]) for row in found["trials"]] == [("1", 2), ("2", 2), ("3", 2), ("0.1", 2), ("4", 1)]


@pytest.fixture
def tiny_search(tmp_path, monkeypatch) -> Search:
    """A search of the points' learning rate, its grid and its config."""
    monkeypatch.chdir(tmp_path)
    Path("configs/spins").mkdir(parents=True)
    Path("configs/spins/alone.yaml").write_text(yaml.safe_dump(POINTS))
    Path("grid.yaml").write_text(yaml.safe_dump({"title": "t", "columns": {"spins": {"name": "S"}}, "rows": {"alone": {"name": "A"}}}))
    rows = {"alone": {"values": {"learning_rate": ["0.01", "0.001"]}}}
    Path("tiny.yaml").write_text(yaml.safe_dump({"grid": "grid.yaml", "seeds": ["7"], "rows": rows}))
    return load_search("tiny.yaml")


def test_trials_are_runs_of_train_which_are_only_read_when_they_are_finished(tiny_search, contents):
    found = tiny_search.run(tiny_search.rows["alone"], 2)
    assert {row["trial"] for row in found["trials"]} == {"0.01", "0.001"} and 0 <= found["trials"][0]["mean"] <= 100
    before = contents("runs")
    assert Path("runs/tiny/search/alone/0.01/7/result.json") in [Path("runs") / path for path in before]
    assert tiny_search.run(tiny_search.rows["alone"], 1) == found and contents("runs") == before


def test_a_trial_that_fails_and_what_is_no_search_are_named(tiny_search):
    Path("runs/tiny/search/alone/0.01/7").mkdir(parents=True)
    Path("runs/tiny/search/alone/0.01/7/other").touch()
    with pytest.raises(UnhealthyError, match=r"1 trials failed; .*\n  runs/tiny/search/alone/0.01/7: .*not a run folder"):
        tiny_search.run(SearchedRow("alone", {"learning_rate": ["0.01"]}), 1)
    with pytest.raises(InputError, match="tiny: none names 0 cells of grid.yaml"):
        tiny_search.cells(SearchedRow("none", {}), {}, [0])
    Path("wrong.yaml").write_text("grid: grid.yaml\nseeds: ['7']\nrows: {alone: {values: {learning_rate: [0.1]}}}\n")
    with pytest.raises(InputError, match="wrong.yaml is no search .*Expected a <class 'str'>"):
        load_search("wrong.yaml")
