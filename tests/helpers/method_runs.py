"""Runs of a method without a command: stacked seeds against each alone, and a resumed run against one never stopped."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import torch

from gan_sntg.training.checkpoint import put_back, read, save, state_of
from gan_sntg.training.loop import Progress
from gan_sntg.training.method import Method
from gan_sntg.training.multi_seed import StackedStreams, stacked, unstack
from helpers.tiny import UnitRange64, assert_same, started, streams

SEEDS = 0, 4


def assert_stacked_as_alone(made: Callable[[int], Method], steps: int = 4) -> None:
    """Terms, state and random streams of seeds trained as one, but for rounding. made(seed): a method in float64."""

    def each() -> tuple[list, list]:
        s = [streams(seed=seed, normalization=UnitRange64) for seed in SEEDS]
        return [started(made(seed), own) for seed, own in zip(SEEDS, s, strict=True)], s

    (methods, s), (alone, streams_alone) = each(), each()
    method = stacked(methods)
    terms = [method.step(batch, 1) for batch in islice(StackedStreams(s).epoch(), steps)]
    unstack(method, methods)
    for k, other in enumerate(alone):
        expected = [other.step(batch, 1) for batch in islice(streams_alone[k].epoch(), steps)]
        torch.testing.assert_close([{name: v[k] for name, v in of_step.items()} for of_step in terms], expected, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(methods[k].state_dict(), other.state_dict(), rtol=1e-9, atol=1e-12, equal_nan=True)
        assert_same(*({name: g.get_state() for name, g in m.generators.items()} for m in (methods[k], other)))


def assert_resumes_in_mid_epoch(made: Callable[[], Method], folder: Path) -> None:
    """State bit for bit, of a run stopped after two steps in epoch 1 that goes on in epoch 2."""

    def steps(method: Method, s, t: int, n: int) -> dict:
        for batch in islice(s.epoch(), n):
            method.step(batch, t)
        return state_of(method, s, Progress())

    (method, s), resumed = ((made(), streams()) for _ in range(2))
    steps(started(method, s), s, 1, 2)
    save(folder / "last.pt", method, s, Progress())
    put_back(read(folder / "last.pt", "cpu"), folder, *resumed, Progress())
    assert_same(steps(*resumed, 2, 3), steps(method, s, 2, 3))
