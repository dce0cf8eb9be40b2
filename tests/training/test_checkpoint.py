"""Checkpoints: whole or not at all, complete, and read without executing anything."""

import os
import pickle
import stat

import pytest
import torch
from helpers.tiny import assert_same, gan, started, streams

from gan_sntg.errors import InputError
from gan_sntg.files import atomic
from gan_sntg.graph.teachers import Averaged, Ensemble
from gan_sntg.training import checkpoint
from gan_sntg.training.loop import Progress


def trained(steps: int, **options):
    made, progress = streams(), Progress()
    method = started(gan(weight=0.5, **options), made)
    advance(method, made, progress, steps)
    return method, made, progress


def advance(method, made, progress, steps: int) -> None:
    made.steps_per_epoch = steps
    for batch in made.epoch():
        method.step(batch, 1)
        progress.step += 1


def test_a_write_that_fails_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "last.pt"
    atomic.write_atomically(path, b"old")

    def torn(*arguments):
        raise OSError("no space left")

    for name in "fsync", "replace":
        with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
            patch.setattr(os, name, torn)
            atomic.write_atomically(path, b"new")
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"last.pt": b"old"}
    atomic.write_atomically(path, b"new")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"last.pt": b"new"}


def test_the_bytes_are_synced_before_the_rename_and_the_folder_after_it(tmp_path, monkeypatch):
    calls = []
    replace = os.replace
    monkeypatch.setattr(os, "fsync", lambda file: calls.append("sync folder" if stat.S_ISDIR(os.fstat(file).st_mode) else "sync file"))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("rename"), replace(a, b)))
    atomic.write_atomically(tmp_path / "last.pt", b"x")
    assert calls == ["sync file", "rename", "sync folder"]


@pytest.mark.parametrize("teacher", [Averaged, Ensemble])
def test_going_on_from_a_checkpoint_equals_not_stopping(tmp_path, teacher):
    method, made, progress = trained(4, teacher=teacher())
    checkpoint.save(tmp_path / "last.pt", method, made, progress)
    advance(method, made, progress, 7)
    other, others, again = trained(2, teacher=teacher(), seed=9)
    checkpoint.restore(tmp_path / "last.pt", other, others, again)
    assert again.step == 4
    advance(other, others, again, 7)
    assert_same(checkpoint.state_of(method, made, progress), checkpoint.state_of(other, others, again))


def test_a_checkpoint_loads_as_weights_only_and_holds_every_part(tmp_path):
    method, made, progress = trained(2)
    checkpoint.save(tmp_path / "last.pt", method, made, progress)
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    assert state.keys() == {"format", "progress", "method", "optimizers", "generators", "streams", "settings", "meter"}
    assert state["optimizers"].keys() == {"d", "g"} and state["generators"].keys() == {"noise", "z", "graph"}
    assert state["streams"].keys() == {"labeled", "unlabeled", "unlabeled_g"}
    assert state["progress"] == vars(progress) and (progress.epoch, progress.step) == (0, 2)


