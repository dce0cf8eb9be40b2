"""What tests read from a run folder, times left out, and how two runs are compared."""

import json
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_sntg.runs.folder import RunFolder
from helpers.tiny import assert_same


def rows(folder: Path) -> list[dict]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in RunFolder(folder).rows()]


def scalars(folder: Path) -> dict[str, list[tuple[int, str]]]:
    events = EventAccumulator(str(RunFolder(folder).tensorboard)).Reload()
    return {tag: [(e.step, repr(e.value)) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def result(folder: Path) -> dict:
    return {k: v for k, v in json.loads((folder / "result.json").read_text()).items() if k != "seconds"}


def state(folder: Path) -> dict:
    """The checkpoint."""
    found = torch.load(folder / "checkpoints" / "last.pt", weights_only=True)
    del found["progress"]["seconds"]
    return found


def assert_same_run(a: Path, b: Path) -> None:
    """Equal bit for bit: weights and all other state, metrics, scalars and result."""
    assert_same(state(a), state(b))
    assert rows(a) == rows(b) and len(rows(a)) > 0
    assert scalars(a) == scalars(b) and len(scalars(a)) > 0
    assert result(a) == result(b)


def interrupted(command, words: list, folder: Path, owner, name: str, call: int):
    """Train in `folder` until the `call`th call of owner.name, which ends as Ctrl-C does; the outcome."""
    real, calls = getattr(owner, name), iter(range(1, 10**6))

    def stopping(*arguments, **named):
        if next(calls) == call:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, stopping)
        return command("train", *words, "--out", folder)
