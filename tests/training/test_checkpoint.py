"""Checkpoints: complete, refused where damaged, and outlasting whatever goes wrong while one is written."""

import errno
import json
import os
from pathlib import Path

import pytest
import torch
from helpers.run_folders import rows
from helpers.tiny import gan, started, streams

from gan_sntg.errors import InputError
from gan_sntg.graph.teachers import Averaged, Ensemble
from gan_sntg.training import checkpoint
from gan_sntg.training.checkpoint import generation, generations, keep, newest
from gan_sntg.training.loop import Progress


def restore(path: Path, *fresh) -> None:
    checkpoint.put_back(checkpoint.read(path, "cpu"), path, *fresh)


def trained(steps: int, **options):
    """A method, its streams and its progress after so many steps."""
    made, progress = streams(), Progress()
    method = started(gan(weight=0.5, **options), made)
    made.steps_per_epoch = progress.step = steps
    for batch in made.epoch():
        method.step(batch, 1)
    return method, made, progress


def test_a_checkpoint_loads_as_weights_only_and_holds_every_part(tmp_path):
    method, made, progress = trained(2)
    checkpoint.save(tmp_path / "last.pt", method, made, progress)
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    assert state.keys() == {"format", "progress", "method", "optimizers", "generators", "streams", "settings", "meter"}
    assert state["optimizers"].keys() == {"d", "g"} and state["generators"].keys() == {"noise", "z", "graph"}
    assert state["streams"].keys() == {"labeled", "unlabeled", "unlabeled_g"}
    assert state["progress"] == vars(progress) and (progress.epoch, progress.step) == (0, 2)


DAMAGES = {
    "cut": lambda data: data[: len(data) // 2],
    "a byte less": lambda data: data[:-1],
    "a bit": lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
    "empty": lambda data: b"",
    "text": lambda data: b"not a checkpoint",
    "a pickle's head": lambda data: b"\x80",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_unreadable_checkpoint_is_refused(tmp_path, damage):
    path = tmp_path / "last.pt"
    checkpoint.save(path, *trained(1))
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(InputError, match="last.pt is not a readable checkpoint .*nothing was changed. Restore it from a copy"):
        checkpoint.read(path, "cpu")


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
        restore(tmp_path / "last.pt", method, made, progress)


def test_a_checkpoint_of_another_method_is_refused(tmp_path):
    checkpoint.save(tmp_path / "last.pt", *trained(1, teacher=Ensemble()))
    with pytest.raises(InputError, match="does not fit this configuration"):
        restore(tmp_path / "last.pt", *trained(1, teacher=Averaged()))


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
    "all second moments": lambda state: [kept.pop("v") for kept in state["optimizers"]["d"]["state"].values()],
    "steps as a text": lambda state: state["optimizers"]["g"]["state"][0].update(step="3"),
    "steps below 0": lambda state: state["optimizers"]["g"]["state"][0].update(step=-1),
    "steps without number": lambda state: state["optimizers"]["g"]["state"][0].update(step=NAN),
    "epsilon": lambda state: state["optimizers"]["g"]["param_groups"][0].update(eps="small"),
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
        restore(tmp_path / "last.pt", *trained(1, seed=1))


# --- the last ones are kept, and a damaged one leaves the one before it -----------------------------------------------


def numbered(n: int) -> memoryview:
    return checkpoint.as_bytes({"format": checkpoint.FORMAT, "n": n})


def found(path: Path) -> int:
    return newest(path, "cpu")[0]["n"]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_last_ones_are_kept_the_newest_first(tmp_path, count):
    path = tmp_path / "last.pt"
    for n in range(6):
        keep(path, numbered(n), count)
    assert [checkpoint.read(file, "cpu")["n"] for file in generations(path)] == [5, 4, 3, 2][:count]
    assert len(list(tmp_path.iterdir())) == count
    keep(path, numbered(6), 1)
    assert [file.name for file in tmp_path.iterdir()] == ["last.pt"]


class Stopped(BaseException):
    """As a kill: nothing tidies up."""


def failing(monkeypatch, call: int, error: BaseException) -> list[str]:
    """Let the call-th of all that a write asks of the system fail; the names of those before it, and of that one."""
    made = []

    def counted(owner, name):
        real = getattr(owner, name)

        def counting(*arguments, **named):
            made.append(name)
            if len(made) == call:
                raise error
            return real(*arguments, **named)

        monkeypatch.setattr(owner, name, counting)

    for name in ("fsync", "replace", "unlink"):
        counted(os, name)
    counted(Path, "open")
    return made


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EIO, "Input/output error"), Stopped()], ids=str
)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_whichever_call_of_a_write_fails_the_state_before_or_the_new_one_loads(tmp_path, monkeypatch, count, error):
    failed = 0
    for call in range(1, 40):
        folder = tmp_path / str(call)
        folder.mkdir()
        for n in range(3):
            keep(folder / "last.pt", numbered(n), count)
        with monkeypatch.context() as patch:
            made = failing(patch, call, error)
            try:
                keep(folder / "last.pt", numbered(3), count)
            except (OSError, Stopped):
                failed += 1
        if len(made) < call:
            break
        assert found(folder / "last.pt") in (2, 3)
        keep(folder / "last.pt", numbered(4), count)
        assert [checkpoint.read(file, "cpu")["n"] for file in generations(folder / "last.pt")][0] == 4
    assert failed == call - 1 >= 4 + count - 1


def test_no_checkpoint_is_none(tmp_path):
    assert generations(tmp_path / "last.pt") == [] and generation(tmp_path / "last.pt", 2).name == "last-2.pt"
    with pytest.raises(InputError, match="there is no checkpoint"):
        newest(tmp_path / "last.pt", "cpu")


def test_the_best_one_is_that_of_the_least_validation_error(command, tiny, finished, tmp_path):
    words = ["train", "--config", tiny, "--epochs", 6, "--validation", "true", "--method.learning_rate", 0.01]
    assert command(*words, "--out", tmp_path / "run").status == 0
    errors = {row["epoch"]: row["validation_error/averaged"] for row in rows(tmp_path / "run")}
    best = torch.load(tmp_path / "run/checkpoints/best.pt", weights_only=True)["progress"]
    assert best["best"] == min(errors.values()) == errors[best["epoch"]]
    assert best["epoch"] == min(epoch for epoch, error in errors.items() if error == min(errors.values()))
    found = json.loads(command("evaluate", tmp_path / "run", "--checkpoint", "best").out)
    assert found["epoch"] == best["epoch"] and json.loads(command("evaluate", tmp_path / "run").out)["epoch"] == 6
    refused = command("evaluate", finished, "--checkpoint", "best")
    assert refused.status == 2 and "trained without validation images; leave --checkpoint out" in refused.err
    assert not (finished / "checkpoints/best.pt").exists()  # never by the test images
