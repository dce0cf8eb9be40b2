"""Reports of a grid as JSON, Markdown, CSV and LaTeX."""

import csv
import io
import json
import shlex
from pathlib import Path

from jsonargparse import Namespace

from gan_sntg.experiments.executors import Outcome
from gan_sntg.experiments.grid import Cell, Grid
from gan_sntg.files.atomic import write_atomically

CELLS = ["data", "method", "n", "averaged weights, %", "last weights, %", "chosen on validation, %", "paper, %"]
DIFFERENCES = ["averaged weights, difference in points", "n", "mean", "95 % interval (bootstrap)", "seeds better / worse", "sign test, p"]


def write_report(path: Path, made: dict) -> list[Path]:
    """<path>.json, .md, .csv and .tex. made: `heading`, `notes`, `cells`, `differences` and whatever else the JSON is to hold."""
    tables = [without_empty(CELLS, cell_rows(made["cells"])), (DIFFERENCES, difference_rows(made["differences"]))]
    texts = {
        "json": json.dumps(made, indent=1) + "\n",
        "md": markdown(made["heading"], tables, made["notes"]),
        "csv": as_csv(tables),
        "tex": latex(made["heading"], tables, made["notes"]),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    files = [path.with_name(f"{path.name}.{ending}") for ending in texts]
    for file, text in zip(files, texts.values(), strict=True):
        write_atomically(file, text.encode())
    return files


def cell_rows(cells: dict[str, dict]) -> list[list[str]]:
    """A row for each cell: mean ± standard deviation of each kind of error, a dash where it was not measured."""
    rows = []
    for cell in cells.values():
        errors = [with_deviation(cell["errors"].get(kind)) for kind in ("averaged", "last", "chosen")]
        rows.append([cell["column"], cell["row"], str(len(cell["seeds"])), *errors, cell["paper"] or ""])
    return rows


def without_empty(head: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """The table without columns in which nothing stands."""
    kept = [k for k in range(len(head)) if any(row[k] not in ("", "-") for row in rows)]
    return [head[k] for k in kept], [[row[k] for k in kept] for row in rows]


def with_deviation(error: dict | None) -> str:
    """13.35 ± 5.02."""
    if error is None:
        return "-"
    return f"{error['mean']:.2f}" + (f" ± {error['std']:.2f}" if error["std"] is not None else "")


def difference_rows(differences: dict[str, dict]) -> list[list[str]]:
    """A row for each pair of rows."""
    rows = []
    for name, d in differences.items():
        interval = f"{d['interval'][0]:+.2f} to {d['interval'][1]:+.2f}" if d["interval"] else "-"
        p = "-" if d["sign_p"] is None else f"{d['sign_p']:.3f}"
        rows.append([name, str(d["n"]), f"{d['mean']:+.2f}", interval, f"{d['better']} / {d['worse']}", p])
    return rows


def markdown(heading: str, tables: list[tuple[list[str], list[list[str]]]], notes: list[str]) -> str:
    """Heading, tables, notes."""
    blocks = [heading]
    for head, rows in tables:
        if rows:
            blocks.append("\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows]))
    return "\n\n".join([*blocks, *notes]) + "\n"


def as_csv(tables: list[tuple[list[str], list[list[str]]]]) -> str:
    """The tables one below the other, each with its head, an empty line between."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    for k, (head, rows) in enumerate((head, rows) for head, rows in tables if rows):
        writer.writerows([[]] * (k > 0) + [head, *rows])
    return file.getvalue()


def latex(heading: str, tables: list[tuple[list[str], list[list[str]]]], notes: list[str]) -> str:
    """A tabular each, with no packages needed; heading and notes as comments."""
    lines = [f"% {line}" for text in (heading, *notes) for line in text.splitlines()]
    for head, rows in tables:
        if rows:
            body = [" & ".join(escaped(cell) for cell in cells) + r" \\" for cells in [head, *rows]]
            lines += [rf"\begin{{tabular}}{{{'l' * len(head)}}}", r"\hline", body[0], r"\hline", *body[1:], r"\hline", r"\end{tabular}", ""]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """For LaTeX's text."""
    signs = {"\\": r"\textbackslash{}", "±": r"$\pm$"} | {sign: rf"\{sign}" for sign in "&%$#_{}"}
    return "".join(signs.get(sign, sign) for sign in text)


def command(grid: Grid, options: Namespace) -> str:
    """What makes the report again, wherever it is run."""
    words = ["gan-sntg", "reproduce", options.grid, "--seeds", options.seeds or grid.seeds]
    words += ["--only", *options.only] if options.only else []
    words += ["--scale", f"{options.scale:g}"] if options.scale != 1 else []
    words += ["--threads", str(options.threads)] if options.threads != 1 else []
    return shlex.join([*words, "--", *options.words] if options.words else words)


def heading(grid: Grid, options: Namespace) -> str:
    """The title; a shortened schedule is named."""
    scale = f", at {options.scale:g} of the schedules' length (averages, ramps and decay scaled with it)" if options.scale != 1 else ""
    return f"{grid.of + ': ' if grid.of else ''}{grid.title}{scale}"


def notes(made: dict, cells: list[Cell], failed: list[Outcome]) -> list[str]:
    """What a reader must know: how it was made, what is missing, what was rolled back."""
    lines = [f"`{made['command']}`", "Errors: test error, mean ± standard deviation over n seeds; differences are paired by seed."]
    if not any("chosen" in cell["errors"] for cell in made["cells"].values()):
        lines.append(
            "No validation images were held out (`-- --validation true` does), so no epoch is chosen by them; none is by test images."
        )
    n = sum(len(cell["seeds"]) for cell in made["cells"].values())
    if n < len(cells):
        lines.append(f"{n} of {len(cells)} runs are finished{f', {len(failed)} failed' if failed else ''}; the table is of these.")
    rolled = [f"{name} seed {seed}" for name, cell in made["cells"].items() for seed in cell["rolled_back"]]
    if rolled:
        lines.append(f"Rolled back to a smaller learning rate after a term was not finite: {', '.join(rolled)}.")
    return lines
