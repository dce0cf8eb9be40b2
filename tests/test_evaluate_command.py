"""The evaluate command: the errors of a run's last checkpoint, wherever the run lies."""

import json
import shutil

import pytest
from run_folders import interrupted, result

from gan_sntg.feature_matching import FeatureMatchingGAN


def test_a_finished_runs_errors_are_measured_again_to_the_last_digit(command, contents, finished):
    before = contents(finished)
    outcome = command("evaluate", finished)
    found, written = json.loads(outcome.out), result(finished)
    assert outcome.status == 0 and contents(finished) == before
    assert (found["epoch"], found["step"]) == (3, 12)
    assert {k: v for k, v in written.items() if k.startswith("test_error")} == {
        k: v for k, v in found.items() if k.startswith("test_error")
    }


def test_an_unfinished_run_is_measured_at_its_last_checkpoint(command, tiny, tmp_path):
    interrupted(command, ["--config", tiny], tmp_path / "run", FeatureMatchingGAN, "step", 10)
    found = json.loads(command("evaluate", tmp_path / "run").out)
    row = json.loads((tmp_path / "run/metrics.jsonl").read_text().splitlines()[1])
    assert (found["step"], found["test_error_last"], found["test_error_averaged"]) == (
        8,
        row["test_error/last"],
        row["test_error/averaged"],
    )


def test_a_run_that_was_moved_and_made_with_a_manifest_that_is_gone_is_measured(command, tiny, finished, tmp_path):
    shutil.copy(finished / "split.json", tmp_path / "manifest.json")
    command("train", "--config", tiny, "--split", tmp_path / "manifest.json", "--out", tmp_path / "a")
    (tmp_path / "manifest.json").unlink()
    (tmp_path / "a").rename(tmp_path / "b")
    assert json.loads(command("evaluate", tmp_path / "b").out) == json.loads(command("evaluate", finished).out)


@pytest.mark.parametrize("name", ["run", "run.1", "run.seed.0"])
def test_a_run_in_a_folder_of_any_name_is_measured(command, tiny, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    command("train", "--config", tiny, "--epochs", 1, "--out", name)
    assert command("evaluate", name).status == 0


def test_root_says_where_data_that_have_moved_lie(command, tiny, small_mnist, tmp_path):
    mnist = ["--data", "gan_sntg.core.data.sources.MNIST", "--data.root", small_mnist]
    assert command("train", "--config", tiny, *mnist, "--epochs", 1, "--out", tmp_path / "run").status == 0
    small_mnist.rename(tmp_path / "moved")
    assert command("evaluate", tmp_path / "run").status == 2
    assert command("evaluate", tmp_path / "run", "--root", tmp_path / "moved").status == 0


def test_root_for_data_without_files_is_refused(command, finished, tmp_path):
    outcome = command("evaluate", finished, "--root", tmp_path)
    assert outcome.status == 2 and "root" in outcome.err


@pytest.mark.parametrize("subcommand", ["evaluate", "sample"])
def test_a_folder_that_is_no_run_or_has_no_checkpoint_is_refused(command, contents, finished, tmp_path, subcommand):
    outcome = command(subcommand, tmp_path / "none")
    assert outcome.status == 2 and "none is not a run folder (no config.yaml in it)" in outcome.err
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run/checkpoints/last.pt").unlink()
    before = contents(tmp_path)
    outcome = command(subcommand, tmp_path / "run")
    assert outcome.status == 2 and "has no checkpoint yet; train it first" in outcome.err
    assert contents(tmp_path) == before
