"""How far have FM-GAN and FM-GAN + SNTG come in the 300 epochs of MNIST with 100 labels? Read from runs that need not be finished.

python scripts/studies/mnist_full.py     -> results/mnist_100_full.json, .md, docs/mnist_100_full.png

The runs are those of COMMAND, which also goes on with them. Nothing in them depends on the length (the learning rate is constant, the ramp
and the averages have lengths of their own), so that the first n epochs are those of the whole run.
"""

import json
from pathlib import Path

import torch

from gan_sntg.errors import InputError
from gan_sntg.experiments.plots import Curve, save_curves
from gan_sntg.experiments.search import run_script
from gan_sntg.runs.folder import RunFolder

RUNS, RESULTS, DOCS, NAME, SEED, EPOCHS = Path("runs/reproduce/table4/mnist_100"), Path("results"), Path("docs"), "mnist_100_full", 0, 300
METHODS = {"fm_gan": "FM-GAN", "fm_gan_sntg": "FM-GAN + SNTG"}
COMMAND = f"gan-sntg reproduce table4 --only 'mnist_100/fm_gan*' --seeds {SEED} -- --precision bfloat16 --interval_epochs 10"
KEYS = ("epoch", "test_error/averaged", "test_error/last", "graph/precision", "graph/teacher_accuracy")


def main(words: list[str]) -> None:
    """Write the errors of all epochs that both have, a table of some, and the curves."""
    if words:
        raise InputError(f"{words[0]} is not an option; the script takes none")
    rows = {name: RunFolder(RUNS / method / str(SEED)).rows() for method, name in METHODS.items()}
    if not all(rows.values()):
        raise InputError(f"{RUNS} holds no epoch of both runs; make them by {COMMAND}")
    last = min(own[-1]["epoch"] for own in rows.values())
    rows = {name: [row for row in own if row["epoch"] <= last] for name, own in rows.items()}
    lines = [
        f"| MNIST, 100 labels, seed {SEED}, first {last} epochs of {EPOCHS} | averaged weights, % | last weights, % |",
        "| --- |" + " --- |" * 2,
    ]
    for name, own in rows.items():
        lines += [line(f"{name}, epoch {row['epoch']}", row) for row in own if row["epoch"] in (last // 30 * 10, last // 15 * 10, last)]
    errors = {name: {key: [row.get(key) for row in own] for key in KEYS} | {"seconds": own[-1]["seconds"]} for name, own in rows.items()}
    (RESULTS / f"{NAME}.json").write_text(json.dumps({"command": COMMAND, "epochs": last, "of": EPOCHS, "methods": errors}) + "\n")
    (RESULTS / f"{NAME}.md").write_text("\n".join([*lines, "", f"`{COMMAND}`"]) + "\n")
    save_curves(DOCS / f"{NAME}.png", {name: curve(own) for name, own in rows.items()}, "MNIST, 100 labels, averaged weights", most=6)
    print("\n".join(lines))


def line(name: str, row: dict) -> str:
    """Of the table."""
    return f"| {name} | {row['test_error/averaged']:.2f} | {row['test_error/last']:.2f} |"


def curve(rows: list[dict]) -> Curve:
    """The averaged weights' test error."""
    errors = [[row["test_error/averaged"] for row in rows]]
    return Curve(torch.tensor([row["epoch"] for row in rows]), torch.tensor(errors, dtype=torch.float64))


if __name__ == "__main__":
    run_script(main)
