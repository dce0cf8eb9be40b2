"""The train command: what it leaves, what it prints, and which runs are the same."""

import json
import runpy
import sys

import numpy as np
import pytest
from helpers.run_folders import assert_same_run, interrupted, result, rows, scalars
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from discriminative.supervised import Supervised
from gan_sntg.data.public import Digits
from gan_sntg.evaluation.classification import logits_of
from gan_sntg.experiments.plan import configuration, shortened
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.networks import passes
from gan_sntg.runs import seeds
from gan_sntg.runs.build import load
from gan_sntg.runs.folder import RunFolder


def test_a_run_leaves_its_configuration_split_environment_metrics_checkpoint_grids_and_result(finished):
    names = {str(p.relative_to(finished)) for p in finished.rglob("*") if p.is_file() and not p.name.startswith("events.")}
    grids = {f"samples/epoch_000{k}.png" for k in (1, 2, 3)} | {"samples/real.png"}
    assert names == grids | {
        "config.yaml",
        "split.json",
        "data.json",
        "environment.json",
        "metrics.jsonl",
        "result.json",
        "test_classes.npy",
        "checkpoints/last.pt",
        "checkpoints/last-1.pt",
    }
    assert [(row["epoch"], row["step"]) for row in rows(finished)] == [(1, 4), (2, 8), (3, 12)]
    assert Image.open(finished / "samples/epoch_0003.png").size == (10 * 10 + 2, 10 * 10 + 2)


def test_the_real_images_beside_samples_are_a_hundred_of_the_training_images(finished):
    picture = np.asarray(Image.open(finished / "samples/real.png").convert("L"))
    cells = picture[2:, 2:].reshape(10, 10, 10, 10).swapaxes(1, 2)[:, :, :8, :8].reshape(100, 64)
    shown, training = ({row.tobytes() for row in images} for images in (cells, Digits().train_x.flatten(1).numpy()))
    assert len(shown) >= 99 and shown <= training


def test_the_result_holds_the_errors_seeds_and_configuration(finished):
    found, last = json.loads((finished / "result.json").read_text()), rows(finished)[-1]
    assert found["test_error_last"] == last["test_error/last"] and found["test_error_averaged"] == last["test_error/averaged"]
    assert found["validation_error"] is None and found["test_images"] == 397
    assert (found["seed"], found["data_seed"]) == (0, 0) and found["seconds"] >= 0
    assert found["config"]["method"]["init_args"]["sntg"]["init_args"]["weight"] == 0.1 and found["config"]["labels"] == 20


def test_the_classes_of_the_test_images_are_those_of_the_averaged_classifier_at_the_end(finished, command, tiny, run):
    parts, _ = load(str(finished), "cpu")
    predicted = logits_of(parts.method.classifiers["averaged"], parts.source.test_x, parts.normalization).argmax(1)
    kept = RunFolder(finished).read_classes()
    assert kept.tolist() == [predicted.tolist(), parts.source.test_y.tolist()]
    assert 100 * (kept[0] != kept[1]).mean() == pytest.approx(result(finished)["test_error_averaged"], rel=1e-12)
    for name in "result.json", "test_classes.npy":  # of a run whose last epoch was trained in an earlier session
        (run / name).unlink()
    assert command("train", "--config", tiny, "--out", run).status == 0
    assert (run / "test_classes.npy").read_bytes() == (finished / "test_classes.npy").read_bytes()


def test_every_watched_figure_is_in_the_metrics_and_in_tensorboard(finished):
    watched = {"d/labeled", "d/unlabeled", "d/generated", "d/graph", "g/matching", "learning_rate", "weight/graph"}
    watched |= {"test_error/last", "test_error/averaged", "gan/real_accuracy", "gan/generated_accuracy", "gan/matching_gap"}
    watched |= {f"graph/{name}" for name in ("precision", "recall", "teacher_accuracy", "negatives_inside_margin")}
    watched |= {"graph/distance_positive", "graph/distance_negative"}
    assert watched <= rows(finished)[-1].keys() and watched <= scalars(finished).keys()
    assert len(EventAccumulator(str(finished)).Reload().Images("samples")) == 3


