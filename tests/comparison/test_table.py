"""The table of compare: runs by configuration, means and differences against a naive count, names, notes, and what is refused."""

import json
import statistics
from pathlib import Path

import numpy as np
import pytest
from helpers.run_comparison import changed, copied, cut, reconfigured
from scipy.stats import t as student

ERRORS = {"with": {0: 20.0, 1: 31.0, 2: 24.5}, "without": {1: 30.0, 2: 27.5, 0: 26.25, 7: 12.5}}  # by seed and data seed


def remade(run: Path, to: Path, seed: int, error: float, **result) -> Path:
    """The run as if of another seed, with another error."""
    folder = copied(run, to)
    reconfigured(folder, seed=seed)
    changed(folder / "split.json", data_seed=seed)
    changed(folder / "result.json", test_error_averaged=error, **result)
    return folder


@pytest.fixture(scope="module")
def seeds(runs, tmp_path_factory) -> dict[str, list[Path]]:
    """Runs with and without SNTG at several seeds: to be read."""
    folder = tmp_path_factory.mktemp("seeds")
    return {run.name: [remade(run, folder / f"{run.name}{s}", s, e) for s, e in ERRORS[run.name].items()] for run in runs}


@pytest.fixture
def table(command, contents, tmp_path, monkeypatch):
    """Prints the table of runs: its rows after the head and the rule, of all tables, and all the text."""
    monkeypatch.chdir(tmp_path)

    def run(*words) -> tuple[list[list[str]], str]:
        before = contents(tmp_path)
        outcome = command("compare", "--table", *words)
        assert (outcome.status, outcome.err, contents(tmp_path)) == (0, "", before)
        lines = [line.strip("| ").split(" | ") for line in outcome.out.splitlines() if line.startswith("|")]
        return [line for line in lines if line[0] not in ("runs", "---", "the same test images")], outcome.out

    return run


def test_the_rows_are_the_configurations_with_means_and_paired_differences(table, seeds):
    (first, other), text = table(*seeds["with"], *seeds["without"])
    for row, name in (first, "with"), (other, "without"):
        own = [*ERRORS[name].values()]
        assert row[1:5] == [str(len(own)), f"{np.mean(own):.2f} ± {np.std(own, ddof=1):.2f}", f"{min(own):.2f}", f"{max(own):.2f}"]
    d = [ERRORS["without"][s] - ERRORS["with"][s] for s in (0, 1, 2)]
    mean, half = statistics.mean(d), student.ppf(0.975, 2) * statistics.stdev(d) / 3**0.5
    assert first[5:] == ["–"] * 4
    assert other[5:] == ["3", f"{mean:+.2f}", f"{mean - half:+.2f} to {mean + half:+.2f}", "1 / 2"]
    assert [first[0], other[0]] == ["method.sntg.weight 0.1", "method.sntg.weight 0.0"]
    assert "| test error, averaged weights, % |" in text and "paired by seed and data seed" in text and "wrong only" not in text
    assert "have other splits" not in text


def test_one_configuration_has_one_row_and_no_difference(table, seeds, runs):
    (row,), text = table(*seeds["with"])
    assert row[0] == "method gan_sntg.methods.FeatureMatchingGAN" and len(row) == 5 and "ifference" not in text
    (row,), _ = table(runs[0])
    assert row[1] == "1" and row[2] == row[3] == row[4]


def test_groups_that_share_no_seed_have_no_difference_and_why_is_said(table, seeds):
    (_, other, *_), text = table(seeds["with"][0], seeds["without"][0])
    assert other[5:] == ["–"] * 4 and "No difference of method.sntg.weight 0.0: it has no seed and data seed in common" in text


def test_a_seed_alone_is_no_pair_where_the_label_draw_is_another(table, runs, tmp_path):
    other = copied(runs[1], tmp_path / "other")
    changed(other / "split.json", data_seed=3)
    assert table(runs[0], other)[0][1][5:] == ["–"] * 4


def test_pairs_with_other_splits_are_said(table, runs, tmp_path):
    other = copied(runs[1], tmp_path / "other")
    changed(other / "split.json", labeled=json.loads((other / "split.json").read_text())["labeled"][1:])
    rows, text = table(runs[0], other)
    assert rows[1][5] == "1" and "1 of the 1 pairs of method.sntg.weight 0.0 have other splits" in text


