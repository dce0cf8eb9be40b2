"""Every script imports, and says in a line what it is."""

import runpy
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
PATHS = sorted(path for path in SCRIPTS.rglob("*.py") if "fuzz" not in str(path))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(SCRIPTS)))
def test_a_script_imports_and_its_first_line_says_what_it_is(path, monkeypatch):
    if path.stem == "grid_kills":
        pytest.importorskip("ray", reason="needs the extra [cluster]")
    monkeypatch.syspath_prepend(str(path.parent))  # as Python does
    first = runpy.run_path(str(path))["__doc__"].splitlines()[0]
    assert len(first) < 100 and "?" not in first
