"""Statistics over seeds against cases solved by hand, and reports in Markdown, CSV and LaTeX from figures that are given."""

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest

from gan_sntg.errors import InputError
from gan_sntg.experiments.report import cell_rows, difference_rows, latex, notes, write_files
from gan_sntg.experiments.results import CellResult, compared
from gan_sntg.experiments.statistics import difference, interval_of, mcnemar, summary


def test_summary_divides_by_n_minus_1_and_gives_no_deviation_of_one_value():
    assert summary([1.0, 2.0, 6.0]) == {"n": 3, "mean": 3.0, "std": pytest.approx(math.sqrt(7))}
    assert summary([4.0]) == {"n": 1, "mean": 4.0, "std": None}


def test_a_difference_is_taken_seed_by_seed_where_both_are():
    found = difference({0: 10.0, 1: 20.0, 2: 30.0, 7: 0.0}, {2: 29.0, 1: 17.0, 0: 8.0, 5: 99.0})
    assert found["seeds"] == [0, 1, 2]
    assert (found["mean"], found["std"]) == (pytest.approx(-2.0), pytest.approx(1.0))  # -2, -3, -1
    assert (found["better"], found["worse"], found["sign_p"]) == (3, 0, pytest.approx(0.25))  # 2 / 2^3


@pytest.mark.parametrize("n", [3, 5, 10])
def test_students_interval_covers_what_it_says(n):
    draws = np.random.default_rng(n).normal(1.0, 2.0, (4000, n))
    low, high = np.array([interval_of(d.tolist()) for d in draws]).T
    covered = ((low < 1) & (high > 1)).mean()
    assert 0.93 < covered < 0.97  # of 4,000 draws a share of 0.95 deviates by 0.0035; a percentile bootstrap has 0.75 at n = 3


def test_the_interval_of_a_paired_difference_by_student():
    found = difference({0: 1.0, 1: 2.0, 2: 3.0}, {0: 2.0, 1: 5.0, 2: 5.0})  # 1, 3, 2: mean 2, deviation 1; t(0.975, 2 degrees) = 4.3027
    assert found["mean"] == 2 and found["interval"] == pytest.approx([2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5], rel=1e-6)
    assert difference({0: 1.0, 1: 2.0}, {0: 1.5, 1: 2.5})["interval"] == [0.5, 0.5]


def test_the_bca_interval_of_ten_pairs_leans_to_the_longer_tail_and_has_the_data_units():
    skewed = [0.0, 0.1, 0.1, 0.2, 0.2, 0.3, 0.4, 0.5, 1.5, 4.0]
    low, high = interval_of(skewed, "bca") or []
    assert high - 0.73 > 1.3 * (0.73 - low)  # the mean is 0.73; Student's is symmetric
    assert interval_of([10 - 3 * x for x in skewed], "bca") == pytest.approx([10 - 3 * high, 10 - 3 * low], abs=0.15)
    assert interval_of(skewed[:9], "bca") is None and interval_of([2.0] * 10, "bca") == [2.0, 2.0]


def test_the_sign_test_leaves_ties_out_and_is_two_sided():
    found = difference(dict.fromkeys(range(6), 1.0), {0: 0.0, 1: 0.0, 2: 0.0, 3: 0.0, 4: 2.0, 5: 1.0})
    assert (found["better"], found["worse"]) == (4, 1)
    assert found["sign_p"] == pytest.approx(2 * (1 + 5) / 32)
    assert difference({0: 1.0}, {0: 1.0})["sign_p"] is None


@pytest.mark.parametrize(("b", "c", "both", "neither"), [(0, 0, 3, 4), (1, 0, 2, 2), (3, 8, 5, 1), (30, 12, 0, 0), (7, 7, 1, 0)])
def test_mcnemars_p_is_the_share_of_fair_draws_that_are_as_unlikely(b, c, both, neither):
    first, other = np.array([(True, False)] * b + [(False, True)] * c + [(True, True)] * both + [(False, False)] * neither).T
    n = b + c
    p = sum(math.comb(n, k) for k in range(n + 1) if math.comb(n, k) <= math.comb(n, b)) / 2**n
    assert mcnemar(first, other) == {"b": b, "c": c, "p": pytest.approx(p, rel=1e-9)}


def test_one_pair_has_no_interval_and_pairs_without_a_common_seed_are_none():
    assert difference({3: 1.0}, {3: 2.0})["interval"] is None
    with pytest.raises(KeyError, match="no seed"):
        difference({3: 1.0}, {4: 2.0})


