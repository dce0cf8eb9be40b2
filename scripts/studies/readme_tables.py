"""Tables of what was measured, in the README and the docs, from result files and grids.

python scripts/studies/readme_tables.py writes what stands between the two marks of each file anew; a test fails when it is stale

The README has one table without an empty cell: of each method, the error without and with SNTG and their paired difference, where two
seeds or more were trained. docs/tables.md has the paper's tables. A cell there has our mean ± standard deviation of the averaged weights'
test errors, the number of seeds, and the length of the schedules where that is not the full one; beside it the paper's figure. It is empty
where nothing was measured. Of several files with one cell the longest schedules' counts. docs/reproduce.md has the time that runs of each
report took.
"""

import json
import statistics
import textwrap
from pathlib import Path

from gan_sntg.experiments.grid import Grid, Row, load_grid
from gan_sntg.experiments.report import markdown_table, with_deviation
from gan_sntg.experiments.scripts import RESULTS, run_script

BEGIN, END = "<!-- results: made by python scripts/studies/readme_tables.py -->", "<!-- end of results -->"
PAPER = "table1", "table2", "table3", "table4", "table5"
OWN = ("digits",)
SUMMARY = {  # grid and column, and the data's name in the README
    ("digits", "digits_20"): "digits, 20 labels",
    ("digits-sntg", "digits_20"): "digits, 20 labels",
    ("table4", "mnist_100"): "MNIST, 100 labels",
    ("table4-sntg", "mnist_50"): "MNIST, 50 labels",
    ("table4-sntg", "mnist_100"): "MNIST, 100 labels",
    ("mnist-cpu", "mnist10k_100"): "MNIST's first 10,000, 100 labels",
    ("fashion", "fashion_100"): "Fashion-MNIST, 100 labels",
    ("fashion-cpu", "fashion10k_100"): "Fashion-MNIST's first 10,000, 100 labels",
}

FORMS = {  # rows of another form of SNTG than the configuration's, or of another name than ROW_sntg
    ("digits-sntg", "waiting"): "FM-GAN, SNTG from half of the run on",
    ("table4", "fm_gan_sntg"): "FM-GAN, SNTG of weight 1",
    ("table4-sntg", "waiting"): "FM-GAN, SNTG from half of the run on",
    ("fashion", "fm_gan_sntg"): "FM-GAN, SNTG of weight 1",
    ("fashion", "waiting"): "FM-GAN, SNTG from half of the run on",
}


def main() -> None:
    """Put the tables into the README and the pages."""
    made_of = {"README.md": summary, "docs/tables.md": tables, "docs/reproduce.md": times}
    for name, made in {name: make(RESULTS) for name, make in made_of.items()}.items():
        path = Path(name)
        path.write_text(replaced(path.read_text(), made))


def replaced(text: str, made: str) -> str:
    """The text with what stands between the marks replaced."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{made}\n{END}{rest.split(END)[1]}"


def summary(results: Path) -> str:
    """Errors without and with SNTG by data and method, and the data of which there are none yet."""
    measured, rows, missing = read(results), [], []
    for (grid, column), data in SUMMARY.items():
        found = paired_rows(grid, column, data, measured.get(grid, []))
        rows += found
        missing += [] if found or any(grid == name for name, _ in FORMS) else [data]
    head = ["data", "method", "n", "without SNTG, %", "with SNTG, %", "difference, points (95 %)"]
    not_measured = ["", textwrap.fill(f"Not measured yet with two seeds or more: {'; '.join(missing)}.", 120)] if missing else []
    return "\n".join([markdown_table(head, rows), *not_measured, ""])


def paired_rows(name: str, column: str, data: str, measured: list[dict]) -> list[list[str]]:
    """A row for each method whose errors without and with SNTG stand in one report, of two seeds or more."""
    rows, grid = [], load_grid(name)
    for key, row in grid.rows.items():
        if row.against is None or key != f"{row.against}_sntg" and (name, key) not in FORMS:
            continue
        cell, host = f"{column}/{key}", grid.rows[row.against]
        made = first(cell, [made for made in measured if (one := difference_of(made, cell, host)) is not None and one["interval"]])
        if made is None:
            continue
        one, method = difference_of(made, cell, host), FORMS.get((name, key), host.name)
        without, with_it = (with_deviation(made["cells"][f"{column}/{row}"]["errors"]["averaged"]) for row in (row.against, key))
        interval = "{:+.2f} to {:+.2f}".format(*one["interval"])
        rows.append([data + length_of(made), method, str(one["n"]), without, with_it, f"{one['mean']:+.2f} ({interval})"])
    return rows


def difference_of(made: dict, cell: str, host: Row) -> dict | None:
    """The paired difference of a cell from that of another row in a report; None where it has none."""
    found = made["cells"].get(cell)
    return made["differences"].get(found and f"{found['column']}: {found['row']} - {host.name}")


def tables(results: Path) -> str:
    """The paper's tables and the own ones, as Markdown."""
    measured = read(results)
    blocks = [paper_table(load_grid(name), measured.get(name, [])) for name in PAPER]
    return "\n".join([*blocks, *(own_table(path) for name in OWN if (path := results / f"{name}.md").is_file())])


