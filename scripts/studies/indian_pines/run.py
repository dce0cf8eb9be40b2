"""Indian Pines: 16 crops by 200 bands of 16 bits, 10 labels of each, blocks of the field as groups.

pip install --no-deps tensorly    (its wheel holds the picture)
python scripts/studies/indian_pines/run.py FOLDER    -> FOLDER/indian_pines.npz, runs/indian_pines/, results/indian_pines.json, .md

An example is the 9 x 9 patch around a labelled pixel, within the pixel's 5 x 5 block of the field, mirrored at the block's border: no
pixel is seen on two sides. A fifth of the blocks, of each class, is tested on (`hold_out_groups`). Logistic regression is of the patch's
mean spectrum, standardised over the training patches, on the very labels of each run; its C has the least error in five-fold
cross-validation on these labels. Balanced accuracy of the averaged weights, in percent; differences are paired by the draw of labels.
"""

import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import repeat
from pathlib import Path

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler

from gan_sntg.data.arrays import Arrays, hold_out_groups
from gan_sntg.data.splits import make_split
from gan_sntg.errors import InputError, UnhealthyError
from gan_sntg.experiments.report import markdown_table
from gan_sntg.experiments.scripts import machine, run_script, write_results
from gan_sntg.experiments.statistics import difference, summary
from gan_sntg.runs.folder import RunFolder

HERE = Path(__file__).parent
BLOCK, REACH = 5, 4  # sides of a block of the field; pixels of a patch on each side of its own
LABELS, FILE = 160, "indian_pines.npz"
ALONE = "labels alone"
METHODS = {  # configuration, and words that set it apart
    ALONE: ("supervised", ()),
    "Pi": ("pi_model", ("--method.sntg.weight", "0")),
    "Pi + SNTG": ("pi_model", ()),
    "FM-GAN": ("fm_gan", ("--method.sntg.weight", "0")),
    "FM-GAN + SNTG": ("fm_gan", ()),
}
REGRESSION = "logistic regression"


def patches() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Patches uint16 [N, 200, 9, 9], classes and blocks [N]. Raises InputError without tensorly."""
    if (found := find_spec("tensorly")) is None or found.origin is None:
        raise InputError("Indian Pines is in the wheel of tensorly, which is not installed; pip install --no-deps tensorly")
    folder = Path(found.origin).parent / "datasets" / "data"
    field, crops = np.load(folder / "Indian_pines_corrected.npy"), np.load(folder / "Indian_pines_gt.npy")
    columns = -(-field.shape[1] // BLOCK)
    x, y, groups = [], [], []
    for row, column in zip(*np.nonzero(crops), strict=True):
        top, left = row - row % BLOCK, column - column % BLOCK
        block = field[top : top + BLOCK, left : left + BLOCK].transpose(2, 0, 1)
        block = np.pad(block, ((0, 0), (REACH, REACH), (REACH, REACH)), "symmetric")
        x.append(block[:, row - top : row - top + 2 * REACH + 1, column - left : column - left + 2 * REACH + 1])
        y.append(int(crops[row, column]) - 1)
        groups.append(int(row // BLOCK * columns + column // BLOCK))
    return np.stack(x), np.array(y), np.array(groups)


def regression(source: Arrays, seed: int) -> float:
    """Balanced accuracy of the logistic regression on the labels of a draw."""
    train, test = (x.double().mean((2, 3)).numpy() for x in (source.train_x.to(torch.float32), source.test_x.to(torch.float32)))
    labeled = make_split(source, LABELS, seed, validation=False).labeled
    scaler = StandardScaler().fit(train)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        fit = LogisticRegressionCV(
            Cs=np.logspace(-3, 3, 7), cv=5, max_iter=1000, use_legacy_attributes=False, l1_ratios=(0,), scoring="accuracy"
        ).fit(scaler.transform(train[labeled]), source.train_y[labeled])
    return 100 * float(balanced_accuracy_score(source.test_y, fit.predict(scaler.transform(test))))


def accuracy(folder: str, name: str, seed: int, out: Path) -> float:
    """Balanced accuracy of a run, which is trained unless it is there. Raises UnhealthyError."""
    config, words = METHODS[name]
    data = ("--data.root", folder, "--data_seed", str(seed), "--seed", str(seed), "--metric", "balanced_error", "--out", str(out))
    if subprocess.run([sys.executable, "-m", "gan_sntg", "train", "--config", str(HERE / f"{config}.yaml"), *data, *words]).returncode:
        raise UnhealthyError(f"the run in {out} did not end")
    return 100 - RunFolder(out).read_result()["test_balanced_error_averaged"]


def main(folder: str, seeds: int = 5, processes: int = 1, out: str = "runs/indian_pines") -> None:
    """Make the data, train what is not there yet, and write the table."""
    if not (file := Path(folder, FILE)).exists():
        Path(folder).mkdir(parents=True, exist_ok=True)
        np.savez(file, **hold_out_groups(*patches()))
    source = Arrays(file=FILE, root=folder, range="fit")
    found = {REGRESSION: {seed: regression(source, seed) for seed in range(seeds)}}
    with ThreadPoolExecutor(processes) as pool:
        every = [(name, seed) for seed in range(seeds) for name in METHODS]
        places = [Path(out, f"{name.replace(' ', '_')}-{seed}") for name, seed in every]
        values = pool.map(accuracy, repeat(folder), *zip(*every, strict=True), places)
        for (name, seed), value in zip(every, values, strict=True):
            found.setdefault(name, {})[seed] = value

    def against(other: str, name: str) -> str:
        if other not in found or other == name:
            return ""
        apart = difference(found[other], found[name])
        low, high = apart["interval"] or (float("nan"),) * 2
        return f"{apart['mean']:+.2f} ({low:+.2f} to {high:+.2f})"

    rows = []
    for name, values in found.items():
        own = summary([*values.values()])
        rows.append(
            [name, f"{own['mean']:.2f} ± {own['std'] or 0:.2f}", against(REGRESSION, name), against(name.removesuffix(" + SNTG"), name)]
        )
    table = markdown_table(["method", "balanced accuracy, %", "less the regression's", "less that without SNTG"], rows)
    sizes = f"{len(source.train_y):,} patches to train on, {len(source.test_y):,} to test on, {LABELS} labels, {seeds} draws"
    made = "Intervals: Student, 95 %.\n\n`python scripts/studies/indian_pines/run.py FOLDER`"
    text = f"Indian Pines, 16 crops, 200 bands: {sizes}\n\n{table}\n\n{made}"
    write_results("indian_pines", {"accuracy": found, **machine()}, text)


if __name__ == "__main__":
    run_script(main)
