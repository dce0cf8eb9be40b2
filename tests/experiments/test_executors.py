"""Executors: what a cell's process is told."""

import subprocess
from pathlib import Path
from threading import Event
from unittest.mock import Mock

import pytest

from gan_sntg.experiments.executors import TORCHRUN, Limits, Outcome, perform
from gan_sntg.experiments.grid import Column, Row
from gan_sntg.experiments.plan import Cell
from gan_sntg.files import import_paths
from gan_sntg.runs.stopping import LATER

FAR = 1e11  # seconds since 1970


@pytest.mark.parametrize(("ranks", "launcher"), [(1, []), (2, [*TORCHRUN, "2", "-m"])])
def test_a_cell_is_trained_by_one_process_or_by_torchrun_and_stops_in_time(monkeypatch, tmp_path, ranks, launcher):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(import_paths, "_packages", {"mypackage": "its hash"})
    started = []
    monkeypatch.setattr(subprocess, "Popen", lambda words, **_: started.append(words) or Mock(wait=lambda: 0))
    row = Row("a", "A", ranks=ranks)
    cell = Cell(row, Column("b", "B"), 0, Path("b/a/0"), ["--epochs", "1"], {}, ["graph", "predictions"])
    assert perform(cell, Limits(3, FAR), Event()) == Outcome(cell, 0, "it wrote nothing")
    first, train = (words[4:] for words in started)
    assert first == ["gan_sntg", "graph", "predictions", "--allow=mypackage"]
    assert train[:-2] == [*launcher, "gan_sntg", *"train --epochs 1 --out b/a/0 --threads 3 --max_minutes".split()]
    assert train[-1] == "--allow=mypackage"
    assert perform(cell, Limits(1, 0.0), Event()).status == LATER and len(started) == 2
