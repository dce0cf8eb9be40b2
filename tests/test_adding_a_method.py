"""The worked example of docs/adding-a-method.md: short, healthy, and it learns."""

import ast
import re
import sys
import types
from pathlib import Path

import pytest
import yaml

TEXT = (Path(__file__).parent.parent / "docs/adding-a-method.md").read_text()
CODE, CONFIG = (re.search(rf"```{kind}\n(.*?)```", TEXT, re.S)[1] for kind in ("python", "yaml"))


@pytest.fixture
def fixmatch(monkeypatch, tmp_path) -> Path:
    """The method as if its file stood in discriminative/, and its configuration as a file."""
    module = types.ModuleType("discriminative.fixmatch")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    path = tmp_path / "fixmatch.py"
    path.write_text(CODE)
    module.__file__ = str(path)  # jsonargparse reads the source to follow **kwargs
    exec(compile(CODE, str(path), "exec"), module.__dict__)
    (tmp_path / "fixmatch.yaml").write_text(CONFIG)
    return tmp_path / "fixmatch.yaml"


def test_it_takes_one_file_of_at_most_40_lines():
    assert len(CODE.splitlines()) <= 40
    body = [node.name for node in ast.parse(CODE).body if isinstance(node, ast.ClassDef)]
    assert body == ["FixMatch"]


def test_it_is_healthy_once_it_is_confident(command, fixmatch):
    outcome = command("doctor", "--config", fixmatch)
    dead = "net/consistency gives net no gradient: it is dead"
    assert outcome.status == 0 or dead in outcome.err  # untrained, nothing may be above the threshold
    tree = yaml.safe_load(CONFIG)
    tree["method"]["init_args"]["threshold"] = 0.0
    fixmatch.write_text(yaml.safe_dump(tree))
    outcome = command("doctor", "--config", fixmatch)
    assert outcome.status == 0, outcome.err


def test_it_trains_to_well_above_chance(command, fixmatch, tmp_path):
    outcome = command("train", "--config", fixmatch, "--epochs", "8", "--out", tmp_path / "run")
    assert outcome.status == 0, outcome.err
    assert float(re.search(r"([\d.]+) % \(averaged weights\)", outcome.out)[1]) < 60
