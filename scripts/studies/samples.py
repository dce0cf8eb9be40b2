"""Sample quality of FM-GAN without SNTG and with three forms of it, of paired runs (Fig. 6).

python scripts/studies/samples.py digits    on digits, 20 labels, ten seeds -> results/samples_digits.*
python scripts/studies/samples.py mnist     on MNIST, 100 labels, a tenth of the length, three seeds -> results/samples_mnist.*

The runs are those of GRIDS below, which are trained first where they are not finished. 50,000 samples of each, against the training images,
in the features of the classifier in runs/classifiers (configs/digits_all, configs/mnist_all).
"""

import contextlib
import io
from pathlib import Path
from typing import Literal

from jsonargparse import Namespace

from gan_sntg.commands import evaluate, reproduce
from gan_sntg.evaluation.fidelity_records import Measurement, comparable, measurements
from gan_sntg.experiments.grid import load_grid
from gan_sntg.experiments.plan import make_plan
from gan_sntg.experiments.report import markdown_table, with_deviation
from gan_sntg.experiments.scripts import machine, run_script, write_results
from gan_sntg.experiments.statistics import difference, summary

GRIDS = {  # words of `gan-sntg reproduce`
    "digits": ["digits-sntg", "--seeds", "0..9"],
    "mnist": "table4-sntg --only mnist_100/* --seeds 0..2 --scale 0.1 -- --precision bfloat16 --compile true --interval_epochs 3".split(),
}
WITHOUT = "fm_gan"
HEADINGS = {"digits": "digits, 20 labels, 10 seeds", "mnist": "MNIST, 100 labels, 30 epochs of 300, 3 seeds"}
BETTER = {"is": "higher", "fid": "lower", "kid": "lower", "precision": "higher", "recall": "higher"}


def main(grid: Literal["digits", "mnist"], processes: int = 2) -> None:
    """Train what is not trained, score what is not scored, write both files."""
    folders = trained(reproduce.parser().parse_args(["--processes", str(processes), *GRIDS[grid]]))
    for folder in (folder for row in folders.values() for folder in row):
        if not measurements(Path(folder)):
            score(folder)
    found = comparable({folder: measurements(Path(folder)) for row in folders.values() for folder in row})
    rows = {row: recorded([found[folder] for folder in own]) for row, own in folders.items()}
    values = {row: {key: dict(enumerate(of["values"])) for key, of in scores.items()} for row, scores in rows.items()}
    without = values.pop(WITHOUT)
    differences = {row: {key: difference(without[key], scores[key]) for key in scores} for row, scores in values.items()}
    out = {"command": f"python scripts/studies/samples.py {grid}"} | machine() | {"provenance": next(iter(found.values())).provenance}
    out |= {"rows": rows, f"differences to {WITHOUT}": differences}
    write_results(f"samples_{grid}", out, table(HEADINGS[grid], rows, differences))


def trained(options: Namespace) -> dict[str, list[str]]:
    """The run folders of each row, by seed, all finished."""
    reproduce.run(options)
    cells = make_plan(load_grid(options.grid), options).cells
    return {row: [str(cell.folder) for cell in cells if cell.row.key == row] for row in {cell.row.key: None for cell in cells}}


def score(folder: str) -> None:
    """`gan-sntg evaluate FOLDER --fidelity`."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluate.run(evaluate.parser().parse_args([folder, "--fidelity", "--device", "cpu"]))


def recorded(own: list[Measurement]) -> dict[str, dict]:
    """Of each score: its value at every seed, their summary, and half the width of each interval."""
    columns = {key: [m.scores[key] for m in own] for key in own[0].scores}
    return {
        key: {"values": [s.value for s in column], "halfwidths": [s.high - s.value for s in column]} | summary([s.value for s in column])
        for key, column in columns.items()
    }


def table(heading: str, rows: dict[str, dict], differences: dict[str, dict]) -> str:
    """A line a score: all means over seeds, and each paired difference with its interval."""
    lines = []
    for key in rows[WITHOUT]:
        found = [of[key] for of in differences.values()]
        said = [f"{d['mean']:+.3f} ({d['interval'][0]:+.3f} to {d['interval'][1]:+.3f})" for d in found]
        lines.append([key, BETTER[key.split("_")[0]], *(with_deviation(row[key], 3) for row in rows.values()), *said])
    heads = [f"{row} - {WITHOUT} (95 % interval)" for row in differences]
    return markdown_table([heading, "better", *rows, *heads], lines)


if __name__ == "__main__":
    run_script(main)
