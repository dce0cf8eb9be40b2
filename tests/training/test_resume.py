"""Runs stopped anywhere and in any way, or left with damaged or no room for files: taken up again, nothing is changed."""

import errno
import json
import os
import signal
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers import processes, two_ranks
from helpers.data_files import npz
from helpers.method_factories import ALL
from helpers.run_folders import assert_same_run, interrupted, rows

from discriminative.objective import Objective
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.runs import trainer
from gan_sntg.runs.folder import RunFolder


def test_a_run_killed_in_mid_epoch_and_resumed_equals_one_never_stopped(command, tiny, finished, tmp_path):
    words = ["train", "--config", tiny, "--out", tmp_path / "run"]
    assert processes.ended(partial(two_ranks.faulty, "killed", 10), words, tmp_path / "log") == -signal.SIGKILL
    assert len(rows(tmp_path / "run")) == 2 and not (tmp_path / "run/result.json").exists()
    assert command(*words).status == 0
    assert_same_run(tmp_path / "run", finished)


@pytest.fixture
def resumes(command, tmp_path):
    """Checks that the run of a configuration says so where a call interrupts it, and resumes to the bit."""

    def check(tree: dict, owner, name: str, call: int) -> None:
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(tree))
        words = ["--config", tmp_path / "config.yaml"]
        stopped = interrupted(command, words, tmp_path / "a", owner, name, call)
        assert stopped.status == 130 and "Run the same command to resume from the last checkpoint" in stopped.err
        for folder in "a", "b":
            assert command("train", *words, "--out", tmp_path / folder).status == 0
        assert_same_run(tmp_path / "a", tmp_path / "b")

    return check


BALANCES = {"DistributionAlignment": {}, "EqualShares": {"queue": 200}}


@pytest.mark.parametrize(("teacher", "balance"), [("Averaged", "DistributionAlignment"), ("Ensemble", "EqualShares"), ("SecondPass", None)])
def test_an_interrupted_run_says_so_and_resumes_bit_for_bit(resumes, tiny_tree, teacher, balance):
    tree = tiny_tree() | {"interval_epochs": 2, "steps_per_epoch": 5, "validation": True}
    tree["method"]["init_args"]["teacher"] = {"class_path": f"gan_sntg.graph.{teacher}"}
    tree["method"]["init_args"]["sntg"]["init_args"]["labeled"] = True
    if balance:
        balance = {"class_path": f"gan_sntg.graph.{balance}", "init_args": BALANCES[balance]}
        tree["method"]["init_args"]["sntg"]["init_args"]["balance"] = balance
    resumes(tree, FeatureMatchingGAN, "step", 12)


def test_a_run_that_finds_pixel_neighbours_again_resumes_bit_for_bit(resumes, tiny_tree, labels_alone):
    method, graph = labels_alone(), {"class_path": "gan_sntg.graph.PoolNeighborGraph", "init_args": {"k": 3}}
    sntg = {"weight": 0.5, "graph": graph, "embed": "output"}
    method["init_args"] |= {"stream": "two", "sntg": {"class_path": "gan_sntg.graph.SNTG", "init_args": sntg}}
    resumes(tiny_tree() | {"method": method, "validation": True, "steps_per_epoch": 5}, Objective, "terms", 12)


@pytest.mark.parametrize("call", [7, 9])
def test_a_run_of_balanced_labelled_batches_resumes_bit_for_bit(resumes, tiny_tree, call):
    tree = tiny_tree() | {"labels": 23, "balance": "random", "labeled_sampling": "class_balanced", "labeled_batch_size": 7}
    resumes(tree | {"checkpoint_minutes": 1e-9}, FeatureMatchingGAN, "step", call)


def test_a_run_whose_noise_is_of_a_table_resumes_bit_for_bit(resumes, tiny_tree):
    resumes(tiny_tree() | {"noise": "table"}, FeatureMatchingGAN, "step", 12)


METHODS = {kind.__name__: options for kind, options in ALL.values()}
METHODS["VAT"] = METHODS["VAT"] | {"refresh_batches": 2}


