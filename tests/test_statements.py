"""What pages say in words: each interval of a difference stands in a result file, and in the one that its sentence names."""

import json
import re
from itertools import combinations
from pathlib import Path

import pytest

from gan_sntg.experiments.statistics import difference

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]
PRINTED = {"docs/own-loop.md"}  # what a script prints, which writes no file
INTERVAL = re.compile(r"([+-]?\d+\.\d+) to ([+-]?\d+\.\d+)")
Interval = tuple[float, float]


def intervals(made: object) -> set[Interval]:
    """Those of differences in a result file, wherever they are; and those of two studies' trials on the same seeds."""
    if isinstance(made, list):
        return {found for part in made for found in intervals(part)}
    if not isinstance(made, dict):
        return set()
    own = made.get("interval")
    found = {(own[0], own[1])} if isinstance(own, list) and len(own) == 2 and isinstance(own[0], float) else set()
    studies = [study for study in made.values() if isinstance(study, dict) and {"trials", "seeds"} <= study.keys()]
    for one, other in combinations(studies, 2):
        errors = [[trial["errors"] for trial in study["trials"] if len(trial.get("errors") or []) > 1] for study in (one, other)]
        for a, b in ((a, b) for a in errors[0] for b in errors[1] if one["seeds"] == other["seeds"] and len(a) == len(b)):
            low, high = difference(dict(enumerate(b)), dict(enumerate(a)))["interval"]
            found |= {(low, high), (-high, -low)}
    return found | {deeper for part in made.values() for deeper in intervals(part)}


@pytest.fixture(scope="module")
def measured() -> dict[str, set[Interval]]:
    """Intervals by result file, without its ending."""
    files = (ROOT / "results").rglob("*.json")
    return {str(path.relative_to(ROOT).with_suffix("")): intervals(json.loads(path.read_text())) for path in files}


def told(text: str) -> list[tuple[str, str]]:
    """The signed intervals of a text."""
    return [ends for ends in INTERVAL.findall(re.sub(r"\s+", " ", text)) if {ends[0][0], ends[1][0]} & {"+", "-"}]


def among(ends: tuple[str, str], found: set[Interval]) -> bool:
    """Whether an interval, as it is printed, is one of those."""
    room = 0.51 * 10.0 ** -len(ends[0].partition(".")[2])
    return any(abs(low - float(ends[0])) < room and abs(high - float(ends[1])) < room for low, high in found)


def test_every_interval_of_a_page_is_one_of_a_result_file(measured):
    every, texts = set().union(*measured.values()), {page: (ROOT / page).read_text() for page in PAGES if page not in PRINTED}
    strange = {page: [ends for ends in told(text) if not among(ends, every)] for page, text in texts.items()}
    assert sum(len(told(text)) for text in texts.values()) > 150 and {page: ends for page, ends in strange.items() if ends} == {}


def test_each_statement_of_the_list_has_its_difference_in_the_file_that_it_names(measured):
    text = (ROOT / "docs/results.md").read_text().split("## Statements")[1].split("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ")][2:]
    assert len(rows) >= 15
    for statement, told_of, source in rows:
        ((mean, *ends),) = re.findall(r"([+-]\d+\.\d+) \(([+-]\d+\.\d+) to ([+-]\d+\.\d+)\)", told_of)
        (name,) = re.findall(r"\(\.\./(results/[^)]*?)\.md\)", source)
        room = 0.51 * 10.0 ** -len(mean.partition(".")[2])
        near = {(low, high) for low, high in measured[name] if abs((low + high) / 2 - float(mean)) < room}
        assert among((ends[0], ends[1]), near), (statement, told_of)
