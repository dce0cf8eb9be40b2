"""Scripts: each imports, tables are those of the result files, and what measures speed compares the same."""

import json
import re
import runpy
import sys
from pathlib import Path

import pytest
import torch
from helpers.processes import ended
from helpers.tiny import weights

from gan_sntg.commands import reproduce
from gan_sntg.errors import InputError
from gan_sntg.evaluation.fidelity_records import Measurement, Score, record
from gan_sntg.experiments.grid import load_grid
from gan_sntg.experiments.plan import make_plan
from gan_sntg.experiments.statistics import summary
from gan_sntg.files.import_paths import allow

ROOT = Path(__file__).parents[2]
PATHS = sorted(path for path in (ROOT / "scripts").rglob("*.py") if "fuzz" not in str(path) and path.stem != "choices")
TABLES = runpy.run_path(str(ROOT / "scripts/studies/readme_tables.py"))
GRAPH, SEEDS = (runpy.run_path(str(ROOT / f"scripts/benchmarks/{name}_speed.py")) for name in ("graph", "seeds"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_script_imports_and_its_first_line_says_what_it_is(path, monkeypatch):
    if path.stem == "grid_kills":
        pytest.importorskip("ray", reason="needs the extra [cluster]")
    monkeypatch.syspath_prepend(str(path.parent))  # as Python does
    first = runpy.run_path(str(path))["__doc__"].splitlines()[0]
    assert len(first) < 100 and "?" not in first


def planned(words: list[str]) -> int:
    sys.path.insert(0, words[0])
    allow("choices")
    cells = []
    for name in words[1:]:
        options = reproduce.parser().parse_args([name, "--seeds", "0"])
        cells += make_plan(load_grid(name), options).cells
    return len(cells)


def test_the_grids_of_choices_are_made_of_options_that_there_are(tmp_path):
    folder = ROOT / "scripts/studies"  # in a process of its own: its classes would be known to all later tests
    assert ended(planned, [folder, folder / "choices.yaml", folder / "wrong_prior.yaml"], tmp_path / "log") == 10 + 4


def test_a_result_names_a_script_that_is_there_or_one_of_those_that_the_page_calls_older():
    older = re.search(r"older than the command that the page names: (.*?)\n\n", (ROOT / "docs/results.md").read_text(), re.S)[1]
    texts = [path.read_text() for path in (ROOT / "results").rglob("*.json")]
    named = {name for text in texts for name in re.findall(r'"command": "python (scripts/[\w/]+\.py)', text)}
    assert len(named) > 9 and [name for name in named if not (ROOT / name).is_file() and Path(name).name not in older] == []


@pytest.mark.parametrize(("name", "made"), {"README.md": "summary", "docs/tables.md": "tables", "docs/reproduce.md": "times"}.items())
def test_tables_are_not_stale(monkeypatch, name, made):
    monkeypatch.chdir(ROOT)
    text = Path(name).read_text()
    assert TABLES["replaced"](text, TABLES[made](Path("results"))) == text, "run python scripts/studies/readme_tables.py"


def report(scale: float, mean: float, seeds: int, rows: int = 1, interval: list[float] | None = None) -> str:
    """A result file of FM-GAN in Table 4 and, as a second row, of FM-GAN + SNTG, one point worse."""
    cells = {}
    for key, row, error in (("fm_gan", "FM-GAN", mean), ("fm_gan_sntg", "FM-GAN + SNTG", mean + 1))[:rows]:
        errors = {"averaged": {"mean": error, "std": 0.5}}
        cells[f"mnist_100/{key}"] = {"column": "100 labels", "row": row, "errors": errors, "seeds": list(range(seeds))}
    differences = {"100 labels: FM-GAN + SNTG - FM-GAN": {"n": seeds, "mean": 1.0, "interval": interval}}
    command = f"gan-sntg reproduce table4 --scale {scale:g}"
    return json.dumps({"grid": "table4", "scale": scale, "command": command, "cells": cells, "differences": differences})


def test_the_readme_has_the_longest_pairs_with_an_interval_and_names_data_without(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    made = TABLES["summary"](tmp_path)
    assert made.count("\n| ") == 1 and "Not measured yet with two seeds or more: digits" in made
    (tmp_path / "table4.json").write_text(report(1, 0.9, 1, 2))
    (tmp_path / "table4_scale0.1.json").write_text(report(0.1, 1.44, 3, 2, [-0.5, 2.5]))
    row = "| MNIST, 100 labels, 0.1 of the length | FM-GAN, SNTG of weight 1 | 3 | 1.44 ± 0.50 | 2.44 ± 0.50 | +1.00 (-0.50 to +2.50) |"
    assert row in TABLES["summary"](tmp_path) and "MNIST, 100 labels;" not in TABLES["summary"](tmp_path).replace("Fashion-MNIST", "")
    (tmp_path / "table4.json").write_text(report(1, 0.9, 2, 2, [0.5, 1.5]))
    row = "| MNIST, 100 labels | FM-GAN, SNTG of weight 1 | 2 | 0.90 ± 0.50 | 1.90 ± 0.50 | +1.00 (+0.50 to +1.50) |"
    assert row in TABLES["summary"](tmp_path)


def test_a_cell_has_the_longest_schedules_figure_and_says_how_long_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    (tmp_path / "gpu").mkdir()
    (tmp_path / "other.json").write_text('{"command": "something else"}')
    (tmp_path / "table4_scale0.1.json").write_text(report(0.1, 1.44, 3))
    made = TABLES["tables"](tmp_path)
    assert "| FM-GAN |  | 16.77 ± 4.52 |  | 2.21 ± 1.36 | 1.44 ± 0.50 (n = 3, 0.1 of the length) | 0.93 ± 0.065 |" in made
    assert "| FM-GAN + SNTG |  |  |  |  |  |  |" in made and "`gan-sntg reproduce table4 --scale 0.1`" in made
    (tmp_path / "gpu" / "table4.json").write_text(report(1, 0.95, 10))
    (tmp_path / "digits.md").write_text("error rates\n\n| a |\n| --- |\n| 1 |\n")  # none of the paper's
    made = TABLES["tables"](tmp_path)
    assert "| 0.95 ± 0.50 (n = 10) | 0.93 ± 0.065 |" in made and "--scale 0.1`" not in made
    assert "**Error rates**\n\n| a |\n| --- |\n| 1 |\n" in made


@pytest.fixture
def samples(monkeypatch, tmp_path) -> dict:
    """The script's names, with two rows of three trained seeds; scores are 10, 20, 30 and one less."""
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()
    made = runpy.run_path(str(ROOT / "scripts/studies/samples.py"))["main"].__globals__
    folders = {row: [f"runs/{row}/{seed}" for seed in range(3)] for row in ("fm_gan", "fm_gan_sntg")}
    for folder in (folder for own in folders.values() for folder in own):
        Path(folder).mkdir(parents=True)
    monkeypatch.setitem(made, "trained", lambda options: folders)

    def score(folder: str) -> None:
        row, seed = Path(folder).parts[-2:]
        value = 10 * (int(seed) + 1) - (row == "fm_gan_sntg")
        scores = {"fid_digits": Score(value, value - 2, value + 2), "recall_digits": Score(0.5, 0.4, 0.6)}
        samples = 50 if (row, seed) == ("fm_gan_sntg", "2") and made.get("odd") else 100
        record(Path(folder), Measurement({"samples": samples}, {"epoch": 1}, scores))

    monkeypatch.setitem(made, "score", score)
    return made


def test_the_table_has_means_over_seeds_and_paired_differences_and_nothing_is_scored_twice(samples, monkeypatch):
    samples["main"]("digits", 1)
    found = json.loads(Path("results/samples_digits.json").read_text())
    rows = found["rows"]
    assert rows["fm_gan"]["fid_digits"]["values"] == [10, 20, 30] and rows["fm_gan_sntg"]["fid_digits"]["halfwidths"] == [2, 2, 2]
    assert found["differences to fm_gan"]["fm_gan_sntg"]["fid_digits"]["mean"] == -1 and found["provenance"] == {"samples": 100}
    line = "| fid_digits | lower | 20.000 ± 10.000 | 19.000 ± 10.000 | -1.000 (-1.000 to -1.000) |"
    assert line in Path("results/samples_digits.md").read_text().splitlines()
    monkeypatch.setitem(samples, "score", None)
    samples["main"]("digits", 1)


def test_scores_of_different_provenance_make_no_table(samples, monkeypatch):
    monkeypatch.setitem(samples, "odd", True)
    with pytest.raises(InputError, match="samples: 100, 50"):
        samples["main"]("digits", 1)
    assert not Path("results/samples_digits.md").exists()


def errors_of(grid: str, errors: dict[str, list[float]], split: str = "s") -> dict:
    """A report on digits by row, as far as the script of an earlier version reads it."""
    about = {"column": "digits", "seeds": [0, 1], "data_sha256": "d", "split_sha256": [split], "machines": [f"of {grid}"]}
    cells = {
        f"digits_20/{row}": {"row": row, "errors": {"averaged": {"values": values} | summary(values)}} | about
        for row, values in errors.items()
    }
    return {"grid": grid, "scale": 1.0, "command": f"gan-sntg reproduce {grid}", "cells": cells}


def test_an_earlier_versions_errors_are_paired_with_both_ways_of_the_newer(tmp_path, monkeypatch):
    names = runpy.run_path(str(ROOT / "scripts/studies/faster_earlier.py"))["main"].__globals__
    monkeypatch.setitem(names, "RESULTS", tmp_path)
    monkeypatch.setitem(names, "write_results", lambda name, made, table: found.update(made, name=name, table=table))
    found, reports = {}, tmp_path / "reports"
    reports.mkdir()
    ways = {"pi_model_sntg": [2.0, 4.0], "pi_model_faster": [3.0, 4.0], "fm_gan_faster": [9.0, 9.0]}
    (tmp_path / "faster.json").write_text(json.dumps(errors_of("faster", ways)))
    with pytest.raises(InputError, match="no report of a cell"):
        names["main"]("abc", reports)
    (reports / "a.json").write_text(json.dumps(errors_of("digits", {"pi_model_sntg": [1.0, 3.0], "fm_gan_sntg": [1.0, 1.0]})))
    names["main"]("abc", reports)
    line = "| digits | pi_model_sntg | 2 | 2.00 ± 1.41 | 3.00 ± 1.41 (+1.00, +1.00 to +1.00) | 3.50 ± 0.71 (+1.50, -4.85 to +7.85) |"
    alone = "| digits | fm_gan_sntg | 2 | 1.00 ± 0.00 |  | 9.00 ± 0.00 (+8.00, +8.00 to +8.00) |"
    assert found["table"].splitlines()[2:4] == [line, alone] and "gan-sntg reproduce digits" in found["table"]
    assert all(row["machines"] == ["of digits", "of faster"] for row in found["rows"])
    (tmp_path / "faster_earlier.json").write_text(json.dumps(found))
    for earlier, lines in (("pi_model_sntg", [line, alone]), ("fm_gan_sntg", [line, alone])):
        values = [1.0, 3.0] if earlier == "pi_model_sntg" else [1.0, 1.0]
        (reports / "a.json").write_text(json.dumps(errors_of("digits", {earlier: values})))
        names["main"]("abc", reports)
        assert found["table"].splitlines()[2:4] == lines and found["commands"]["earlier"] == ["gan-sntg reproduce digits"]
    names["main"]("other", reports)
    assert found["table"].splitlines()[2:4] == [alone, ""]
    (reports / "a.json").write_text(json.dumps(errors_of("digits", {"pi_model_sntg": [1.0, 3.0]}, split="other")))
    with pytest.raises(InputError, match="of other data or labels"):
        names["main"]("abc", reports)


@pytest.mark.parametrize("n", [2, 9])
@pytest.mark.parametrize("other", ["gathered", "broadcast"])
def test_what_is_compared_has_the_same_value_and_gradient(n, other):
    torch.testing.assert_close(GRAPH["call"](other, *GRAPH["inputs"](n)), GRAPH["call"]("all pairs", *GRAPH["inputs"](n)))


def test_every_repeat_is_timed_but_the_first():
    found = GRAPH["timed"](3, repeats=2)
    assert list(found) == list(GRAPH["LOSSES"]) and all(len(times) == 2 and min(times) > 0 for times in found.values())


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells the peak of a process")
def test_the_rise_of_memory_holds_the_tensors_that_are_known_to_be_made():
    n, d = 300, GRAPH["D"]
    matrix, pairs = 4 * n * n * d / 2**20, 4 * n * (n - 1) / 2 * d / 2**20  # MB of [n, n, D] and [S, D]
    assert GRAPH["rise"]("broadcast", n) > matrix and GRAPH["rise"]("gathered", n) > pairs > GRAPH["rise"]("all pairs", n)


def test_the_tables_have_ratios_to_the_first_and_say_what_is_not_installed():
    rows = {"all pairs": {"ms": [1.0, 2.0, 3.0], "mb": 0.5}, "gathered": {"ms": [4.0, 5.0, 6.0], "mb": 70.0}, "metric learning": None}
    assert GRAPH["table"]({"512": rows}).splitlines()[2:] == [
        "| n = 512, all pairs | 2.00 (1.00 to 3.00) | 1.0 | 0.5 |",
        "| n = 512, gathered | 5.00 (4.00 to 6.00) | 2.5 | 70.0 |",
        "| n = 512, metric learning | not installed |  |  |",
    ]
    ways = {name: {"median": 10.0 * k, "ratio": float(k)} for k, name in enumerate(SEEDS["WAYS"], 1)}
    last = SEEDS["table"]({"digits_20/fm_gan": ways}).splitlines()[-1]
    assert last == "| digits_20/fm_gan | 10.0 (x 1.00) | 20.0 (x 2.00) | 30.0 (x 3.00) |"


def test_seeds_take_the_same_steps_in_every_way(monkeypatch):
    monkeypatch.chdir(ROOT)
    apart, abreast = (SEEDS["Runs"]("digits_20/fm_gan_sntg, halves", [0, 1], 1, abreast) for abreast in (False, True))
    for runs in apart, abreast:
        runs.steps(2)
    stack = abreast.methods[0].discriminator.parameters()
    found = torch.cat([p.detach().flatten(1) for p in stack], 1)
    torch.testing.assert_close(found, torch.stack([weights(m.discriminator) for m in apart.methods]), rtol=1e-2, atol=1e-3)