@pytest.mark.parametrize("method", METHODS)
def test_every_discriminative_method_resumes_bit_for_bit_with_running_statistics_and_augmentation(resumes, tiny_tree, tmp_path, method):
    x, y = np.random.default_rng(0).integers(0, 256, (130, 12, 12), dtype=np.uint8), np.arange(130) % 3
    npz(tmp_path / "mine.npz", train_x=x[30:], train_y=y[30:], test_x=x[:30], test_y=y[:30])
    options = {
        "net": {"class_path": "gan_sntg.networks.VATConvNet", "init_args": {"widths": [4, 6, 8]}},
        "schedule": {"class_path": "gan_sntg.schedules.LinearTail"},
        "learning_rate": 0.001,
        "w": {"ramp_epochs": 0},
        "sntg": {"class_path": "gan_sntg.graph.SNTG", "init_args": {"weight": 0.5}},
        "augmentation": {"class_path": "gan_sntg.data.Augmentation", "init_args": {"translation": 1, "flip": True}},
    }
    tree = tiny_tree() | {"data": {"class_path": "gan_sntg.data.Arrays", "init_args": {"file": "mine.npz", "root": str(tmp_path)}}}
    tree |= {"labels": 12, "method": {"class_path": f"discriminative.{method}", "init_args": options | METHODS[method]}}
    resumes(tree, Objective, "weighted" if method == "VAT" else "terms", 10)


WRITES = [(trainer, "keep", 1), (trainer, "keep", 2), (RunFolder, "log", 2), (os, "replace", 9), (RunFolder, "finish", 1)]


@pytest.mark.parametrize(("owner", "name", "call"), WRITES, ids=["save 1", "save 2", "log 2", "replace 9", "finish"])
def test_a_run_stopped_while_it_writes_resumes_bit_for_bit(command, tiny, finished, tmp_path, owner, name, call):
    assert interrupted(command, ["--config", tiny], tmp_path / "run", owner, name, call).status == 130
    assert command("train", "--config", tiny, "--out", tmp_path / "run").status == 0
    assert_same_run(tmp_path / "run", finished)


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


# --- what goes wrong with the files ------------------------------------------------------------------------------------


def test_a_damaged_newest_checkpoint_is_passed_over_loudly_and_the_run_ends_as_if_whole(command, tiny, finished, run):
    (run / "result.json").unlink()
    path = run / "checkpoints/last.pt"
    path.write_bytes(path.read_bytes()[:1000])
    outcome = command("train", "--config", tiny, "--out", run)
    assert outcome.status == 0 and "last.pt is not a readable checkpoint" in outcome.err
    assert "The checkpoint before it" in outcome.err and "last-1.pt, is whole: this is gone on from" in outcome.err
    assert_same_run(run, finished)


def test_where_all_are_damaged_the_run_is_refused_and_nothing_changed(refused, train, run):
    (run / "result.json").unlink()
    for path in (run / "checkpoints").iterdir():
        path.write_bytes(b"damaged")
    refused(train, "last.pt is not a readable checkpoint")


def test_a_full_disk_stops_the_run_with_an_error_and_it_goes_on_when_there_is_room(tiny, tmp_path):
    (tmp_path / "disk").mkdir()
    status = processes.ended(processes.on_a_full_disk, [tmp_path / "disk", tiny, tmp_path / "run"], tmp_path / "log")
    said = (tmp_path / "log").read_text()
    if status == processes.NO_NAMESPACES:
        pytest.skip(f"needs user namespaces with mounts: {said}")
    assert status == 0 and said.endswith("2 0 0\n") and "Traceback" not in said, said
    assert "No space left on device" in said and "the last checkpoint is as it was" in said
    evaluated, _ = json.JSONDecoder().raw_decode(said[said.index("{\n") :])
    assert 0 < evaluated["epoch"] < 12
    assert [row["step"] for row in rows(tmp_path / "run")] == list(range(4, 49, 4))
    assert json.loads((tmp_path / "run/result.json").read_text())["epochs"] == 12


def test_a_folder_that_cannot_be_written_is_refused_and_left_as_it_is(command, contents, tiny, run, monkeypatch):
    (run / "result.json").unlink()
    before = contents(run)

    def read_only(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "fsync", read_only)
    outcome = command("train", "--config", tiny, "--out", run)
    assert outcome.status == 2 and "Read-only file system" in outcome.err and contents(run) == before