def test_a_finished_run_prints_its_result_and_is_left_as_it_is(command, contents, tiny, finished):
    before, last = contents(finished), result(finished)
    outcome = command("train", "--config", tiny, "--out", finished)
    assert outcome.status == 0 and contents(finished) == before
    assert outcome.out.startswith(f"{finished}: test error: ")
    assert f"{last['test_error_last']:.2f} % (last weights), {last['test_error_averaged']:.2f} % (averaged weights)" in outcome.out
    for thing in finished / "samples/epoch_0003.png", finished, f"tensorboard --logdir {finished.parent}":
        assert str(thing) in outcome.out


def test_one_seed_twice_is_the_same_run_and_another_seed_another_on_the_same_labels(command, tiny, finished, tmp_path):
    for name, seed in ("same", 0), ("other", 1):
        assert command("train", "--config", tiny, "--seed", seed, "--out", tmp_path / name).status == 0
    assert_same_run(tmp_path / "same", finished)
    assert rows(tmp_path / "other") != rows(finished) and result(tmp_path / "other")["seed"] == 1
    assert (tmp_path / "other/split.json").read_bytes() == (finished / "split.json").read_bytes()


@pytest.mark.parametrize("words", [["--epochs", "4"], ["--seed", "1"], ["--method.sntg.weight", "0"], ["--data_seed", "1"]], ids=" ".join)
def test_another_configuration_on_a_run_folder_is_refused(command, contents, tiny, finished, words):
    before = contents(finished)
    outcome = command("train", "--config", tiny, "--out", finished, *words)
    assert outcome.status == 2 and contents(finished) == before
    assert "holds a run of another configuration" in outcome.err and "Give another --out" in outcome.err
    assert f"{words[0].split('.')[-1].lstrip('-')}: " in outcome.err


def test_with_validation_images_held_out_their_error_is_a_number(command, tiny, tmp_path):
    outcome = command("train", "--config", tiny, "--validation", "true", "--out", tmp_path / "run")
    assert outcome.status == 0 and "validation error: " in outcome.out and "test error" not in outcome.out + outcome.err
    found, last = result(tmp_path / "run"), rows(tmp_path / "run")[-1]
    assert found["validation_error"] == last["validation_error/averaged"] and 0 <= found["validation_error"] <= 100
    assert len(json.loads((tmp_path / "run/split.json").read_text())["validation"]) == 400
    assert found["validation_error"] % 0.25 == 0


def test_a_term_that_is_not_finite_stops_the_run_with_status_1_and_saves_nothing(command, tiny, tmp_path):
    outcome = command("train", "--config", tiny, "--method.learning_rate", ".nan", "--out", tmp_path / "run")
    assert outcome.status == 1 and "Traceback" not in outcome.err
    assert "stopped: the term g/matching is not finite since epoch 0, step 0" in outcome.err
    assert not (tmp_path / "run/checkpoints/last.pt").exists() and not (tmp_path / "run/result.json").exists()


def test_a_graph_without_negatives_inside_the_margin_is_warned_of_once(command, tiny, tmp_path):
    outcome = command("train", "--config", tiny, "--method.sntg.margin", "1e-6", "--out", tmp_path / "run")
    assert outcome.status == 0
    assert " ".join(outcome.err.split()).count("of the negative pairs are inside the margin") == 1


def test_the_supervised_baseline_trains_and_has_no_grid(command, classifier):
    outcome = command("train", "--config", classifier.parent / "all.yaml", "--out", classifier)
    assert outcome.status == 0 and "test error" in outcome.out and "sample grid" not in outcome.out
    assert [path.name for path in (classifier / "samples").iterdir()] == ["real.png"] and rows(classifier)[0]["net/labeled"] > 0


def test_a_method_with_no_classifiers_but_last_and_averaged_finishes(command, classifier, tmp_path, monkeypatch):
    monkeypatch.setattr(Supervised, "classifiers", property(lambda self: {"last": self.net, "averaged": self.average.net}))
    assert command("train", "--config", classifier.parent / "all.yaml", "--epochs", 1, "--out", tmp_path / "run").status == 0
    assert result(tmp_path / "run")["test_error_averaged"] >= 0