def test_names_are_the_fewest_options_that_tell_apart_and_the_others_are_said(table, runs, tmp_path):
    third = copied(runs[0], tmp_path / "third")
    result = json.loads((third / "result.json").read_text())
    changed(third / "result.json", config=result["config"] | {"labels": 50, "batch_size": 25})
    rows, text = table(*runs, third)
    assert [row[0] for row in rows[:3]] == [f"method.sntg.weight {w}; labels {n}" for w, n in ((0.1, 20), (0.0, 20), (0.1, 50))]
    assert "Configurations differ also in batch_size." in text
    rows, text = table(*runs, third, "--names", "SNTG", "a|b", "c")
    assert [row[0] for row in rows[:3]] == ["SNTG", "a\\|b", "c"]
    assert "Configurations differ in method.sntg.weight, labels, batch_size." in text


def test_a_run_of_before_an_option_stands_with_those_that_have_it_at_its_default(table, seeds, tmp_path):
    old = remade(seeds["with"][0], tmp_path / "old", 9, 20.0)
    config = json.loads((old / "result.json").read_text())["config"]
    del config["precision"], config["label_noise"]
    changed(old / "result.json", config=config)
    (row,), _ = table(*seeds["with"], old)
    assert row[1] == "4"


def test_validation_errors_are_shown_where_images_are_held_out_and_test_images_are_not_used(table, runs, tmp_path):
    both = [remade(run, tmp_path / run.name, 0, 1.0, validation_error=33.25 + k) for k, run in enumerate(runs)]
    rows, text = table(*both)
    assert [row[2] for row in rows] == ["33.25", "34.25"] and rows[1][6] == "+1.00" and "| validation error, averaged weights, % |" in text
    assert "wrong only" not in text and "that of the test images is not used" in text


def test_single_runs_are_compared_on_the_same_test_images(table, runs, tmp_path):
    (k, y), (other, _) = (np.load(run / "test_classes.npy") for run in runs)
    b, c = int(((k != y) & (other == y)).sum()), int(((k == y) & (other != y)).sum())
    rows, text = table(*runs, "--names", "x", "y")
    assert rows[2][:3] == ["y", str(b), str(c)] and "| wrong only in x |" in text
    old = copied(runs[1], tmp_path / "old")
    (old / "test_classes.npy").unlink()
    rows, text = table(runs[0], old, "--names", "x", "y")
    assert len(rows) == 2 and f"No McNemar test of y: y has no test_classes.npy, which `gan-sntg evaluate {old}` writes." in text


def test_the_table_is_written_where_out_says(command, contents, runs, tmp_path):
    outcome = command("compare", "--table", *runs, "--out", tmp_path / "table.md")
    assert outcome.status == 0 and (tmp_path / "table.md").read_text() == outcome.out
    assert [*contents(tmp_path)] == [Path("table.md")]


def test_runs_that_do_not_go_into_one_table_are_refused(refused, runs, seeds, tmp_path):
    a, b = runs
    refused(["compare", "--table", a, b, a / "../with"], "is given twice; give each run folder once")
    refused(["compare", "--table", a, tmp_path / "none"], "none is not a run folder")
    again = copied(a, tmp_path / "again")
    refused(["compare", "--table", a, b, again], f"{a} and {again} hold the same run (seed 0, data seed 0), which counts once; leave one")
    begun = cut(copied(b, tmp_path / "begun"), 2)
    refused(["compare", "--table", a, begun], f"{begun} is unfinished (epoch 2 of 3); train it to its end, or leave it out")
    refused(["compare", "--table", begun], f"{begun} is unfinished")
    fewer = remade(b, tmp_path / "fewer", 0, 1.0, test_images=5)
    refused(["compare", "--table", a, fewer], f"{fewer} was tested on 5 images, but {a} on 397; give runs with the same test images")
    held = remade(b, tmp_path / "held", 0, 1.0, validation_error=3.0)
    for pair in (a, held), (held, a):
        refused(["compare", "--table", *pair], f"{held} held validation images out", f"and {a} did not", "that all did, or none that did")
    other = copied(b, tmp_path / "other")
    changed(other / "split.json", sha256="0" * 64)
    refused(["compare", "--table", a, other], f"{other} was trained on digits with SHA-256 0000", f"but {a} on digits", "on the same data")
    refused(["compare", "--table", a, b, "--names", "x"], "'x' for 2 configurations (they differ in method.sntg.weight); give each a name")
    refused(["compare", "--table", a, b, "--names", "x", "x"], "give each a name of its own")
    refused(["compare", "--table", *seeds["with"], "--out", tmp_path], "cannot be written (it is a folder); choose another with --out")
    reconfigured(other, seed="x")
    changed(other / "split.json", sha256=json.loads((a / "split.json").read_text())["sha256"])
    refused(["compare", "--table", a, other], f"{other / 'config.yaml'} has an invalid seed")
    strange = remade(b, tmp_path / "strange", 0, 1.0, config={"method": "mypackage.Method"})
    refused(["compare", "--table", a, strange], "holds no configuration of a run", f"leave {strange} out")
