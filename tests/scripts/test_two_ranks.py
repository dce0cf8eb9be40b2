"""The script that compares two processes with one: its runs differ by what its ways say, and its table has what was measured."""

import runpy
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script(monkeypatch, tmp_path) -> dict:
    monkeypatch.chdir(tmp_path)
    return runpy.run_path(str(ROOT / "scripts/studies/two_ranks.py"))


def test_the_ways_train_one_run_by_one_process_or_two(script, monkeypatch):
    calls = []
    monkeypatch.setattr(subprocess, "run", lambda words, **_: calls.append(words[1:]) or subprocess.CompletedProcess(words, 1, "", "why"))
    for way in script["WAYS"]:
        with pytest.raises(script["InputError"], match="was not trained:\nwhy"):
            script["trained"]("fm_gan", way, 2)
    one, two, own = calls
    assert two[:5] == script["TWO"] and own[:5] == script["TWO"] and own[-4:] == script["OWN"]
    assert [w for w in two[5:] if "runs" not in w] == [w for w in one if "runs" not in w] == [w for w in own[5:-4] if "runs" not in w]
    assert one[-1] == "runs/two_ranks/fm_gan/one_process/2"


def test_the_table_has_the_difference_from_one_process(script):
    results = [[{"test_error_averaged": error} for error in errors] for errors in ((10.0, 12.0), (11.0, 14.0))]
    ways = dict(zip(script["WAYS"], (script["row"](found, results[0]) for found in results), strict=False))
    lines = script["markdown"]({"fm_gan": ways}, 2).splitlines()
    assert lines[2] == "| fm_gan, one process | 11.00 ± 1.41 |  |"
    assert lines[3] == ("| fm_gan, two ranks | 12.50 ± 2.12 | +1.50 (-4.85 to +7.85) |")