DAMAGES = [lambda b: b[: len(b) // 2], lambda b: b[:-1], lambda b: b"", lambda b: b"not a checkpoint", lambda b: b"\x80"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_unreadable_checkpoint_is_refused(tmp_path, damage):
    path = tmp_path / "last.pt"
    checkpoint.save(path, *trained(1))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match="last.pt is not a readable checkpoint .*nothing was changed. Restore it from a copy"):
        checkpoint.read(path, "cpu")


class Intruder:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("write", [torch.save, lambda thing, path: path.write_bytes(pickle.dumps(thing))], ids=["zip", "pickle"])
def test_nothing_in_a_checkpoint_is_executed(tmp_path, write):
    write({"format": checkpoint.FORMAT, "method": Intruder(str(tmp_path / "intruder"))}, tmp_path / "last.pt")
    with pytest.raises(InputError, match="not a readable checkpoint"):
        checkpoint.read(tmp_path / "last.pt", "cpu")
    assert not (tmp_path / "intruder").exists()


def test_a_checkpoint_of_another_format_is_refused(tmp_path):
    torch.save({"format": checkpoint.FORMAT + 1}, tmp_path / "last.pt")
    with pytest.raises(InputError, match="has checkpoint format 3, this version reads 2; use the version that wrote it"):
        checkpoint.read(tmp_path / "last.pt", "cpu")


@pytest.mark.parametrize("part", ["method", "optimizers", "generators", "streams", "progress"])
def test_a_checkpoint_without_one_of_its_parts_is_refused(tmp_path, part):
    method, made, progress = trained(1)
    state = checkpoint.state_of(method, made, progress)
    torch.save({name: value for name, value in state.items() if name != part}, tmp_path / "last.pt")
    with pytest.raises(InputError, match=f"does not fit this configuration .KeyError: '{part}'.*Use the config that wrote it"):
        checkpoint.restore(tmp_path / "last.pt", method, made, progress)


def test_a_checkpoint_of_another_method_is_refused(tmp_path):
    checkpoint.save(tmp_path / "last.pt", *trained(1, teacher=Ensemble()))
    with pytest.raises(InputError, match="does not fit this configuration"):
        checkpoint.restore(tmp_path / "last.pt", *trained(1, teacher=Averaged()))


NAN, INF = float("nan"), float("inf")
SPOILT = {
    "epoch": lambda state: state["progress"].update(epoch="3"),
    "seconds": lambda state: state["progress"].update(seconds=INF),
    "more progress": lambda state: state["progress"].update(load_state_dict=1),
    "position": lambda state: state["streams"]["labeled"].update(position=-1),
    "late position": lambda state: state["streams"]["unlabeled"].update(position=10**6),
    "order": lambda state: state["streams"]["unlabeled"].update(order=state["streams"]["unlabeled"]["order"] + 10**6),
    "no order": lambda state: state["streams"]["unlabeled"].update(order=torch.zeros(3)),
    "weights": lambda state: next(v for k, v in state["method"].items() if k.endswith("weight")).fill_(NAN),
    "moments": lambda state: state["optimizers"]["d"]["state"][0].update(m=torch.zeros(3)),
    "moments' numbers": lambda state: state["optimizers"]["d"]["state"][0]["v"].fill_(INF),
    "moments' kind": lambda state: state["optimizers"]["g"]["state"][0].update(m="many"),
    "a moment's absence": lambda state: state["optimizers"]["g"]["state"][0].pop("m"),
    "steps as a text": lambda state: state["optimizers"]["g"]["state"][0].update(step="3"),
    "steps below 0": lambda state: state["optimizers"]["g"]["state"][0].update(step=-1),
    "betas": lambda state: state["optimizers"]["d"]["param_groups"][0].update(betas=(0.5, 1.0)),
    "rate": lambda state: state["optimizers"]["d"]["param_groups"][0].update(lr=NAN),
}


@pytest.mark.parametrize("part", SPOILT)
def test_a_checkpoint_with_a_part_that_could_not_be_gone_on_with_is_refused(tmp_path, part):
    method, made, progress = trained(2)
    state = checkpoint.state_of(method, made, progress)
    SPOILT[part](state)
    torch.save(state, tmp_path / "last.pt")
    with pytest.raises(InputError, match="does not fit this configuration .ValueError|does not fit this configuration .TypeError"):
        checkpoint.restore(tmp_path / "last.pt", *trained(1, seed=1))


def test_a_link_in_the_place_of_the_temporary_file_is_not_written_through(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / ".last.pt.tmp").symlink_to(tmp_path / "mine.txt")
    atomic.write_atomically(tmp_path / "last.pt", b"new")
    assert (tmp_path / "mine.txt").read_text() == "mine" and (tmp_path / "last.pt").read_bytes() == b"new"
