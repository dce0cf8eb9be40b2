"""The splits command: a manifest made, verified and shown is the one that a run uses."""

import json

import pytest
import torch
from helpers.run_folders import result

from gan_sntg.data.public import Digits
from gan_sntg.data.splits import make_split

DIGITS = Digits()


@pytest.fixture(scope="module")
def manifest(command, tiny, tmp_path_factory):
    """A manifest of data seed 3: to be read."""
    path = tmp_path_factory.mktemp("splits") / "made.json"
    outcome = command("splits", "make", "--config", tiny, "--data_seed", 3, "--out", path)
    assert (outcome.status, outcome.out) == (0, f"{path}\n")
    return path


def test_the_manifest_is_the_split_of_the_options(manifest):
    assert manifest.read_text() == make_split(DIGITS, 20, 3, False).text()


def test_options_after_the_configuration_win(command, tiny, tmp_path):
    words = ["--config", tiny, "--labels", 50, "--validation", "true", "--out", tmp_path / "a.json"]
    assert command("splits", "make", *words).status == 0
    assert (tmp_path / "a.json").read_text() == make_split(DIGITS, 50, 0, True).text()


def test_a_run_takes_the_manifest_and_shows_its_hash_in_its_result(command, tiny, manifest, tmp_path):
    words = ["--config", tiny, "--epochs", 1, "--data_seed", 3, "--split", manifest, "--out", tmp_path / "run"]
    assert command("train", *words).status == 0
    assert (tmp_path / "run/split.json").read_text() == manifest.read_text()
    shown, found = json.loads(command("splits", "show", manifest).out), result(tmp_path / "run")
    assert shown["split_sha256"] == found["split_sha256"] and shown["data_seed"] == found["data_seed"] == 3


def test_verify_says_that_a_manifest_fits_its_data(command, tiny, manifest, finished):
    outcome = command("splits", "verify", manifest, "--config", tiny)
    assert outcome.status == 0 and "is whole and belongs to these data: digits" in outcome.out and "20 labels" in outcome.out
    assert command("splits", "verify", finished / "split.json", "--config", tiny).status == 0


@pytest.mark.parametrize("subcommand", ["verify", "show"])
@pytest.mark.parametrize("change", [{"sha256": "0" * 64}, {"labeled": [1400]}], ids=str)
def test_a_manifest_of_other_data_or_damaged_is_refused(refused, tiny, manifest, tmp_path, subcommand, change):
    (tmp_path / "a.json").write_text(json.dumps(json.loads(manifest.read_text()) | change))
    refused(["splits", subcommand, "a.json", "--config", tiny], "a.json")


def test_show_counts_and_names_the_data_without_having_them(command, manifest):
    shown = json.loads(command("splits", "show", manifest).out)
    written = json.loads(manifest.read_text())
    assert (shown["labeled"], shown["validation"], shown["data_seed"]) == (20, 0, 3)
    assert (shown["data"], shown["sha256"]) == ("digits", DIGITS.sha256) and set(shown) == {*written, "split_sha256"}


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_show_counts_the_labels_of_each_class_as_training_is_given_them(command, tiny, tmp_path, monkeypatch, noise):
    monkeypatch.setattr(Digits, "class_names", [*"abcdefghij"])
    path = tmp_path / "a.json"
    assert command("splits", "make", "--config", tiny, "--label_noise", noise, "--out", path).status == 0
    shown = json.loads(command("splits", "show", path, "--config", tiny).out)
    counts = torch.bincount(make_split(DIGITS, 20, 0, False, label_noise=noise).known(DIGITS) + 1, minlength=11)[1:]  # -1: unlabelled
    assert shown["labels_per_class"] == dict(zip("abcdefghij", counts.tolist(), strict=True))
    assert (set(shown["labels_per_class"].values()) == {2}) == (noise == 0) and shown["replaced"] == 20 * noise
