"""Checkpoints outlast whatever goes wrong while one is written, and a damaged one leaves the one before it."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.run_folders import age, assert_same_run, rows

from gan_sntg.errors import InputError
from gan_sntg.training import checkpoint
from gan_sntg.training.checkpoint import generation, generations, keep, newest


def state(n: int) -> memoryview:
    return checkpoint.as_bytes({"format": checkpoint.FORMAT, "n": n})


def found(path: Path) -> int:
    return newest(path, "cpu")[0]["n"]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_last_ones_are_kept_the_newest_first(tmp_path, count):
    path = tmp_path / "last.pt"
    for n in range(6):
        keep(path, state(n), count)
    assert [checkpoint.read(file, "cpu")["n"] for file in generations(path)] == [5, 4, 3, 2][:count]
    assert len(list(tmp_path.iterdir())) == count
    keep(path, state(6), 1)
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
            keep(folder / "last.pt", state(n), count)
        with monkeypatch.context() as patch:
            made = failing(patch, call, error)
            try:
                keep(folder / "last.pt", state(3), count)
            except (OSError, Stopped):
                failed += 1
        if len(made) < call:
            break
        assert found(folder / "last.pt") in (2, 3)
        keep(folder / "last.pt", state(4), count)
        assert [checkpoint.read(file, "cpu")["n"] for file in generations(folder / "last.pt")][0] == 4
    assert failed == call - 1 >= 4 + count - 1


def test_a_write_that_is_cut_short_leaves_what_was_there(tmp_path):
    path = tmp_path / "last.pt"
    keep(path, state(1), 2)
    keep(path, state(2), 2)
    (tmp_path / ".last-next.pt.tmp").write_bytes(bytes(state(3))[:100])  # a kill while writing
    assert found(path) == 2
    keep(path, state(4), 2)
    assert found(path) == 4


DAMAGES = {
    "cut": lambda data: data[: len(data) // 2],
    "a bit": lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_newest_checkpoint_is_passed_over_loudly_and_the_run_ends_as_if_whole(command, tiny, finished, tmp_path, damage):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / "result.json").unlink()
    path = run / "checkpoints/last.pt"
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    age(run)
    outcome = command("train", "--config", tiny, "--out", run)
    assert outcome.status == 0 and "last.pt is not a readable checkpoint" in outcome.err
    assert "The checkpoint before it" in outcome.err and "last-1.pt, is whole: this is gone on from" in outcome.err
    assert_same_run(run, finished)


def test_where_all_are_damaged_the_run_is_refused_and_nothing_changed(refused, train, finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run/result.json").unlink()
    for path in (tmp_path / "run/checkpoints").iterdir():
        path.write_bytes(b"damaged")
    refused(train, "last.pt is not a readable checkpoint")


def test_no_checkpoint_is_none(tmp_path):
    assert generations(tmp_path / "last.pt") == [] and generation(tmp_path / "last.pt", 2).name == "last-2.pt"
    with pytest.raises(InputError, match="there is no checkpoint"):
        newest(tmp_path / "last.pt", "cpu")


def test_the_best_one_is_that_of_the_least_validation_error(command, tiny, tmp_path):
    words = ["train", "--config", tiny, "--epochs", 6, "--validation", "true", "--method.learning_rate", 0.01]
    assert command(*words, "--out", tmp_path / "run").status == 0
    errors = {row["epoch"]: row["validation_error/averaged"] for row in rows(tmp_path / "run")}
    best = torch.load(tmp_path / "run/checkpoints/best.pt", weights_only=True)["progress"]
    assert best["best"] == min(errors.values()) == errors[best["epoch"]]
    assert best["epoch"] == min(epoch for epoch, error in errors.items() if error == min(errors.values()))
    found = json.loads(command("evaluate", tmp_path / "run", "--checkpoint", "best").out)
    assert found["epoch"] == best["epoch"] and json.loads(command("evaluate", tmp_path / "run").out)["epoch"] == 6
    assert command("train", "--config", tiny, "--out", tmp_path / "none").status == 0
    refused = command("evaluate", tmp_path / "none", "--checkpoint", "best")
    assert refused.status == 2 and "trained without validation images; leave --checkpoint out" in refused.err
    assert not (tmp_path / "none/checkpoints/best.pt").exists()  # never by the test images


FULL_DISK = """
set -e
mount -t tmpfs -o size=900k tmpfs "$1"
"$2" -m gan_sntg train --config "$3" --out "$1/run" --epochs 400 --keep 2 || echo "status $?"
"$2" -m gan_sntg evaluate "$1/run" > "$4/evaluated.json" && echo evaluated
mount -o remount,size=100m "$1"
"$2" -m gan_sntg train --config "$3" --out "$1/run" --epochs 400 --keep 2 --max_minutes 0.15 > /dev/null || echo "again $?"
cp "$1/run/metrics.jsonl" "$4"
"""


def test_a_full_disk_stops_the_run_with_an_error_and_it_goes_on_when_there_is_room(tiny, tmp_path):
    probe = subprocess.run(["unshare", "-Urm", "true"], capture_output=True) if shutil.which("unshare") else None
    if probe is None or probe.returncode:
        pytest.skip("needs user namespaces with mounts (unshare -Urm)")
    (tmp_path / "disk").mkdir()
    words = ["unshare", "-Urm", "sh", "-c", FULL_DISK, "sh", tmp_path / "disk", sys.executable, tiny, tmp_path]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=120)
    assert "status 2" in done.stdout and "No space left on device" in done.stderr and "the last checkpoint is as it was" in done.stderr, (
        done
    )
    assert "Traceback" not in done.stderr.split("evaluated")[0] and "evaluated" in done.stdout
    steps = [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    stopped = json.loads((tmp_path / "evaluated.json").read_text())["step"]
    assert steps == list(range(4, 4 * len(steps) + 1, 4)) and steps[-1] > stopped


def test_a_folder_that_cannot_be_written_is_refused_and_left_as_it_is(command, contents, tiny, finished, tmp_path, monkeypatch):
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run/result.json").unlink()
    before = contents(tmp_path / "run")

    def read_only(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "fsync", read_only)
    outcome = command("train", "--config", tiny, "--out", tmp_path / "run")
    assert outcome.status == 2 and "Read-only file system" in outcome.err and contents(tmp_path / "run") == before
