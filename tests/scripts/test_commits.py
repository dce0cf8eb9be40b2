"""Two commits in turns: a case's file has its options, a round's ratio is of its own medians, unknown names are refused."""

import runpy
from pathlib import Path

import pytest
import yaml

from gan_sntg.commands.bench import parser
from gan_sntg.errors import InputError
from gan_sntg.runs.build import parse_run

ROOT = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(ROOT / "scripts/benchmarks/commits.py"))


@pytest.mark.parametrize("name", SCRIPT["CASES"])
def test_files_of_both_sides_are_those_of_runs_and_differ_by_what_is_newer(name, tmp_path):
    case, trees = SCRIPT["CASES"][name], []
    for options in (case.options, case.options | case.newer):
        own = SCRIPT["written"](case.config, options, tmp_path)
        parse_run(parser().parse_args(["--synthetic", "--device", "cpu"]), str(own), [])
        trees.append(yaml.safe_load(own.read_text()))
    old, new = trees
    assert (old == new) == (not case.newer) and all(old[key] == value for key, value in case.options.items() if "." not in key)
    for key, value in case.newer.items():
        assert new["method"]["init_args"].pop(key.rpartition(".")[2]) == value
    assert old == new


def test_the_table_has_the_median_of_the_ratios_of_neighbouring_turns():
    name = "mean teacher, 13 layers, 50 + 50 images"
    new = {"float32": [0.005] * 3, "bfloat16": [0.002] * 3, "plain layers": [0.004] * 3}
    seconds = {"old": {"float32": [0.01, 0.02, 0.04]}, "new": new}
    first, second = SCRIPT["tables"]({name: {"seconds": seconds, "parts": {"new": {"graph loss": 1.0, "rest": 49.0}}}}).split("\n\n")
    row = [cell.strip() for cell in first.splitlines()[-1].split("|")]
    assert row[1:-1] == [name, "float32", "20.0", "5.0", "4.00 (3.00 to 6.00)", "2.0"]
    assert "2.00 (2.00 to 2.00)" in second


@pytest.mark.parametrize(
    ("words", "said"), [({"only": "nothing*"}, "names no case"), ({"turns": 1}, "at least 2"), ({}, "no commit of this repository")]
)
def test_what_is_not_there_is_refused(words, said):
    with pytest.raises(InputError, match=said):
        SCRIPT["main"]("no-such-commit", **words)
