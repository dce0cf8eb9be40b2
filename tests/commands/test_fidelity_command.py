"""evaluate --fidelity: scores with names, intervals and provenance, kept in the run; what cannot be scored is refused."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from gan_sntg.commands import evaluate
from gan_sntg.errors import InputError
from gan_sntg.evaluation.fidelity_records import FILE, measurements

SCORES = {f"{name}_digits" for name in ("is", "fid", "kid", "precision", "recall")}


@pytest.fixture(scope="module")
def classifier(tmp_path_factory, command, tiny_tree, labels_alone) -> Path:
    """The run folder of a classifier of all digits."""
    folder = tmp_path_factory.mktemp("classifiers")
    (folder / "all.yaml").write_text(yaml.safe_dump(tiny_tree() | {"method": labels_alone(), "labels": None}))
    assert command("train", "--config", folder / "all.yaml", "--out", folder / "digits").status == 0
    return folder / "digits"


@pytest.fixture
def run(finished, tmp_path) -> Path:
    """A copy of a finished run: evaluating writes into it."""
    return shutil.copytree(finished, tmp_path / "run")


def measured(command, run: Path, classifier: Path, *words) -> dict:
    outcome = command("evaluate", run, "--fidelity", "--samples", 120, "--extractor", classifier, *words)
    assert outcome.status == 0, outcome.err
    return json.loads(outcome.out)


def test_scores_bear_the_datas_name_and_are_kept_with_how_they_were_measured(command, run, classifier):
    found = measured(command, run, classifier)
    (kept,) = measurements(run)
    assert set(kept.scores) == SCORES and all(found[name] == score._asdict() for name, score in kept.scores.items())
    assert all(score.low <= score.value <= score.high for score in kept.scores.values())
    assert kept.provenance == found["provenance"] and kept.generator["epoch"] == 3
    error = json.loads((classifier / "result.json").read_text())["test_error_averaged"]
    expected = {"data": "digits", "samples": 120, "reference": "train", "reference_images": 1400, "extractor_test_error": error}
    assert {k: kept.provenance[k] for k in expected} == expected


def test_measuring_twice_gives_the_same_and_another_reference_stands_beside_it(command, run, classifier):
    first = measured(command, run, classifier)
    assert measured(command, run, classifier, "--extractor_batch_size", 50)["fid_digits"] == pytest.approx(first["fid_digits"], rel=1e-4)
    assert measured(command, run, classifier, "--reference", "test")["provenance"]["reference_images"] == 397
    assert [m.provenance["reference"] for m in measurements(run)] == ["train", "test"]


def test_a_plain_evaluation_measures_no_fidelity(command, run):
    assert command("evaluate", run).status == 0 and not (run / FILE).exists()


def test_the_classifier_of_the_data_is_found_by_itself_or_the_message_says_how_to_train_it(command, run, classifier, monkeypatch, tmp_path):
    monkeypatch.setattr(evaluate, "CLASSIFIERS", tmp_path / "none")
    outcome = command("evaluate", run, "--fidelity", "--samples", 120)
    assert outcome.status == 2 and "gan-sntg train --config configs/digits_all/supervised.yaml" in outcome.err
    monkeypatch.setattr(evaluate, "CLASSIFIERS", classifier.parent)
    assert command("evaluate", run, "--fidelity", "--samples", 120).status == 0


@pytest.mark.parametrize(
    ("words", "phrase"),
    [
        (["--samples", "99"], "give 100"),
        (["--extractor_batch_size", "0"], "give 100 and 1"),
        (["--extractor", "nothing_here"], "neither inception, efficientnet_lite0 nor the folder of a finished run"),
        (["--extractor", "RUN"], "was not trained on all labels (labels 20)"),
        (["--download"], "are for --extractor inception"),
        (["--extractor", "inception", "--inception_weights", "none.pth"], "none.pth does not exist"),
        (["--reference", "validation"], "reference"),
    ],
)
def test_what_cannot_be_measured_is_refused_and_nothing_is_written(command, contents, run, classifier, words, phrase):
    before = contents(run)
    words = [str(run) if word == "RUN" else word for word in words]
    default = [] if "--extractor" in words else ["--extractor", classifier]
    outcome = command("evaluate", run, "--fidelity", *default, *words)
    assert outcome.status == 2 and phrase in outcome.err and outcome.out == "" and contents(run) == before


def test_inceptions_weights_are_looked_for_in_the_data_folder_and_never_fetched_unasked(command, run, tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_SNTG_DATA", str(tmp_path / "data"))
    outcome = command("evaluate", run, "--fidelity", "--extractor", "inception")
    assert outcome.status == 2 and f"{tmp_path}/data/weights-inception-2015-12-05-6726825d.pth is not there" in outcome.err


def test_a_run_without_a_generator_has_no_samples_to_score(command, classifier):
    outcome = command("evaluate", classifier, "--fidelity", "--extractor", classifier)
    assert outcome.status == 2 and "is a run of Supervised, which has no generator" in outcome.err


def test_a_classifier_of_other_images_is_refused(classifier):
    source = SimpleNamespace(image_shape=(1, 28, 28))
    with pytest.raises(InputError, match=r"classifier of images \[1, 8, 8\], but the samples are \[1, 28, 28\]"):
        evaluate.run_extractor(str(classifier), source, None, "cpu")


def test_grey_images_of_other_sets_have_no_extractor_of_their_own():
    with pytest.raises(InputError, match="fashion_mnist has grey images and no extractor of its own; train a classifier"):
        evaluate.default_extractor(SimpleNamespace(image_shape=(1, 28, 28), name="fashion_mnist"))
    assert evaluate.default_extractor(SimpleNamespace(image_shape=(3, 32, 32), name="cifar10")) == "inception"
