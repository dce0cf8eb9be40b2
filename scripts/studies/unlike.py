"""Images of a class that training left out, told from the others by realness and by confidence.

python scripts/studies/unlike.py -> results/unlike.json, .md      digits, about fifteen minutes on one core
python scripts/studies/unlike.py --data fashion -> results/unlike_fashion.json, .md

Each class is left out once, of all parts of the data; of the others there are 2 labels a class (Fashion-MNIST: 10); the configurations
without SNTG, one seed. Fashion-MNIST's labels alone are of MNIST's configuration, which has the same network. AUROC of the test images of
the class that is left out, by `realness` (logsumexp of the logits, lower is odder) and by the largest probability, of the averaged
classifier. Means over the classes.
"""

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

import gan_sntg
from gan_sntg.__main__ import main as command
from gan_sntg.data import Dataset, Digits, FashionMNIST10k
from gan_sntg.errors import UnhealthyError
from gan_sntg.evaluation.classification import realness
from gan_sntg.experiments.report import markdown_table
from gan_sntg.experiments.scripts import machine, run_script, write_results
from gan_sntg.experiments.statistics import difference, summary


class Study(NamedTuple):
    """What is trained on which data: words of `train`, and (key, name, configuration) of each method."""

    data: type[Dataset]
    labels: int
    words: tuple[str, ...]
    methods: tuple[tuple[str, str, str], ...]
    report: str
    title: str


ALONE, GAN = ("supervised", "labels alone"), ("fm_gan", "FM-GAN")
BAD = "bad_gan", "Bad GAN", "digits_20/bad_gan"
STUDIES = {
    "digits": Study(Digits, 18, (), ((*ALONE, "digits_20/supervised"), (*GAN, "digits_20/fm_gan"), BAD), "unlike", "Digits"),
    "fashion": Study(
        FashionMNIST10k,
        90,
        ("--scale", "0.1", "--threads", "1", "--precision", "bfloat16"),
        ((*ALONE, "mnist_100/supervised"), (*GAN, "fashion_100/fm_gan")),
        "unlike_fashion",
        "The first 10,000 images of Fashion-MNIST, a tenth of the schedules' length",
    ),
}
BY = {"realness": realness, "confidence": lambda logits: logits.double().softmax(1).amax(1)}


def without(x: Tensor, y: Tensor, c: int) -> tuple[np.ndarray, np.ndarray]:
    """The examples of the other classes, which are numbered anew."""
    kept = y != c
    return x[kept].numpy(), torch.where(y > c, y - 1, y)[kept].numpy()


def areas(study: Study, method: str, config: str, c: int, out: Path) -> dict[str, float]:
    """AUROC of class c for a classifier trained without it. Raises UnhealthyError."""
    source, file = study.data(), out / f"{c}.npz"
    out.mkdir(parents=True, exist_ok=True)
    parts = {"train": (source.train_x, source.train_y), "test": (source.test_x, source.test_y)}
    arrays = {name: without(x, y, c) for name, (x, y) in parts.items()}
    np.savez(file, **{f"{name}_{kind}": array for name, pair in arrays.items() for kind, array in zip("xy", pair, strict=True)})
    folder, data = out / f"{c}-{method}", ["--data", "Arrays", "--data.root", str(out), "--data.file", file.name]
    words = ["--config", config, *data, "--labels", str(study.labels), "--interval_epochs", "50", "--method.sntg.weight", "0"]
    if command(["train", *words, *study.words, "--out", str(folder)]):
        raise UnhealthyError(f"the run in {folder} did not end")
    logits, odd = gan_sntg.load_run(folder, "cpu").logits(source.test_x), (source.test_y == c).numpy()
    return {name: float(roc_auc_score(odd, -score(logits))) for name, score in BY.items()}


def main(data: Literal["digits", "fashion"] = "digits", classes: int = 10, out: str | None = None) -> None:
    """Train what is not there yet, and write the table."""
    study = STUDIES[data]
    folder, names = Path(out or f"runs/{study.report}"), {key: name for key, name, _ in study.methods}
    found = {key: {c: areas(study, key, config, c, folder) for c in range(classes)} for key, _, config in study.methods}
    rows = [
        [names[m], *(f"{(s := summary([a[by] for a in of.values()]))['mean']:.3f} ± {s['std']:.3f}" for by in BY)]
        for m, of in found.items()
    ]
    gains = {m: difference(*({c: a["realness"] for c, a in found[of].items()} for of in (ALONE[0], m))) for m in names if m != ALONE[0]}
    said = [
        f"{names[m]} - labels alone, realness: {g['mean']:+.3f} ({g['interval'][0]:+.3f} to {g['interval'][1]:+.3f})"
        for m, g in gains.items()
    ]
    table = markdown_table(["method", "AUROC by realness", "by confidence"], rows)
    paired = f"Paired by class, 95 % interval (Student): {'; '.join(said)}"
    made = f"`python scripts/studies/unlike.py --data {data} --classes {classes}`"
    text = f"{study.title}, each of {classes} classes left out once: AUROC of its test images\n\n{table}\n\n{paired}\n\n{made}"
    write_results(study.report, {"areas": found, "differences": gains, **machine()}, text)


if __name__ == "__main__":
    run_script(main)
