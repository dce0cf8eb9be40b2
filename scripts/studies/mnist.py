"""What do FM-GAN and FM-GAN + SNTG reach on MNIST with 100 labels at a third of the recipe's length?

python scripts/studies/mnist.py one seed of each, 100 epochs in place of 300 -> results/mnist_100_third.json, .md; curves and grids in docs/

The third: time constants of averages (weights, teacher) and the graph's ramp are divided by three with the length; the learning
rate is constant in the recipe, and Adam's betas stay.
"""

import argparse
import json
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

import torch

from gan_sntg.experiments.plots import Curve, save_curves
from gan_sntg.experiments.search import run_all
from gan_sntg.runs.folder import RunFolder

RUNS, RESULTS, DOCS, NAME = Path("runs/mnist_100_third"), Path("results"), Path("docs"), "mnist_100_third"
THIRD = [
    *("--config", "configs/mnist_100/fm_gan.yaml", "--epochs", "100", "--interval_epochs", "2", "--seed", "0", "--data_seed", "0"),
    *("--method.average_decay", "0.9997", "--method.teacher.init_args.decay", "0.997", "--method.graph_ramp_epochs", "100"),
]
METHODS = {"fm_gan": [*THIRD, "--method.graph_weight", "0"], "fm_gan_sntg": THIRD}
WATCHED = ("test_error/averaged", "test_error/last", "graph/precision", "graph/teacher_accuracy", "graph/negatives_inside_margin")


def main(processes: int) -> None:
    """Train both; finished runs are only read, unfinished ones go on. Then the report."""
    results = run_all({str(RUNS / name): words for name, words in METHODS.items()}, processes)
    rows = {name: RunFolder(RUNS / name).rows() for name in METHODS}
    report(results, rows)
    for name, found in rows.items():
        shutil.copyfile(RUNS / name / f"samples/epoch_{found[-1]['epoch']:04d}.png", DOCS / f"{NAME}_{name}.png")
    curves = {"FM-GAN": rows["fm_gan"], "FM-GAN + SNTG": rows["fm_gan_sntg"]}
    save_curves(DOCS / f"{NAME}.png", {name: curve(found) for name, found in curves.items()}, "MNIST, 100 labels, averaged weights", most=6)


def curve(rows: list[dict]) -> Curve:
    """The averaged weights' test error of one run."""
    errors = torch.tensor([[row["test_error/averaged"] for row in rows]], dtype=torch.float64)
    return Curve(torch.tensor([row["epoch"] for row in rows]), errors)


def report(results: dict[str, dict], rows: dict[str, list[dict]]) -> None:
    """Write the JSON with every measured epoch, and the table."""
    machine = {"machine": f"{platform.machine()}, one CPU thread a run, two at once", "torch": version("torch"), "precision": "float32"}
    out = {"command": "python scripts/studies/mnist.py", "figure": "test error, %", "seed": 0, "data_seed": 0} | machine | {"methods": {}}
    lines = ["| MNIST, 100 labels, 100 epochs of 300, seed 0 | averaged weights, % | last weights, % | s, one thread |"]
    lines.append("| --- | --- | --- | --- |")
    for name in METHODS:
        result = results[str(RUNS / name)]
        watched = {key: [round(row[key], 4) for row in rows[name]] for key in WATCHED}
        kept = {key: result[key] for key in ("test_error_averaged", "test_error_last", "seconds", "steps", "split_sha256", "config")}
        out["methods"][name] = kept | {"epochs": [row["epoch"] for row in rows[name]]} | watched
        lines.append(f"| {name} | {kept['test_error_averaged']:.2f} | {kept['test_error_last']:.2f} | {kept['seconds']:.0f} |")
    (RESULTS / f"{NAME}.json").write_text(json.dumps(out) + "\n")
    (RESULTS / f"{NAME}.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    main(parser.parse_args().processes)