def test_without_out_every_configuration_and_seed_has_a_folder_of_its_own(command, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in [], ["--seed", 1], ["--labels", 30], []:
        assert command("train", "--config", tiny, "--epochs", 1, *words).status == 0
    folders = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert len(folders) == 3 and ["-seed1-" in name for name in folders].count(True) == 1


def test_python_m_gan_sntg_is_the_command(tiny, finished, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gan_sntg", "train", "--config", str(tiny), "--out", str(finished)])
    with pytest.raises(SystemExit, match="0"):
        runpy.run_module("gan_sntg", run_name="__main__")
    assert "test error" in capsys.readouterr().out


def test_a_run_from_before_an_option_existed_is_the_same_run_at_its_default_and_another_elsewhere(command, tiny, run):
    config = run / "config.yaml"
    lines = config.read_text().splitlines(keepends=True)
    config.write_text("".join(line for line in lines if not line.startswith("precision:")))
    assert len(config.read_text().splitlines()) == len(lines) - 1
    words = ["train", "--config", tiny, "--out", run]
    assert command(*words).status == 0
    outcome = command(*words, "--precision", "bfloat16")
    assert outcome.status == 2 and "precision: float32 there, bfloat16 here" in outcome.err


def test_a_shortened_run_is_that_of_the_words_that_reproduce_would_give_it(command, tiny, tmp_path, refused):
    words = ["train", "--config", tiny, "--epochs", 6, "--method.sntg.ramp_epochs", 3.0]
    assert command(*words, "--scale", 0.34, "--out", tmp_path / "a").status == 0
    config = configuration([str(word) for word in words[1:]])
    changes = [word for name, value in shortened(config, 0.34).items() for word in (f"--{name}", value)]
    assert "--epochs" in changes and command(*words, *changes, "--out", tmp_path / "b").status == 0
    assert_same_run(tmp_path / "a", tmp_path / "b")
    assert result(tmp_path / "a")["epochs"] == 2
    refused([*words, "--scale", -1, "--out", "c"], "scale")
    refused([*words, "--scale", 1.5, "--out", "c"], "scale")


def test_several_seeds_end_in_their_mean(command, tiny, tmp_path):
    outcome = command("train", "--config", tiny, "--epochs", 1, "--interval_epochs", 1, "--seeds", "0,1", "--out", tmp_path / "a")
    errors = [result(tmp_path / f"a/{seed}")["test_error_averaged"] for seed in (0, 1)]
    assert outcome.out.endswith(f"test error averaged of 2 seeds: {np.mean(errors):.2f} ± {np.std(errors, ddof=1):.2f} %\n")


@pytest.fixture
def machine(monkeypatch):
    """Lets the machine have bfloat16, for which the smallest network is large enough, or not."""

    def use(has: bool) -> None:
        monkeypatch.setattr(passes, "has_bfloat16", lambda device: has)
        monkeypatch.setattr(passes, "WORTH", 1)

    return use


def test_a_run_of_automatic_precision_is_the_run_of_what_that_means_and_goes_on_so_elsewhere(command, tiny, machine, tmp_path):
    auto, asked, here = (tmp_path / name for name in ("auto", "asked", "here"))
    words = ["--config", tiny, "--epochs", 2]
    machine(True)
    assert command("train", *words, "--out", asked, "--precision", "bfloat16").status == 0
    assert interrupted(command, words, auto, FeatureMatchingGAN, "step", 6).status == 130
    assert "\nprecision: bfloat16\n" in (auto / "config.yaml").read_text()
    machine(False)
    assert command("train", *words, "--out", auto).status == 0
    assert_same_run(auto, asked)
    assert command("train", *words, "--out", auto, "--precision", "bfloat16").status == 0
    outcome = command("train", *words, "--out", auto, "--precision", "float32")
    assert outcome.status == 2 and "precision: bfloat16 there, float32 here" in outcome.err
    assert command("train", *words, "--out", here).status == 0
    assert result(here)["config"]["precision"] == "float32"


@pytest.mark.parametrize(("has", "words"), [(False, ["--precision", "bfloat16"]), (False, []), (True, ["--precision", "bfloat16"])])
def test_bfloat16_without_instructions_for_it_is_warned_of(command, tiny, monkeypatch, tmp_path, has, words):
    monkeypatch.setattr(seeds, "has_bfloat16", lambda device: has)
    outcome = command("train", "--config", tiny, "--epochs", 1, "--out", tmp_path / "run", *words)
    warned = "warning: in bfloat16, for which this device has no instructions" in outcome.err
    assert outcome.status == 0 and warned == (not has and bool(words))
