"""The evaluate command: the errors of a run's last checkpoint, wherever the run lies."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from helpers.run_folders import interrupted, result

from gan_sntg.data.public import Digits
from gan_sntg.evaluation.classification import class_errors, confusion_matrix, logits_of, reliability
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.runs.loading import load


@pytest.fixture
def finished(finished, tmp_path):
    """A copy: evaluating draws a picture into the folder."""
    return shutil.copytree(finished, tmp_path / "finished")


def test_a_finished_runs_errors_are_measured_again_to_the_last_digit(command, contents, finished):
    before = contents(finished)
    outcome = command("evaluate", finished)
    found, written = json.loads(outcome.out), result(finished)
    picture = {Path("reliability.png"): (finished / "reliability.png").read_bytes()}
    assert outcome.status == 0 and contents(finished) == before | picture  # and nothing else was written
    assert (found["epoch"], found["step"]) == (3, 12)
    assert {k: v for k, v in written.items() if k.startswith("test_error")} == {
        k: v for k, v in found.items() if k.startswith("test_error")
    }


def test_the_averaged_classifiers_figures_are_those_of_its_logits_on_the_test_images(command, finished):
    found = json.loads(command("evaluate", finished).out)
    parts, _ = load(str(finished), "cpu")
    y = parts.source.test_y
    logits = logits_of(parts.method.classifiers["averaged"], parts.source.test_x, parts.normalization)
    confusion = torch.tensor(found["confusion"])
    assert torch.equal(confusion, confusion_matrix(logits, y)) and torch.equal(confusion.sum(1), torch.bincount(y))
    wrong = 100 * (1 - confusion.diagonal().sum() / confusion.sum())
    torch.testing.assert_close(float(wrong), found["test_error_averaged"], rtol=1e-5, atol=0)
    assert list(found["class_errors"].values()) == class_errors(confusion).tolist()
    assert found["calibration_error"] == reliability(logits, y).calibration_error
    assert found["classes"] == list(found["class_errors"]) == [str(k) for k in range(10)]


def test_classes_bear_their_names_where_the_data_give_them_and_those_without_images_have_no_error(command, finished, monkeypatch):
    names = [*"abcdefghij"]
    monkeypatch.setattr(Digits, "class_names", names)
    monkeypatch.setattr("gan_sntg.commands.evaluate.class_errors", lambda confusion: torch.tensor([torch.nan, *[1.0] * 9]))
    found = json.loads(command("evaluate", finished).out)
    assert found["classes"] == names and found["class_errors"] == {"a": None} | dict.fromkeys(names[1:], 1.0)


def test_a_run_folder_that_cannot_be_written_to_is_still_measured(command, finished):
    (finished / "reliability.png").mkdir()
    outcome = command("evaluate", finished)
    assert outcome.status == 2 and "reliability.png cannot be written" in outcome.err and json.loads(outcome.out)["step"] == 12


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
    mnist = ["--data", "gan_sntg.data.MNIST", "--data.root", small_mnist]
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
    for path in (tmp_path / "run/checkpoints").iterdir():
        path.unlink()
    before = contents(tmp_path)
    outcome = command(subcommand, tmp_path / "run")
    assert outcome.status == 2 and "has no checkpoint yet; train it first" in outcome.err
    assert contents(tmp_path) == before
