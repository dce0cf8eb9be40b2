"""Digits of a class that training left out, told from the others by realness and by confidence.

python scripts/studies/unlike.py -> results/unlike.json, .md      about fifteen minutes on one core

Each of the ten classes is left out once, of all parts of the data; 18 labels of the others, the configurations of digits_20 without SNTG,
one seed. AUROC of the test images of the class that is left out, by `realness` (logsumexp of the logits, lower is odder) and by the largest
probability, of the averaged classifier. Means over the ten classes.
"""

from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

import gan_sntg
from gan_sntg.__main__ import main as command
from gan_sntg.data import Digits
from gan_sntg.errors import UnhealthyError
from gan_sntg.evaluation.classification import realness
from gan_sntg.experiments.report import markdown_table
from gan_sntg.experiments.scripts import machine, run_script, write_results
from gan_sntg.experiments.statistics import difference, summary

METHODS = {"supervised": "labels alone", "fm_gan": "FM-GAN", "bad_gan": "Bad GAN"}
BY = {"realness": realness, "confidence": lambda logits: logits.double().softmax(1).amax(1)}


def without(x: Tensor, y: Tensor, c: int) -> tuple[np.ndarray, np.ndarray]:
    """The examples of the other classes, which are numbered anew."""
    kept = y != c
    return x[kept].numpy(), torch.where(y > c, y - 1, y)[kept].numpy()


def areas(method: str, c: int, out: Path) -> dict[str, float]:
    """AUROC of class c for a classifier trained without it. Raises UnhealthyError."""
    source, file = Digits(), out / f"{c}.npz"
    out.mkdir(parents=True, exist_ok=True)
    parts = {"train": (source.train_x, source.train_y), "test": (source.test_x, source.test_y)}
    arrays = {name: without(x, y, c) for name, (x, y) in parts.items()}
    np.savez(file, **{f"{name}_{kind}": array for name, pair in arrays.items() for kind, array in zip("xy", pair, strict=True)})
    folder, data = out / f"{c}-{method}", ["--data", "Arrays", "--data.root", str(out), "--data.file", file.name]
    words = ["--config", f"digits_20/{method}", *data, "--labels", "18", "--interval_epochs", "50", "--method.sntg.weight", "0"]
    if command(["train", *words, "--out", str(folder)]):
        raise UnhealthyError(f"the run in {folder} did not end")
    logits, odd = gan_sntg.load_run(folder, "cpu").logits(source.test_x), (source.test_y == c).numpy()
    return {name: float(roc_auc_score(odd, -score(logits))) for name, score in BY.items()}


def main(classes: int = 10, out: str = "runs/unlike") -> None:
    """Train what is not there yet, and write the table."""
    found = {method: {c: areas(method, c, Path(out)) for c in range(classes)} for method in METHODS}
    rows = [
        [METHODS[m], *(f"{(s := summary([a[by] for a in of.values()]))['mean']:.3f} ± {s['std']:.3f}" for by in BY)]
        for m, of in found.items()
    ]
    gains = {
        m: difference(*({c: a["realness"] for c, a in found[of].items()} for of in ("supervised", m))) for m in METHODS if m != "supervised"
    }
    said = [
        f"{METHODS[m]} - labels alone, realness: {g['mean']:+.3f} ({g['interval'][0]:+.3f} to {g['interval'][1]:+.3f})"
        for m, g in gains.items()
    ]
    table = markdown_table(["method", "AUROC by realness", "by confidence"], rows)
    paired = f"Paired by class, 95 % interval (Student): {'; '.join(said)}"
    text = f"Digits, each class left out once: AUROC of its test images\n\n{table}\n\n{paired}"
    write_results("unlike", {"areas": found, "differences": gains, **machine()}, text)


if __name__ == "__main__":
    run_script(main)
