"""Reports of a grid in Markdown, CSV and LaTeX, from figures that are given."""

import csv
import io

from gan_sntg.experiments.report import cell_rows, difference_rows, latex, write_files

ERRORS = {"averaged": {"mean": 13.346, "std": 5.021}, "last": {"mean": 13.4, "std": None}}
CELLS = {"a/m": {"row": "M & N", "column": "A, 20 %", "paper": "16.77 ± 4.52", "seeds": [0, 1], "errors": ERRORS}}
DIFFERENCE = {"n": 2, "mean": -0.25, "interval": [-1.0, 0.5], "better": 1, "worse": 1, "sign_p": 1.0}
MADE = {"heading": "a heading", "notes": ["`how`", "a note"], "cells": CELLS, "differences": {"A: M - N": DIFFERENCE}}


def test_rows_are_rounded_and_what_is_not_there_is_a_dash():
    assert cell_rows(CELLS) == [["A, 20 %", "M & N", "2", "13.35 ± 5.02", "13.40", "-", "16.77 ± 4.52"]]
    assert difference_rows({"d": DIFFERENCE}) == [["d", "2", "-0.25", "-1.00 to +0.50", "1 / 1", "1.000"]]
    assert difference_rows({"d": DIFFERENCE | {"interval": None, "sign_p": None}})[0][3:] == ["-", "1 / 1", "-"]


def test_all_four_files_hold_the_table_and_columns_without_a_figure_are_left_out(tmp_path):
    markdown, files = write_files(tmp_path / "new" / "name", MADE)
    assert [file.name for file in files] == ["name.json", "name.md", "name.csv", "name.tex"]
    table, latex = (file.read_text() for file in files[2:])
    assert files[1].read_text() == markdown
    assert "| data | method | n | averaged weights, % | last weights, % | paper, % |" in markdown and "chosen" not in markdown
    assert "| A, 20 % | M & N | 2 | 13.35 ± 5.02 | 13.40 | 16.77 ± 4.52 |" in markdown and markdown.endswith("`how`\n\na note\n")
    read = list(csv.reader(io.StringIO(table)))
    assert read[1] == ["A, 20 %", "M & N", "2", "13.35 ± 5.02", "13.40", "16.77 ± 4.52"] and read[2] == []
    assert r"A, 20 \% & M \& N & 2 & 13.35 $\pm$ 5.02 & 13.40 & 16.77 $\pm$ 4.52 \\" in latex and latex.count(r"\begin{tabular}") == 2


def test_latex_has_no_sign_of_its_own_in_texts():
    assert r"a\_b \& 50 \% \{x\} \textbackslash{} \#1 $\pm$ \\" in latex("", [([], [["a_b & 50 % {x} \\ #1 ±"]])], []).splitlines()
