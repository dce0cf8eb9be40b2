"""The evaluate command: errors of a run's last checkpoint, wherever it lies; with --fidelity scores and how they were measured."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from helpers.run_comparison import changed
from helpers.run_folders import interrupted, result

from gan_sntg.errors import InputError
from gan_sntg.evaluation.classification import class_errors, confusion_matrix, logits_of, rare_class_scores, reliability
from gan_sntg.evaluation.fidelity_records import measurements
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.runs import sample_quality
from gan_sntg.runs.build import load


def test_a_finished_runs_errors_are_measured_again_to_the_last_digit(command, contents, run):
    before = contents(run)
    outcome = command("evaluate", run)
    found, written = json.loads(outcome.out), result(run)
    picture = {Path("reliability.png"): (run / "reliability.png").read_bytes()}
    assert outcome.status == 0 and contents(run) == before | picture  # and nothing else was written
    assert (found["epoch"], found["step"]) == (3, 12)
    assert list(found)[:4] == ["run", "test_error_last", "test_error_averaged", "test_error_zero_start"] and found["run"] == str(run)
    errors = "test_error_last", "test_error_averaged"
    assert [found[name] for name in errors] == [written[name] for name in errors]


def test_the_averaged_classifiers_figures_are_those_of_its_logits_on_the_test_images(command, run):
    found = json.loads(command("evaluate", run).out)
    parts, _ = load(str(run), "cpu")
    y = parts.source.test_y
    logits = logits_of(parts.method.classifiers["averaged"], parts.source.test_x, parts.normalization)
    confusion = torch.tensor(found["confusion"])
    assert torch.equal(confusion, confusion_matrix(logits, y)) and torch.equal(confusion.sum(1), torch.bincount(y))
    wrong = 100 * (1 - confusion.diagonal().sum() / confusion.sum())
    torch.testing.assert_close(float(wrong), found["test_error_averaged"], rtol=1e-5, atol=0)
    assert list(found["class_errors"].values()) == class_errors(confusion).tolist()
    assert found["calibration_error"] == reliability(logits, y).calibration_error
    scores = rare_class_scores(logits, y)
    assert (found["balanced_accuracy"], found["macro_f1"]) == (scores["balanced_accuracy"], scores["macro_f1"])
    assert [[*found[name].values()] for name in ("auroc", "auprc")] == [scores["auroc"], scores["auprc"]]
    assert found["classes"] == list(found["class_errors"]) == [str(k) for k in range(10)]


def test_classes_bear_their_names_where_the_data_give_them_and_those_without_images_have_no_error(command, run, monkeypatch):
    names = [*"abcdefghij"]
    changed(run / "data.json", class_names=names)
    monkeypatch.setattr("gan_sntg.commands.evaluate.class_errors", lambda confusion: torch.tensor([torch.nan, *[1.0] * 9]))
    found = json.loads(command("evaluate", run).out)
    assert found["classes"] == names and found["class_errors"] == {"a": None} | dict.fromkeys(names[1:], 1.0)


def test_a_run_folder_that_cannot_be_written_to_is_still_measured(command, run):
    (run / "reliability.png").mkdir()
    outcome = command("evaluate", run)
    assert outcome.status == 2 and "reliability.png cannot be written" in outcome.err and json.loads(outcome.out)["step"] == 12


def test_the_classes_that_a_run_of_before_lacks_are_written_as_training_writes_them(command, contents, run):
    before = contents(run)
    (run / "test_classes.npy").unlink()
    assert command("evaluate", run).status == 0
    assert contents(run) == before | {Path("reliability.png"): (run / "reliability.png").read_bytes()}


def test_classes_are_not_written_for_another_checkpoint_than_the_last_one_of_a_finished_run(command, tiny, run, tmp_path):
    (run / "test_classes.npy").unlink()
    shutil.copy(run / "checkpoints/last.pt", run / "checkpoints/best.pt")
    assert command("evaluate", run, "--checkpoint", "best").status == 0 and not (run / "test_classes.npy").exists()
    (run / "checkpoints/last.pt").write_bytes(b"damaged")
    outcome = command("evaluate", run)
    assert json.loads(outcome.out)["epoch"] == 2 and not (run / "test_classes.npy").exists()
    interrupted(command, ["--config", tiny], tmp_path / "begun", FeatureMatchingGAN, "step", 10)
    assert command("evaluate", tmp_path / "begun").status == 0 and not (tmp_path / "begun/test_classes.npy").exists()


def test_the_worst_class_of_the_result_is_that_which_evaluate_finds(command, run):
    found, result = json.loads(command("evaluate", run).out), json.loads((run / "result.json").read_text())
    assert result["worst_class_error"] == max(found["class_errors"].values()) > result["test_error_averaged"]


def test_an_unfinished_run_is_measured_at_its_last_checkpoint(command, tiny, tmp_path):
    interrupted(command, ["--config", tiny], tmp_path / "run", FeatureMatchingGAN, "step", 10)
    found = json.loads(command("evaluate", tmp_path / "run").out)
    row = json.loads((tmp_path / "run/metrics.jsonl").read_text().splitlines()[1])
    errors = row["test_error/last"], row["test_error/averaged"]
    assert (found["step"], found["test_error_last"], found["test_error_averaged"]) == (8, *errors)


def test_a_run_that_was_moved_to_any_name_and_made_with_a_manifest_that_is_gone_is_measured(command, tiny, run, tmp_path):
    shutil.copy(run / "split.json", tmp_path / "manifest.json")
    command("train", "--config", tiny, "--split", tmp_path / "manifest.json", "--out", tmp_path / "a")
    (tmp_path / "manifest.json").unlink()
    (tmp_path / "a").rename(tmp_path / "b.1.seed.0")
    moved, stayed = (json.loads(command("evaluate", folder).out) for folder in (tmp_path / "b.1.seed.0", run))
    assert moved == stayed | {"run": str(tmp_path / "b.1.seed.0")}


def test_root_says_where_data_that_have_moved_lie(command, tiny, small_mnist, tmp_path):
    mnist = ["--data", "gan_sntg.data.MNIST", "--data.root", small_mnist]
    assert command("train", "--config", tiny, *mnist, "--epochs", 1, "--out", tmp_path / "run").status == 0
    small_mnist.rename(tmp_path / "moved")
    assert command("evaluate", tmp_path / "run").status == 2
    assert command("evaluate", tmp_path / "run", "--root", tmp_path / "moved").status == 0


SCORES = {f"{name}_digits" for name in ("is", "fid", "kid", "precision", "recall")}


def test_scores_bear_the_datas_name_and_are_kept_with_how_they_were_measured(command, run, classifier):
    words = ["evaluate", run, "--fidelity", "--samples", 120, "--extractor", classifier]
    found = json.loads(command(*words).out)
    (kept,) = measurements(run)
    assert set(kept.scores) == SCORES and all(found[name] == asdict(score) for name, score in kept.scores.items())
    assert set(found) == {"run", "epoch", "step", "provenance", "generator"} | SCORES
    assert all(score.low <= score.value <= score.high for score in kept.scores.values())
    assert kept.provenance == found["provenance"] and kept.generator["epoch"] == 3
    error = json.loads((classifier / "result.json").read_text())["test_error_averaged"]
    expected = {"data": "digits", "samples": 120, "reference": "train", "reference_images": 1400, "extractor_test_error": error}
    assert {k: kept.provenance[k] for k in expected} == expected
    other = json.loads(command(*words, "--reference", "test", "--extractor_batch_size", 50).out)
    assert other["provenance"]["reference_images"] == 397
    assert [m.provenance["reference"] for m in measurements(run)] == ["train", "test"]


def test_with_fidelity_the_test_images_are_evaluated_only_where_that_is_asked_for(command, run, classifier, monkeypatch):
    errors, calls = json.loads(command("evaluate", run).out), []
    (run / "reliability.png").unlink()
    (run / "test_classes.npy").unlink()
    monkeypatch.setattr("gan_sntg.commands.evaluate.logits_of", lambda *arguments: calls.append(arguments) or logits_of(*arguments))
    words = ["evaluate", run, "--fidelity", "--samples", 120, "--extractor", classifier]
    scores = json.loads(command(*words).out)
    assert not calls and not (run / "reliability.png").exists() and not (run / "test_classes.npy").exists()
    both = json.loads(command(*words, "--test_errors").out)
    assert both == errors | scores and calls
    assert (run / "reliability.png").exists() and (run / "test_classes.npy").exists()


def test_the_classifier_of_the_data_is_found_by_itself_or_the_message_says_how_to_train_it(command, run, classifier, monkeypatch, tmp_path):
    monkeypatch.setattr(sample_quality, "CLASSIFIERS", tmp_path / "none")
    outcome = command("evaluate", run, "--fidelity", "--samples", 120)
    assert outcome.status == 2 and "gan-sntg train --config digits_all/supervised" in outcome.err
    monkeypatch.setattr(sample_quality, "CLASSIFIERS", classifier.parent)
    assert command("evaluate", run, "--fidelity", "--samples", 120).status == 0


def test_inceptions_weights_are_looked_for_in_the_data_folder_and_never_fetched_unasked(command, run, tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_SNTG_DATA", str(tmp_path / "data"))
    outcome = command("evaluate", run, "--fidelity", "--extractor", "inception")
    assert outcome.status == 2 and f"{tmp_path}/data/weights-inception-2015-12-05-6726825d.pth is not there" in outcome.err


def test_a_classifier_of_other_images_is_refused(classifier):
    source = SimpleNamespace(image_shape=(1, 28, 28))
    with pytest.raises(InputError, match=r"classifier of images \[1, 8, 8\], but the samples are \[1, 28, 28\]"):
        sample_quality.run_extractor(str(classifier), source, None, "cpu")


def test_grey_images_of_other_sets_have_no_extractor_of_their_own():
    with pytest.raises(InputError, match="fashion_mnist has grey images and no extractor of its own; train a classifier"):
        sample_quality.default_extractor(SimpleNamespace(image_shape=(1, 28, 28), name="fashion_mnist"))
    assert sample_quality.default_extractor(SimpleNamespace(image_shape=(3, 32, 32), name="cifar10")) == "inception"