ERRORS = {"averaged": {"mean": 13.346, "std": 5.021}, "last": {"mean": 13.4, "std": None}, "worst_class": {"values": [30.0, 41.25]}}
CELLS = {"a/m": {"row": "M & N", "column": "A, 20 %", "paper": "16.77 ± 4.52", "seeds": [0, 1], "errors": ERRORS}}
DIFFERENCE = {"n": 2, "mean": -0.25, "interval": [-1.0, 0.5], "better": 1, "worse": 1, "sign_p": 1.0}
MADE = {
    "heading": "a heading",
    "notes": ["`how`", "a note"],
    "cells": CELLS,
    "interval": "student",
    "differences": {"A: M - N": DIFFERENCE},
}


def test_rows_are_rounded_and_what_is_not_there_is_a_dash():
    assert cell_rows(CELLS) == [["A, 20 %", "M & N", "2", "-", "13.35 ± 5.02", "13.40", "-", "-", "58.8", "16.77 ± 4.52"]]
    assert cell_rows({"a/m": CELLS["a/m"] | {"interval": [7.0, 19.692]}})[0][7] == "7.00 to 19.69"
    assert difference_rows({"d": DIFFERENCE}) == [["d", "2", "-0.25", "-1.00 to +0.50", "1 / 1", "1.000"]]
    assert difference_rows({"d": DIFFERENCE | {"interval": None, "sign_p": None}})[0][3:] == ["-", "1 / 1", "-"]


def test_all_four_files_hold_the_table_and_columns_without_a_figure_are_left_out(tmp_path):
    markdown, files = write_files(tmp_path / "new" / "name", MADE)
    assert [file.name for file in files] == ["name.json", "name.md", "name.csv", "name.tex"]
    other, _ = write_files(tmp_path / "other", MADE | {"interval": "bca"})
    assert "95 % interval (Student)" in markdown and "95 % interval (BCa bootstrap)" in other
    table, latex = (file.read_text() for file in files[2:])
    assert files[1].read_text() == markdown
    assert (
        "| data | method | n | averaged weights, % | last weights, % | least class recall, % | paper, % |" in markdown
        and "chosen" not in markdown
    )
    assert "| A, 20 % | M & N | 2 | 13.35 ± 5.02 | 13.40 | 58.8 | 16.77 ± 4.52 |" in markdown and markdown.endswith("`how`\n\na note\n")
    read = list(csv.reader(io.StringIO(table)))
    assert read[1] == ["A, 20 %", "M & N", "2", "13.35 ± 5.02", "13.40", "58.8", "16.77 ± 4.52"] and read[2] == []
    assert (
        r"A, 20 \% & M \& N & 2 & 13.35 $\pm$ 5.02 & 13.40 & 58.8 & 16.77 $\pm$ 4.52 \\" in latex and latex.count(r"\begin{tabular}") == 2
    )


def test_a_table_of_runs_that_went_by_another_metric_says_that_it_is_of_errors():
    made = {"command": "gan-sntg reproduce a", "compared": "validation", "cells": {}}
    assert "Runs went by f1_error; the table is of errors, in percent of images." in notes(made, 0, 0, ["f1_error"])
    assert not any("went by" in line for line in notes(made, 0, 0, []))


def test_errors_of_validation_are_shown_where_all_runs_held_images_out_and_a_mixture_is_refused():
    def run(**errors):
        return CellResult(None, {"averaged": 3.0} | errors, 1.0, "", "", (), False, {})

    held, not_held = {"a": [run(validation=2.0)] * 2}, {"b": [run()]}
    assert compared(held, False) == "validation"
    assert compared(held, True) == compared(not_held, False) == compared({}, False) == compared(held | not_held, True) == "averaged"
    with pytest.raises(InputError, match="held out in some of the runs only"):
        compared(held | not_held, False)


def test_latex_has_no_sign_of_its_own_in_texts():
    assert r"a\_b \& 50 \% \{x\} \textbackslash{} \#1 $\pm$ \\" in latex("", [([], [["a_b & 50 % {x} \\ #1 ±"]])], []).splitlines()


def test_the_differences_of_the_committed_reports_follow_from_their_errors():
    every = [json.loads(file.read_text()) for file in Path(__file__).parents[2].glob("results/**/*.json")]
    reports = [made for made in every if "grid" in made]
    assert {"digits", "fig2", "table4"} < {made["grid"] for made in reports}
    for made in reports:
        kind = made.get("compared", "averaged")
        averaged = {(c["column"], c["row"]): (c["seeds"], c["errors"][kind]["values"]) for c in made["cells"].values()}
        errors = {cell: dict(zip(*values, strict=True)) for cell, values in averaged.items()}
        for name, found in made["differences"].items():
            column, pair = name.split(": ", 1)
            row, other = pair.rsplit(" - ", 1)
            expected = difference(errors[column, other], errors[column, row], made["interval"])
            assert found == {key: pytest.approx(value) if isinstance(value, float | list) else value for key, value in expected.items()}
