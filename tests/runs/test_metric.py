"""The figure that a run goes by: its best checkpoint, what is shown, what is kept, and that the default is the error as ever."""

import json

import numpy as np
import pytest
import torch
import yaml
from helpers.data_files import npz
from helpers.run_folders import result, rows, scalars, state
from helpers.tiny import assert_same

from gan_sntg.errors import InputError
from gan_sntg.experiments.grid import Column, Row
from gan_sntg.experiments.plan import Cell, configuration
from gan_sntg.experiments.results import read_result
from gan_sntg.runs import trainer
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.options import identity, short_hash

VOTES = (0, 0), (4, 2), (1, 1)  # after each epoch: images of the common class that are wrong, and of the rare one that are right
BEST = {"error": (1, 10.0), "balanced_error": (2, 100 * 4 / 18 / 2), "f1_error": (3, 100 * (1 - (34 / 36 + 1 / 2) / 2))}


@pytest.fixture
def rare(tiny_tree, tmp_path, monkeypatch):
    """The configuration of a run with 18 validation images of class 0 and two of class 1, on which VOTES are given."""
    x, y = np.random.default_rng(0).integers(0, 100, (120, 8, 8), dtype=np.uint8), np.arange(120) % 10 // 9
    x[:, 0, 0] = 200 * y
    npz(tmp_path / "mine.npz", train_x=x[:100], train_y=y[:100], test_x=x[100:], test_y=y[100:])
    tree = tiny_tree() | {"data": {"class_path": "Arrays", "init_args": {"file": "mine.npz", "root": str(tmp_path)}}, "labels": 4}
    (tmp_path / "rare.yaml").write_text(yaml.safe_dump(tree))
    epoch, look = iter(range(10**6)), trainer.Trainer.look
    now = []

    def looking(self, *arguments):
        now[:] = VOTES[next(epoch) % 3]
        look(self, *arguments)

    def logits_of(net, x, normalize):
        own = x.flatten(1)[:, 0] > x.flatten(1)[:, 0].float().mean()
        classes = own & (own.cumsum(0) <= now[1]) | ~own & ((~own).cumsum(0) <= now[0])
        return torch.nn.functional.one_hot(classes.long(), 2).float()

    monkeypatch.setattr(trainer.Trainer, "look", looking)
    monkeypatch.setattr(trainer, "logits_of", logits_of)
    return tmp_path / "rare.yaml"


@pytest.mark.parametrize("metric", BEST)
def test_the_best_checkpoint_is_that_of_the_least_metric_whatever_the_others_say(command, rare, tmp_path, metric):
    words, run = ["--config", rare, "--validation", "true", "--metric", metric], tmp_path / "run"
    outcome = command("train", *words, "--out", run)
    (epoch, least), name, said = BEST[metric], f"validation_{metric}", metric.replace("_", " ")
    assert outcome.status == 0 and torch.load(run / "checkpoints/best.pt", weights_only=True)["progress"]["epoch"] == epoch
    figures = [row[f"{name}/averaged"] for row in rows(run)]
    assert min(figures) == figures[epoch - 1] == pytest.approx(least) and figures.count(least) <= 1 + (metric == "error")
    assert [value for _, value in scalars(run)[f"{name}/averaged"]] == [repr(float(np.float32(figure))) for figure in figures]
    assert f"epoch 2 of 3: validation {said} {figures[1]:.2f} %  averaged {figures[1]:.2f} %" in outcome.err
    assert f"validation {said}: {figures[-1]:.2f} % (averaged weights)" in outcome.out and result(run)[name] == figures[-1]
    cell = Cell(Row("r", "R"), Column("c", "C"), 0, run, [], configuration([str(word) for word in words]))
    assert read_result(cell).errors["chosen"] == rows(run)[epoch - 1]["test_error/averaged"]
    assert read_result(cell).errors["validation"] == rows(run)[-1]["validation_error/averaged"]


def test_a_metric_changes_no_training_and_without_validation_says_how_the_test_images_are_shown(command, tiny, finished, tmp_path, refused):
    words = ["train", "--config", tiny, "--metric", "balanced_error", "--out", tmp_path / "run"]
    outcome = command(*words)
    assert outcome.status == 0 and "epoch 3 of 3: test balanced error " in outcome.err
    assert_same(state(tmp_path / "run"), state(finished))
    found, scores = result(tmp_path / "run"), json.loads(command("evaluate", tmp_path / "run").out)
    assert found["test_balanced_error_averaged"] == pytest.approx(100 * (1 - scores["balanced_accuracy"]))
    assert f"test balanced error: {found['test_balanced_error_last']:.2f} % (last weights)" in outcome.out
    others = {name: value for name, value in found.items() if "balanced" not in name}
    assert others | {"config": result(finished)["config"]} == result(finished) and found["validation_balanced_error"] is None
    outcome = command("train", "--config", tiny, "--out", tmp_path / "run")
    assert outcome.status == 2 and "(metric: balanced_error there, error here)" in outcome.err


def test_a_default_run_is_what_it_was_before_there_were_metrics(finished):
    text = (finished / "config.yaml").read_text()
    assert "\nmetric: error\n" in text and short_hash(text) == short_hash(text.replace("metric: error\n", ""))
    assert short_hash(text) != short_hash(text.replace("metric: error\n", "metric: f1_error\n"))
    assert "metric" not in identity(yaml.safe_load(text)) and not [name for row in rows(finished) for name in row if "balanced" in name]


def test_several_seeds_end_in_the_mean_of_their_metric(command, tiny, tmp_path):
    words = ["--epochs", 1, "--interval_epochs", 1, "--seeds", "0,1", "--metric", "f1_error"]
    outcome = command("train", "--config", tiny, *words, "--out", tmp_path / "a")
    figures = [result(tmp_path / f"a/{seed}")["test_f1_error_averaged"] for seed in (0, 1)]
    assert outcome.out.endswith(f"test f1 error averaged of 2 seeds: {np.mean(figures):.2f} ± {np.std(figures, ddof=1):.2f} %\n")


def test_a_result_by_another_metric_has_its_figures(tmp_path):
    whole = {"test_error_last": 1, "test_error_averaged": 2.5, "validation_error": None, "seconds": 3, "epochs": 3, "split_sha256": "a"}
    figures = {"test_f1_error_last": 4, "test_f1_error_averaged": 5.0, "validation_f1_error": None}
    whole |= {"config": {"metric": "f1_error"}} | figures

    def read(tree: dict) -> dict:
        (tmp_path / "result.json").write_text(json.dumps(tree))
        return RunFolder(tmp_path).read_result()

    assert read(whole) == whole
    wrong = [{k: v for k, v in whole.items() if k != name} for name in figures]
    for found in [*wrong, *(whole | {name: value} for name in figures for value in ("1", 101))]:
        with pytest.raises(InputError, match="result.json cannot be read"):
            read(found)
