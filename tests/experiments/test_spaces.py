"""Searches: every one of configs/search can be planned, spaces are what their YAML says, and what cannot be is refused."""

from pathlib import Path

import pytest
import yaml
from helpers.studies import RATE, SPACE

from gan_sntg.errors import InputError
from gan_sntg.experiments import tuning
from gan_sntg.experiments.spaces import Range, Space, load_search, plan_study, read_space
from gan_sntg.files.yaml_files import configs_folder


@pytest.mark.parametrize("path", sorted((configs_folder() / "search").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_search_is_made_of_options_that_there_are(path):
    search = load_search(path.stem)
    for row in search.rows.values():
        assert plan_study(search, row, 1, [], None, 0).most > 0


def test_lengths_of_a_space_are_scaled_in_the_runs_and_whole_in_what_is_chosen():
    search = load_search("mnist_50")
    plan = plan_study(search, search.rows["stopping"], 1, [], None, 0)
    options = plan.space.options({"graph": "as published"})
    words = plan.trial_words(options)
    assert options["method.sntg.stop_epochs"] == "200"
    assert {name: words[words.index(f"--method.sntg.{name}") + 1] for name in ("stop_epochs", "ramp_epochs", "margin")} == {
        "stop_epochs": "20",
        "ramp_epochs": "5",
        "margin": "3",
    }


def test_a_space_gives_numbers_lists_and_choices_of_several_options():
    space = read_space({"a": {"low": 1, "high": 3}, "b": [0.25, None, "x"], "c": {"both": {"d": 1, "e": True}, "none": {}}})
    assert space == Space(
        {
            "a": Range(1, 3),
            "b": {"0.25": {"b": "0.25"}, "null": {"b": "null"}, "x": {"b": "x"}},
            "c": {"both": {"d": "1", "e": "True"}, "none": {}},
        }
    )
    assert space.options({"a": 2, "b": "null", "c": "both"}) == {"a": "2", "b": "null", "d": "1", "e": "True"}
    near = read_space({"a": {"low": 0.12345, "high": 1.0}, "b": [0.99991, 0.99992, float("inf")]})
    assert (
        near.options({"a": 0.12345, "b": "0.99992"}) == {"a": "0.1235", "b": "0.99992"}
        and near.options({"a": 0.54321, "b": ".inf"})["a"] == "0.5432"
    )
    assert space.size is None and read_space({"b": [1, 2], "c": [3, 4, 5]}).size == 6


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({}, "nothing to choose from"),
        ({"a": []}, "a is neither a list of values"),
        ({"a": 3}, "a is neither a list of values"),
        ({"a": {"low": 1}}, "a is neither a list of values"),
        ({"a": {"low": 2, "high": 1}}, "low must be below high"),
        ({"a": {"low": 0.0, "high": 1.0, "log": True}}, "above 0 for log"),
        ({"a": {"low": "x", "high": 1}}, "low must be below high"),
        ({"a": [1, 1]}, "a has one value twice"),
        ({"a": [1, 2], "b": {"c": {"a": 3}}}, "a is set by a and by b"),
    ],
)
def test_a_space_that_cannot_be_is_refused_by_its_file_and_row(place, refused, tree, said):
    rows = {"own": {"config": "tiny.yaml", "space": tree}}
    Path("search.yaml").write_text(yaml.safe_dump({"rows": rows}))
    refused(["tune", "search.yaml"], "search.yaml, row own: ", said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none"], "none.yaml is neither a file nor a configuration"),
        (["search.yaml", "--only", "x"], "--only 'x' matches no row of search; there are listed, own"),
        (["search.yaml", "--", "--seed", "3"], "--seed cannot be given"),
        (["search.yaml", "--", "--validation=false"], "--validation cannot be given"),
        (["search.yaml", "--", "--no_option", "3"], "no_option"),
        (["search.yaml", "--", RATE, "0.1"], "--method.learning_rate stands after --, but the study listed searches it"),
        (["tiny.yaml"], "tiny.yaml is no search"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(place, refused, words, said):
    refused(["tune", *words], said)


def test_an_unknown_option_of_the_space_a_grid_of_ranges_and_another_study_in_the_folder_are_refused(place, command, refused):
    tree = yaml.safe_load(Path("search.yaml").read_text())
    assert command("tune", "search.yaml", "--only", "own", "--trials", "1", "--out", "out").status == 0
    refused(["tune", "search.yaml", "--only", "own", "--out", "out", "--seed", "1"], "holds a study with other seed (0 there, 1 here)")
    refused(["tune", "search.yaml", "--only", "own", "--out", "out", "--", "--epochs", "2"], "holds a study with other configuration")
    tree["rows"]["own"]["sampler"] = "grid"
    Path("search.yaml").write_text(yaml.safe_dump(tree))
    refused(["tune", "search.yaml", "--only", "own", "--out", "new"], "is a range; give a list of values, or sampler: tpe")
    for space, said in (
        ({"method.sntg.wieght": [1, 2]}, "wieght"),
        ({"some": {"a": {}, "b": {"method.sntg.wieght": 1}}}, "wieght"),
        ({"seed": [5, 6]}, "--seed cannot be given"),
        ({"validation": [False, True]}, "--validation cannot be given"),
        ({"metric": ["error", "f1_error"]}, "metric cannot be searched, for trials are compared by one; give --metric after --"),
    ):
        tree["rows"]["own"]["space"] = space
        Path("search.yaml").write_text(yaml.safe_dump(tree))
        refused(["tune", "search.yaml", "--only", "own", "--out", "new"], said)
    tree["rows"]["own"] |= {"space": SPACE, "sampler": "tpe", "seeds": "3,3"}
    Path("search.yaml").write_text(yaml.safe_dump(tree))
    refused(["tune", "search.yaml", "--only", "own", "--out", "new"], "one is there twice")
    refused(["tune", "search.yaml", "--only", "listed", "--out", "tiny.yaml"], "tiny.yaml/listed cannot be written")


def test_a_damaged_journal_is_refused(place, refused):
    Path("out/own").mkdir(parents=True)
    Path("out/own/study.journal").write_text("[]\nno json\n")
    refused(["tune", "search.yaml", "--only", "own", "--out", "out"], "study.journal cannot be read", "give another --out")


def test_without_optuna_the_message_says_how_to_install_it(place, refused, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    refused(["tune", "search.yaml"], "install it with pip install 'gan-sntg[tune]'")
    with pytest.raises(InputError):
        tuning.optuna()
