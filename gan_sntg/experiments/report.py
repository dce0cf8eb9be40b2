"""Reports of a grid as JSON, Markdown, CSV and LaTeX."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from gan_sntg.experiments.plan import Plan
from gan_sntg.experiments.results import HELD_OUT, TEST, WORST, Results, compared
from gan_sntg.experiments.statistics import Interval, difference, interval_of, summary
from gan_sntg.files.atomic import write_atomically

COLUMNS = {
    HELD_OUT: "validation error, %",
    "averaged": "averaged weights, %",
    "last": "last weights, %",
    "chosen": "chosen on validation, %",
}
CELLS = ["data", "method", "n", *COLUMNS.values(), "{}, 95 % interval (Student)", "least class recall, %", "paper, %"]
COMPARED = {"averaged": "averaged weights", HELD_OUT: "validation error"}  # kinds of error whose differences are shown
DIFFERENCES = ["{}, difference in points", "n", "mean", "95 % interval ({})", "seeds better / worse", "sign test, p"]
INTERVALS = {"student": "Student", "bca": "BCa bootstrap"}
LATEX = str.maketrans({"\\": r"\textbackslash{}", "±": r"$\pm$"} | {sign: rf"\{sign}" for sign in "&%$#_{}"})
Table = tuple[list[str], list[list[str]]]  # head and rows


def write_report(plan: Plan, results: Results, failed: int, added: Sequence[str] = ()) -> tuple[str, list[Path]]:
    """Write the report of a plan of which so many cells failed; return its Markdown and its files.

    added: commands of earlier reports whose runs are among the results, beyond the plan.
    """
    kind = compared(results, plan.options.test_errors)
    made = {"command": plan.command} | ({"added": [*added]} if added else {})
    made |= {"grid": plan.grid.name, "of": plan.grid.of, "title": plan.grid.title}
    made |= {"scale": plan.options.scale, "words": plan.options.words}
    shown = (HELD_OUT, WORST) if kind == HELD_OUT else (HELD_OUT, *TEST) if plan.options.test_errors else (*TEST, WORST)
    every = cells(results, shown)
    if plan.grid.figure.get("kind") == "labels":
        every = {name: cell | {"interval": interval_of(cell["errors"][kind]["values"])} for name, cell in every.items()}
    made |= {"cells": every, "interval": plan.options.interval}
    made |= {"compared": kind, "differences": differences(results, plan.options.interval, kind), "heading": plan.heading}
    runs = {(cell.name, cell.seed) for cell in (*plan.cells, *(run.cell for own in results.values() for run in own))}
    metrics = sorted({run.cell.config["metric"] for runs in results.values() for run in runs if "metric" in run.cell.config})
    made |= {"notes": notes(made, len(runs), failed, metrics)}
    return write_files(plan.report, made)


def cells(results: Results, shown: tuple[str, ...]) -> dict[str, dict]:
    """Of every cell, by its name: errors of each kind with their summary, and how the runs were made.

    shown: kinds of error, of which those count that all runs of the cell have.
    """
    found = {}
    for name, runs in results.items():
        first, row, column = runs[0], runs[0].cell.row, runs[0].cell.column
        kinds = {kind: [run.errors[kind] for run in runs] for kind in shown if all(kind in run.errors for run in runs)}
        found[name] = {
            "row": row.name,
            "column": column.name,
            "paper": row.paper.get(column.key),
            "seeds": [run.cell.seed for run in runs],
            "errors": {kind: {"values": values} | summary(values) for kind, values in kinds.items()},
            "precision": first.precision,
            "epochs": first.cell.config.get("epochs"),
            "config": first.config,
            "data_sha256": first.data,
            "split_sha256": [run.split for run in runs],
            "rolled_back": [run.cell.seed for run in runs if run.rolled_back],
            "seconds": [run.seconds for run in runs],
            "machines": sorted({machine for run in runs for machine in run.machines}),
        }
    return found


def differences(results: Results, interval: Interval, kind: str) -> dict[str, dict]:
    """Paired differences of the errors of a kind, of averaged weights, by "column: row - row"."""
    found = {}
    for runs in results.values():
        row, column = runs[0].cell.row, runs[0].cell.column
        others = results.get(f"{column.key}/{row.against}", [])
        without, with_it = ({run.cell.seed: run.errors[kind] for run in own} for own in (others, runs))
        if without.keys() & with_it.keys():
            found[f"{column.name}: {row.name} - {others[0].cell.row.name}"] = difference(without, with_it, interval)
    return found


def notes(made: dict, planned: int, failed: int, metrics: list[str]) -> list[str]:
    """What a reader must know: how the report was made, what is missing, what was rolled back.

    metrics: those of runs that did not go by the error.
    """
    which = "error of the validation images, averaged weights" if made["compared"] == HELD_OUT else "test error"
    lines = [f"`{made['command']}`", f"Errors: {which}, mean ± standard deviation over n seeds; differences are paired by seed."]
    if made.get("added"):
        lines.append(f"With runs of earlier reports: `{'`, `'.join(made['added'])}`.")
    if made["compared"] == HELD_OUT:
        lines.append("Validation images were held out, to choose by; test errors stay hidden until `--test_errors true` asks for them.")
    elif not any("chosen" in cell["errors"] for cell in made["cells"].values()):
        lines.append(
            "No validation images were held out (`-- --validation true` does), so no epoch is chosen by them; none is by test images."
        )
    if metrics:
        lines.append(f"Runs went by {' and '.join(metrics)}; the table is of errors, in percent of images.")
    n = sum(len(cell["seeds"]) for cell in made["cells"].values())
    if n < planned:
        lines.append(f"{n} of {planned} runs are finished{f', {failed} failed' if failed else ''}; the table is of these.")
    rolled = [f"{name} seed {seed}" for name, cell in made["cells"].items() for seed in cell["rolled_back"]]
    if rolled:
        lines.append(f"Rolled back to a smaller learning rate after a term was not finite: {', '.join(rolled)}.")
    return lines


def write_files(path: Path, made: dict) -> tuple[str, list[Path]]:
    """Write <path>.json, which holds all of `made`, .md, .csv and .tex; return Markdown and files."""
    kind = COMPARED[made.get("compared", "averaged")]
    head = [DIFFERENCES[0].format(kind), *(title.format(INTERVALS[made["interval"]]) for title in DIFFERENCES[1:])]
    first = without_empty([title.format(kind) for title in CELLS], cell_rows(made["cells"]))
    tables = [first, (head, difference_rows(made["differences"]))]
    tables = [table for table in tables if table[1]]
    lines = io.StringIO()  # the tables one below the other, each with its head, an empty line between
    csv.writer(lines, lineterminator="\n").writerows([row for head, rows in tables for row in ([], head, *rows)][1:])
    texts = {
        "json": json.dumps(made, indent=1) + "\n",
        "md": "\n\n".join([made["heading"], *(markdown_table(*table) for table in tables), *made["notes"]]) + "\n",
        "csv": lines.getvalue(),
        "tex": latex(made["heading"], tables, made["notes"]),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    files = {path.with_name(f"{path.name}.{ending}"): text for ending, text in texts.items()}
    for file, text in files.items():
        write_atomically(file, text.encode())
    return texts["md"], [*files]


def cell_rows(cells: dict[str, dict]) -> list[list[str]]:
    """A row for each cell: mean ± standard deviation of each kind of error, or a dash."""
    rows = []
    for cell in cells.values():
        errors = [with_deviation(cell["errors"].get(kind)) for kind in COLUMNS]
        interval = "{:.2f} to {:.2f}".format(*cell["interval"]) if cell.get("interval") else "-"
        recall = f"{100 - max(cell['errors'][WORST]['values']):.1f}" if WORST in cell["errors"] else "-"
        rows.append([cell["column"], cell["row"], str(len(cell["seeds"])), *errors, interval, recall, cell["paper"] or ""])
    return rows


def without_empty(head: list[str], rows: list[list[str]]) -> Table:
    """The table without columns in which nothing stands."""
    kept = [k for k in range(len(head)) if any(row[k] not in ("", "-") for row in rows)]
    return [head[k] for k in kept], [[row[k] for k in kept] for row in rows]


def with_deviation(error: dict | None, digits: int = 2) -> str:
    """Mean and standard deviation, as 13.35 ± 5.02."""
    if error is None:
        return "-"
    return f"{error['mean']:.{digits}f}" + (f" ± {error['std']:.{digits}f}" if error["std"] is not None else "")


def difference_rows(differences: dict[str, dict]) -> list[list[str]]:
    """A row for each pair of rows."""
    rows = []
    for name, d in differences.items():
        interval = "{:+.2f} to {:+.2f}".format(*d["interval"]) if d["interval"] else "-"
        p = "-" if d["sign_p"] is None else f"{d['sign_p']:.3f}"
        rows.append([name, str(d["n"]), f"{d['mean']:+.2f}", interval, f"{d['better']} / {d['worse']}", p])
    return rows


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    """The table in Markdown, without a last line break."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows])


def latex(heading: str, tables: list[Table], notes: list[str]) -> str:
    """A tabular each, with no packages needed; heading and notes as comments."""
    lines = [f"% {line}" for text in (heading, *notes) for line in text.splitlines()]
    for head, rows in tables:
        body = [" & ".join(cell.translate(LATEX) for cell in cells) + r" \\" for cells in [head, *rows]]
        lines += [rf"\begin{{tabular}}{{{'l' * len(head)}}}", r"\hline", body[0], r"\hline", *body[1:], r"\hline", r"\end{tabular}", ""]
    return "\n".join(lines) + "\n"
