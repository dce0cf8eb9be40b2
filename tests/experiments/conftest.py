"""A folder with a search, for the tests of studies."""

from pathlib import Path

import pytest
import yaml
from helpers.studies import RATE, SPACE, simulated
from helpers.trees import TINY

from gan_sntg.experiments import executors


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A folder with a search of simulated runs of the tiny configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(executors, "LOOK", 0.001)
    monkeypatch.setattr(executors, "perform", simulated)
    Path("tiny.yaml").write_text(yaml.safe_dump(TINY))
    rows = {"own": {"config": "tiny.yaml", "space": SPACE}, "listed": {"config": "tiny.yaml", "space": {RATE[2:]: [0.01, 0.001, 0.003]}}}
    rows["listed"] |= {"sampler": "grid", "seeds": "3", "space": rows["listed"]["space"] | {"steps_per_epoch": [50]}}
    Path("search.yaml").write_text(yaml.safe_dump({"seeds": "1..2", "trials": 16, "round": 3, "rows": rows}))
    return tmp_path
