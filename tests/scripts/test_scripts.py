"""Every script imports, and says in a line what it is; result files name scripts that are there, or that a page accounts for."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATHS = sorted(path for path in (ROOT / "scripts").rglob("*.py") if "fuzz" not in str(path))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_script_imports_and_its_first_line_says_what_it_is(path, monkeypatch):
    if path.stem == "grid_kills":
        pytest.importorskip("ray", reason="needs the extra [cluster]")
    monkeypatch.syspath_prepend(str(path.parent))  # as Python does
    first = runpy.run_path(str(path))["__doc__"].splitlines()[0]
    assert len(first) < 100 and "?" not in first


def test_a_result_names_a_script_that_is_there_or_one_of_those_that_the_page_calls_older():
    older = re.search(r"older than the command that the page names: (.*?)\n\n", (ROOT / "docs/results.md").read_text(), re.S)[1]
    texts = [path.read_text() for path in (ROOT / "results").rglob("*.json")]
    named = {name for text in texts for name in re.findall(r'"command": "python (scripts/[\w/]+\.py)', text)}
    assert len(named) > 9 and [name for name in named if not (ROOT / name).is_file() and Path(name).name not in older] == []
