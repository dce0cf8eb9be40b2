"""How studies choose and compare: statistics against the textbook's, and a search that is told what every run would give."""

from pathlib import Path

import pytest

from gan_sntg.experiments import search
from gan_sntg.experiments.search import grid, label, paired, summary, tune


def test_summary_divides_by_n_minus_1_and_gives_no_deviation_of_one_value():
    assert summary([1.0, 2.0, 6.0]) == {"n": 3, "mean": 3.0, "std": pytest.approx(7**0.5)}
    assert summary([4.0]) == {"n": 1, "mean": 4.0, "std": None}


def test_the_interval_of_a_paired_difference_is_students():
    found = paired([1.0, 2.0, 3.0], [2.0, 5.0, 5.0])  # differences 1, 3, 2: mean 2, deviation 1; t(0.975, 2 degrees) = 4.3027
    assert found["mean"] == 2 and found["interval"] == pytest.approx([2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5], rel=1e-6)


def test_a_grid_holds_every_combination_and_a_label_is_a_folder_name():
    assert grid({"a": ["1", "2"], "b,c": ["x,y"]}) == [{"a": "1", "b,c": "x,y"}, {"a": "2", "b,c": "x,y"}]
    assert label({"a": "1", "b,c": "x,y"}) == "1-x_y"


@pytest.fixture
def asked(monkeypatch) -> list[tuple[str, int]]:
    """(weight, seed) of every run that a search asks for; a run's validation error is its weight, but 50 for weight 0 at seed 9."""
    kept = []

    def run_all(jobs: dict[str, list[str]], processes: int) -> dict[str, dict]:
        results = {}
        for out, words in jobs.items():
            given = dict(zip(words[::2], words[1::2], strict=True))
            seed = int(given["--seed"])
            assert given["--data_seed"] == str(seed) and given["--validation"] == "true"
            kept.append((given["--method.weight"], seed))
            results[out] = {"validation_error": 50.0 if (given["--method.weight"], seed) == ("0", 9) else float(given["--method.weight"])}
        return results

    monkeypatch.setattr(search, "run_all", run_all)
    return kept


def words(trial: dict[str, str]) -> list[str]:
    """The command line of a trial."""
    return ["--config", "a.yaml", "--method.weight", trial["weight"]]


def test_a_search_of_one_stage_chooses_the_least_mean(asked):
    found = tune(Path("runs"), grid({"weight": ["3", "1", "2"]}), words, [range(5, 7)], 1)
    assert found["chosen"] == {"weight": "1"} and [row["mean"] for row in found["trials"]] == [1, 2, 3]
    assert sorted(asked) == [(w, s) for w in "123" for s in (5, 6)]


def test_a_second_stage_goes_on_with_the_best_four_and_decides(asked):
    found = tune(Path("runs"), grid({"weight": ["0", "1", "2", "3", "4"]}), words, [range(8, 9), range(8, 10)], 1)
    assert ("4", 8) in asked and ("4", 9) not in asked
    assert found["chosen"] == {"weight": "1"}  # 0 was the best of the first stage
    assert [(row["trial"], row["n"]) for row in found["trials"]] == [("1", 2), ("2", 2), ("3", 2), ("0", 2), ("4", 1)]
