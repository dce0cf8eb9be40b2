"""The README's map from the paper to the code resolves, its files exist, and its commands are real."""

import importlib
import re
from pathlib import Path

import pytest

from gan_sntg.__main__ import COMMANDS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
ENTRIES = re.findall(r"`((?:gan_sntg|discriminative)/[\w/]+\.py):([\w.]+)`", README)


def test_every_equation_of_the_paper_is_in_the_map():
    for number in range(1, 10):
        assert re.search(rf"^\|[^|]*\bEq\. {number}\b", README, re.M), f"Eq. {number}"
    assert re.search(r"^\|[^|]*Alg\. 1", README, re.M) and len(ENTRIES) >= 20


@pytest.mark.parametrize(("path", "name"), ENTRIES, ids=lambda value: str(value))
def test_the_entry_resolves(path, name):
    found = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    for part in name.split("."):
        found = getattr(found, part)
    assert found is not None


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([\w./-]+)\)", README))))
def test_the_linked_file_exists(path):
    assert (ROOT / path).exists()


def test_every_command_and_config_it_names_is_real():
    for command in re.findall(r"^(?:\.venv/bin/)?gan-sntg (\w+)", README, re.M):
        assert command in COMMANDS
    for path in re.findall(r"(?:configs|scripts|results)/[\w/]+\.\w+", README):
        assert (ROOT / path).is_file(), path


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_every_file_that_a_page_of_the_docs_names_is_there(page):
    named = re.findall(r"`((?:tests|scripts|gan_sntg|discriminative|configs)/[\w/.-]+\.\w+)", page.read_text())
    assert [path for path in named if "fixmatch" not in path and not (ROOT / path).exists()] == []  # the example's own files


def test_sntg_in_ones_own_loop_trains_as_the_script_does():
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs/own-loop.md").read_text(), re.S)[1]
    names: dict = {}
    exec(code, names)
    assert code[code.index("def train") :] in (ROOT / "scripts/own_loop.py").read_text()
    assert names["train"](weight=1.0, seed=0, epochs=6) < 60