def times(results: Path) -> str:
    """Minutes of a run by report and column, its quickest and its slowest row, and hours of all."""
    rows = []
    for name, reports in sorted(read(results).items()):
        pairs = [(report, column) for report in reports for column in dict.fromkeys(key.split("/")[0] for key in report["cells"])]
        for made, column in pairs:
            compiled = ", compiled" if "--compile true" in made["command"] else ""
            cells = {key.split("/")[1]: cell.get("seconds", []) for key, cell in made["cells"].items() if key.startswith(f"{column}/")}
            medians = {row: statistics.median(seconds) / 60 for row, seconds in cells.items() if seconds}
            if medians:
                ends = (min(medians, key=medians.__getitem__), max(medians, key=medians.__getitem__))
                figures = [f"{minutes(medians[row])} (`{row}`)" for row in ends]
                hours = f"{sum(map(sum, cells.values())) / 3600:.1f}"
                machines = ", ".join(sorted({name for cell in made["cells"].values() for name in cell.get("machines", [])}))
                rows.append(
                    [f"`{name}`, `{column}`{length_of(made)}{compiled}", str(sum(map(len, cells.values()))), *figures, hours, machines]
                )
    head = ["grid and column", "runs", "quickest row, minutes per run", "slowest row", "hours of all", "machine"]
    return "\n".join([markdown_table(head, rows), ""])


def minutes(value: float) -> str:
    """Two digits, or all before the point."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def read(results: Path) -> dict[str, list[dict]]:
    """The reports of grids among the result files, by the grid's name, the longest schedules first."""
    found: dict[str, list[dict]] = {}
    for path in sorted(results.rglob("*.json")):
        made = json.loads(path.read_text())
        if "grid" in made and "cells" in made:
            found.setdefault(made["grid"], []).append(made)
    return {name: sorted(made, key=lambda one: -one["scale"]) for name, made in found.items()}


def paper_table(grid: Grid, measured: list[dict]) -> str:
    """A table of the paper: for each column ours and the paper's; below it the commands."""
    columns, rows = grid.columns.values(), []
    for row in grid.rows.values():
        rows.append([row.name, *(text for c in columns for text in (ours(f"{c.key}/{row.key}", measured), row.paper.get(c.key, "")))])
    # the first head is empty: a space less than in other tables
    table = markdown_table(["", *(head for c in columns for head in (c.name, "paper"))], rows).replace("|  |", "| |", 1)
    shown = [made for made in measured if any(made is first(name, measured) for name in grid.cells)]
    used = [command for made in shown for command in (made["command"], *made.get("added", []))]
    commands = ["", "; ".join(f"`{command}`" for command in used)] if used else []
    return "\n".join([f"**{grid.of}**: {grid.title}", "", table, *commands, ""])


def first(name: str, measured: list[dict]) -> dict | None:
    """The first report with the cell."""
    return next((made for made in measured if name in made["cells"]), None)


def ours(name: str, measured: list[dict]) -> str:
    """1.44 ± 0.09 (n = 3, 0.1 of the length); empty where it was not measured."""
    made = first(name, measured)
    if made is None:
        return ""
    cell = made["cells"][name]
    return f"{with_deviation(cell['errors']['averaged'])} (n = {len(cell['seeds'])}{length_of(made)})"


def length_of(made: dict) -> str:
    """`, 0.1 of the length`; empty at full length."""
    return f", {made['scale']:g} of the length" if made["scale"] != 1 else ""


def own_table(path: Path) -> str:
    """A report as it is, its heading bold."""
    heading, _, rest = path.read_text().partition("\n")
    return f"**{heading[0].upper()}{heading[1:]}**\n{rest}"


if __name__ == "__main__":
    run_script(main)
