"""The paper's tables in the README with what was measured, made from the result files and grids.

python scripts/studies/readme_tables.py writes what stands between the two marks anew; a test fails when it is stale

A cell has our mean ± standard deviation of the averaged weights' test errors, the number of seeds, and the length of the schedules where
that is not the full one; beside it the paper's figure. Of several files with one cell the longest schedules' counts. A cell is empty where
nothing was measured.
"""

import json
from pathlib import Path

from gan_sntg.experiments.grid import Grid, load_grid
from gan_sntg.experiments.report import markdown_table, with_deviation
from gan_sntg.experiments.scripts import RESULTS, run_script

BEGIN, END = "<!-- results: made by python scripts/studies/readme_tables.py -->", "<!-- end of results -->"
PAPER = "table1", "table2", "table3", "table4", "table5"
OWN = ("digits",)


def main() -> None:
    """Put the tables into the README."""
    path = Path("README.md")
    path.write_text(replaced(path.read_text(), tables(RESULTS)))


def replaced(text: str, made: str) -> str:
    """The text with what stands between the marks replaced."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{made}\n{END}{rest.split(END)[1]}"


def tables(results: Path) -> str:
    """All of it, as Markdown."""
    measured = read(results)
    blocks = [paper_table(load_grid(name), measured.get(name, [])) for name in PAPER]
    return "\n".join([*blocks, *(own_table(path) for name in OWN if (path := results / f"{name}.md").is_file())])


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
    commands = ["", "; ".join(f"`{made['command']}`" for made in shown)] if shown else []
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
    length = f", {made['scale']:g} of the length" if made["scale"] != 1 else ""
    return f"{with_deviation(cell['errors']['averaged'])} (n = {len(cell['seeds'])}{length})"


def own_table(path: Path) -> str:
    """A report as it is, its heading bold."""
    heading, _, rest = path.read_text().partition("\n")
    return f"**{heading[0].upper()}{heading[1:]}**\n{rest}"


if __name__ == "__main__":
    run_script(main)
