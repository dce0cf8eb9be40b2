"""Errors of an earlier version's runs beside those of `gan-sntg reproduce faster`, paired by seed.

In a checkout of that version, with its own command:
  gan-sntg reproduce digits --seeds 0..4 --only digits_20/pi_model_sntg --report REPORTS
  gan-sntg reproduce mnist-cpu --seeds 0..4 --only mnist10k_100/pi_model_sntg --report REPORTS     also with --scale
Then here: python scripts/studies/faster_earlier.py COMMIT REPORTS -> results/faster_earlier.*
--more FOLDER: further reports of `faster`, such as of more seeds. Cells are paired where their seeds are the same. Rows of the file in
place stay if they are of the same commit, unless they are made again.
"""

from collections.abc import Iterable
from pathlib import Path

from gan_sntg.errors import InputError
from gan_sntg.experiments.grid import load_grid
from gan_sntg.experiments.report import markdown_table, with_deviation
from gan_sntg.experiments.scripts import RESULTS, run_script, write_results
from gan_sntg.experiments.statistics import difference
from gan_sntg.files.json_files import read_json

GRID = "faster"
MEANING = (
    "Test errors of averaged weights. In brackets: the difference to the earlier version, in points, with Student's 95 % interval, n pairs."
)
HEAD = ["data", "method", "n", "earlier, %", "newer, %", "newer, faster steps, %"]


def main(commit: str, reports: Path, more: Path | None = None) -> None:
    """Pair every cell that both versions have, and write both files."""
    earlier = grids(Path(reports).rglob("*.json"))
    newer = [
        made for made in [*grids(RESULTS.glob(f"{GRID}*.json")), *grids(Path(more).rglob("*.json") if more else [])] if made["grid"] == GRID
    ]
    found = [(old, new, paired(old, new)) for old in earlier for new in newer if old["scale"] == new["scale"]]
    rows = [row for *_, own in found for row in own]
    if not rows:
        raise InputError(f"{reports} has no report of a cell and seeds that results/{GRID}*.json have; see --help for the commands")
    used = {"earlier": [old for old, _, own in found if own], "newer": [new for _, new, own in found if own]}
    commands = {way: [command for made in of for command in (made["command"], *made.get("added", []))] for way, of in used.items()}
    before = read_json(file) if (file := RESULTS / "faster_earlier.json").is_file() else {}
    if before.get("commit") == commit:
        kept = {row_key(row): row for row in before["rows"]}
        rows = [*(kept | {row_key(row): kept.get(row_key(row), {}) | row for row in rows}).values()]
        commands = {way: before["commands"][way] + own for way, own in commands.items()}
    commands = {way: [*dict.fromkeys(own)] for way, own in commands.items()}
    command = f"python scripts/studies/faster_earlier.py {commit} REPORTS" + " --more FOLDER" * bool(more)
    out = {"command": command, "commit": commit, "commands": commands}
    made_by = [f"{way}: `{'`, `'.join(words)}`" for way, words in zip((f"Earlier ({commit})", "Newer"), commands.values(), strict=True)]
    write_results("faster_earlier", out | {"rows": rows}, "\n\n".join([table(rows), MEANING, *made_by]))


def row_key(row: dict) -> tuple:
    """What one row alone has: its cell, length and seeds."""
    ways = [row[way] for way in ("newer", "faster") if way in row]
    return row["cell"], row["scale"], tuple(ways[0]["difference"]["seeds"])


def grids(paths: Iterable[Path]) -> list[dict]:
    """The reports of grids among JSON files."""
    return [made for path in sorted(paths) if {"grid", "scale", "cells"} <= (made := read_json(path)).keys()]


def paired(earlier: dict, newer: dict) -> list[dict]:
    """A row for each cell with SNTG: errors of the earlier version, the newer one and its faster steps.

    Raises InputError where the same seeds are of other data or labels.
    """
    rows = []
    for key, cell in earlier["cells"].items():
        column, _, name = key.partition("/")
        faster = next((row.key for row in load_grid(GRID).rows.values() if row.against == name), None)
        known = {"newer": newer["cells"].get(key), "faster": newer["cells"].get(f"{column}/{faster}")}
        ways = {way: found for way, found in known.items() if found and found["seeds"] == cell["seeds"]}
        if not ways:
            continue
        before, data = errors(cell), next(iter(ways.values()))["column"]
        row = {"cell": key, "data": data, "method": cell["row"], "scale": earlier["scale"], "earlier": cell["errors"]["averaged"]}
        for way, found in ways.items():
            if (found["data_sha256"], found["split_sha256"]) != (cell["data_sha256"], cell["split_sha256"]):
                raise InputError(f"{key}: the two versions' runs are of other data or labels; run both on the same")
            row[way] = found["errors"]["averaged"] | {"difference": difference(before, errors(found))}
        row["machines"] = sorted({name for of in (cell, *ways.values()) for name in of["machines"]})
        rows.append(row)
    return rows


def errors(cell: dict) -> dict[int, float]:
    """The averaged weights' test errors of a cell, by seed."""
    return dict(zip(cell["seeds"], cell["errors"]["averaged"]["values"], strict=True))


def table(rows: list[dict]) -> str:
    """A line a cell."""
    lines = []
    for row in rows:
        length = f", {row['scale']:g} of the length" if row["scale"] != 1 else ""
        said = [with_difference(row[way]) if way in row else "" for way in ("newer", "faster")]
        lines.append([row["data"] + length, row["method"], str(row["earlier"]["n"]), with_deviation(row["earlier"]), *said])
    return markdown_table(HEAD, lines)


def with_difference(way: dict) -> str:
    """Mean and standard deviation, and the difference to the earlier version."""
    low, high = way["difference"]["interval"]
    return f"{with_deviation(way)} ({way['difference']['mean']:+.2f}, {low:+.2f} to {high:+.2f})"


if __name__ == "__main__":
    run_script(main)
