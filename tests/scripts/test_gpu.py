"""A sitting on a GPU: parts in order, each once, stopped in time, recorded after each; and that what it plans can be run."""

import runpy
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from gan_sntg.errors import InputError
from gan_sntg.experiments.executors import begin
from gan_sntg.files.json_files import read_json
from gan_sntg.runs.stopping import LATER

ROOT = Path(__file__).parents[2]
GPU = runpy.run_path(str(ROOT / "scripts/benchmarks/gpu.py"))
DEVICES = runpy.run_path(str(ROOT / "scripts/benchmarks/devices.py"))
Part, Sitting, PARTS = GPU["Part"], GPU["Sitting"], ROOT / "scripts/benchmarks/gpu.yaml"


@pytest.fixture
def sitting(tmp_path):
    """Makes one in this folder that has so many seconds."""
    return lambda seconds: Sitting(tmp_path / "out", tmp_path / "runs", time.time() + seconds, torch.device("cpu"))


def test_parts_are_done_in_order_and_once_and_one_that_failed_is_tried_again(sitting, capsys):
    good, bad = Part("first", "this"), Part("bad", "json.tool nowhere")
    parts = [good, bad, Part("next", "this", after="first"), Part("never", "this", after="bad")]
    sitting(600).take(parts)
    found = read_json(sitting(0).file)
    assert {name: [one["status"] for one in tries] for name, tries in found.items()} == {"first": [0], "bad": [2], "next": [0]}
    assert found["first"][0]["command"] == "python -m this" and found["first"][0]["message"].startswith("Namespaces are one")
    assert "torch" in found["first"][0]["environment"]["packages"] and "never: not before bad" in capsys.readouterr().out
    sitting(600).take([part._replace(run="this -v") if part.name == "next" else part for part in parts])
    assert {name: len(tries) for name, tries in read_json(sitting(0).file).items()} == {"first": 1, "bad": 2, "next": 2}


def test_no_part_begins_that_there_is_no_time_for(sitting):
    late = sitting(90)
    late.take([Part("long", "this", minutes=2)])
    assert late.tries == {} and late.minutes() == pytest.approx((90 - 2 * GPU["GRACE"]) / 60, abs=0.01)


class Child:
    """A program that takes no time: it ends when it is told to, or only when it is killed."""

    def __init__(self, heeds: bool):
        self.heeds, self.status, self.waits, self.told = heeds, None, [], []

    def wait(self, limit=None):
        self.waits.append(limit)
        if self.status is None:
            raise subprocess.TimeoutExpired("it", limit or 0)
        return self.status

    def terminate(self):
        self.told.append("terminate")
        self.status = LATER if self.heeds else None

    def kill(self):
        self.told.append("kill")
        self.status = -9


@pytest.mark.parametrize("heeds", [True, False])
def test_a_program_is_told_to_save_in_time_and_killed_at_the_end(heeds, monkeypatch):
    monkeypatch.setitem(GPU["ended"].__globals__, "time", SimpleNamespace(time=lambda: 1000.0))
    child = Child(heeds)
    assert GPU["ended"](child, 1100.0) == LATER
    assert child.told == (["terminate"] if heeds else ["terminate", "kill"])
    assert child.waits == ([100 - GPU["GRACE"], 100.0] if heeds else [100 - GPU["GRACE"], 100.0, None])


def test_a_program_that_ends_by_itself_has_its_status(tmp_path):
    assert GPU["ended"](begin(["nowhere"], 1, 1, tmp_path / "log", "json.tool"), float("inf")) == 2


@pytest.mark.parametrize("kind", ["gpu", "dry"])
def test_what_is_planned_can_be_run(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    parts = GPU["parts_of"](PARTS, kind)
    names = [part.name for part in parts]
    assert all(bool(part.run) != bool(part.grid) and part.after in ["", *names[:k]] for k, part in enumerate(parts))
    assert {"recorded", "devices", "bench"} < set(names[:4])
    grids = [part for part in parts if part.grid and "seeds" not in part.name]
    for part in grids[:2] + grids[-1:]:
        plan = GPU["planned"](part, Sitting.words(sitting_of(tmp_path), part.grid), tmp_path / "out", tmp_path / "runs")
        words = GPU["train_words"](plan.cells[:2], 1, 3.0)
        assert words[:3] == ["gan_sntg", "train", "--config"] and "--seed" not in words and "--data_seed" not in words
        assert words[words.index("--out") + 1] == str(plan.cells[0].folder.parent) and plan.report == tmp_path / "out" / part.name


def sitting_of(path: Path):
    return Sitting(path / "out", path / "runs", time.time() + 600, torch.device("cpu"))


def test_without_a_gpu_there_is_no_sitting(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"no CUDA device.*--dry"):
        GPU["main"](12.0, None, None, ["*"], [], False)


def test_steps_are_compared_term_by_term_and_only_with_as_many():
    here, there = {"a": [1.0, 2.0], "b": [0.0, 4.0]}, {"a": [1.0, 2.5], "b": [0.0, 4.0]}
    assert DEVICES["compared"]({"pi": here}, {"pi": there}) == {"pi": {"step 1": 0.0, "step 2": pytest.approx(0.2)}}
    for fewer in {}, {"pi": {"a": [1.0], "b": [0.0]}}, {"pi": {"a": [1.0, 2.0]}}:
        with pytest.raises(InputError, match="delete it"):
            DEVICES["compared"]({"pi": here}, fewer)
