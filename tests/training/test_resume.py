"""Stopping a run, anywhere and in any way, and taking it up again changes nothing."""

import copy
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from helpers.run_folders import age, assert_same_run, interrupted, rows
from helpers.tiny import POINTS

from discriminative.objective import Objective
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.runs import trainer
from gan_sntg.runs.folder import RunFolder

KILLED_IN_STEP_10 = """
import os, signal, sys
import torch
from gan_sntg.commands.main import main
from gan_sntg.methods.feature_matching import FeatureMatchingGAN

torch.set_num_threads(1)
step, steps = FeatureMatchingGAN.step, iter(range(1, 11))

def step_and_die(*arguments):
    terms = step(*arguments)
    if next(steps) == 10:
        os.kill(os.getpid(), signal.SIGKILL)
    return terms

FeatureMatchingGAN.step = step_and_die
main(sys.argv[1:])
"""


def test_a_run_killed_in_mid_epoch_and_resumed_equals_one_never_stopped(command, tiny, finished, tmp_path):
    words = ["train", "--config", str(tiny), "--out", str(tmp_path / "run")]
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_STEP_10, *words], capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert len(rows(tmp_path / "run")) == 2 and not (tmp_path / "run/result.json").exists()
    age(tmp_path / "run")
    assert command(*words).status == 0
    assert_same_run(tmp_path / "run", finished)


@pytest.mark.parametrize("teacher", ["Averaged", "Ensemble", "SecondPass"])
def test_an_interrupted_run_says_so_and_resumes_bit_for_bit(command, tiny_tree, tmp_path, teacher):
    tree = tiny_tree() | {"interval_epochs": 2, "steps_per_epoch": 5, "validation": True}
    tree["method"]["init_args"]["teacher"] = {"class_path": f"gan_sntg.graph.{teacher}"}
    tree["method"]["init_args"]["sntg"]["init_args"]["labeled"] = True
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tree))
    words = ["--config", tmp_path / "config.yaml"]
    stopped = interrupted(command, words, tmp_path / "a", FeatureMatchingGAN, "step", 12)
    assert stopped.status == 130 and "goes on from the last checkpoint" in stopped.err
    for name in "a", "b":
        assert command("train", *words, "--out", tmp_path / name).status == 0
    assert_same_run(tmp_path / "a", tmp_path / "b")


METHODS = {
    "supervised.Supervised": {"consistency_weight": 0},
    "pi_model.PiModel": {},
    "temporal_ensembling.TemporalEnsembling": {},
    "mean_teacher.MeanTeacher": {"decay": 0.9},
    "vat.VAT": {"epsilon": 1.0, "entropy_weight": 0.1},
}
NETS = {
    "digits": {"class_path": "gan_sntg.networks.DenseDiscriminator", "init_args": {"widths": [16, 12]}},
    "points": {"class_path": "gan_sntg.networks.PlaneMLP"},  # has running statistics
}


@pytest.mark.parametrize("data", NETS)
@pytest.mark.parametrize("method", METHODS)
def test_every_discriminative_method_resumes_bit_for_bit(command, tiny_tree, tmp_path, data, method):
    tree = tiny_tree() if data == "digits" else copy.deepcopy(POINTS)
    options = {"net": NETS[data], "schedule": {"class_path": "gan_sntg.schedules.LinearTail"}, "learning_rate": 0.001}
    augmentation = {"class_path": "gan_sntg.data.Augmentation", "init_args": {"translation": 1, "flip": True}}
    options |= (
        {"sntg": {"class_path": "gan_sntg.graph.SNTG", "init_args": {"weight": 0.5}}, "w": {"ramp_epochs": 0}}
        | METHODS[method]
        | ({"augmentation": augmentation} if data == "digits" else {})
    )
    tree |= {"method": {"class_path": f"discriminative.{method}", "init_args": options}, "epochs": 3, "steps_per_epoch": 4}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tree))
    words = ["--config", tmp_path / "config.yaml"]
    assert interrupted(command, words, tmp_path / "a", Objective, "terms" if "vat" not in method else "weighted", 10).status == 130
    for name in "a", "b":
        assert command("train", *words, "--out", tmp_path / name).status == 0
    assert_same_run(tmp_path / "a", tmp_path / "b")


WRITES = [(trainer, "keep", 1), (trainer, "keep", 2), (RunFolder, "log", 2), (os, "replace", 9), (RunFolder, "finish", 1)]


@pytest.mark.parametrize(("owner", "name", "call"), WRITES, ids=["save 1", "save 2", "log 2", "replace 9", "finish"])
def test_a_run_stopped_while_it_writes_resumes_bit_for_bit(command, tiny, finished, tmp_path, owner, name, call):
    assert interrupted(command, ["--config", tiny], tmp_path / "run", owner, name, call).status == 130
    assert command("train", "--config", tiny, "--out", tmp_path / "run").status == 0
    assert_same_run(tmp_path / "run", finished)


def test_a_row_torn_by_a_crash_does_not_show_after_resuming(command, tiny, finished, tmp_path):
    interrupted(command, ["--config", tiny], tmp_path / "run", FeatureMatchingGAN, "step", 6)
    with (tmp_path / "run/metrics.jsonl").open("a") as file:
        file.write('{"epoch": 2, "step": 8, "seco')
    assert command("train", "--config", tiny, "--out", tmp_path / "run").status == 0
    assert_same_run(tmp_path / "run", finished)


def test_each_session_adds_its_environment(command, tiny, tmp_path):
    interrupted(command, ["--config", tiny], tmp_path / "run", FeatureMatchingGAN, "step", 6)
    assert command("train", "--config", tiny, "--out", tmp_path / "run").status == 0
    sessions = json.loads((tmp_path / "run/environment.json").read_text())
    assert len(sessions) == 2 and sessions[0]["threads"] == torch.get_num_threads() == 1


def by_hand(split: Path, to: Path, first: int) -> Path:
    """The manifest `split` with other labels: `first` and 19 images after it."""
    to.write_text(json.dumps(json.loads(split.read_text()) | {"labeled": list(range(first, first + 20))}))
    return to


@pytest.mark.parametrize("words", [["--split", "other.json"], []], ids=["another", "none"])
def test_a_run_on_a_manifest_is_never_resumed_on_other_labels(command, contents, tiny, finished, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    mine = by_hand(finished / "split.json", tmp_path / "mine.json", 100)
    by_hand(finished / "split.json", tmp_path / "other.json", 200)
    interrupted(command, ["--config", tiny, "--split", mine], tmp_path / "run", FeatureMatchingGAN, "step", 6)
    before = contents(tmp_path)
    assert command("train", "--config", tiny, *words, "--out", "run").status == 2
    assert contents(tmp_path) == before


def test_a_run_is_resumed_by_its_own_manifest_wherever_that_lies(command, tiny, finished, tmp_path):
    mine = by_hand(finished / "split.json", tmp_path / "mine.json", 100)
    interrupted(command, ["--config", tiny, "--split", mine], tmp_path / "a", FeatureMatchingGAN, "step", 6)
    moved = mine.rename(tmp_path / "moved.json")
    for name in "a", "b":
        assert command("train", "--config", tiny, "--split", moved, "--out", tmp_path / name).status == 0
    assert_same_run(tmp_path / "a", tmp_path / "b")
