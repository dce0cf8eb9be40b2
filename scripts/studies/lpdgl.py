"""LPDGL: labels by the deformed Laplacian of a pixel graph, in closed form (Gong et al. 2015).

python scripts/studies/lpdgl.py                  digits, 20 labels, and MNIST with 20, 50 and 100 -> results/lpdgl.json, .md
python scripts/studies/lpdgl.py --mnist false    digits alone, in seconds

F = (J + beta L + gamma (I - D / v))^-1 Y over all training and test images, by conjugate gradients: J is 1 at labels, L = D - W, and
v = sum_i D_ii, so that nodes of low degree shrink more. Transductive: test images are nodes, whose labels nothing sees. No code of the
authors was found. Assumed: W_ij = exp(-|x_i - x_j|^2 / (2 sigma^2)) if i or j is among the other's k nearest in pixels, sigma the mean
distance of neighbours; beta, gamma and k, of GRID, have the least validation error at seeds 100 to 102. Splits are those of `gan-sntg`.
"""

import resource
import time
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import LinearOperator, cg

from gan_sntg.data import MNIST, Digits
from gan_sntg.data.dataset import Dataset
from gan_sntg.data.splits import make_split
from gan_sntg.errors import UnhealthyError
from gan_sntg.experiments.report import markdown_table, with_deviation
from gan_sntg.experiments.scripts import machine, run_script, write_results
from gan_sntg.experiments.statistics import summary
from gan_sntg.graph.neighbors import BLOCK, nearest


class Options(NamedTuple):
    """Weights of both parts and number of neighbours, of which no source has a value."""

    beta: float
    gamma: float
    k: int


GRID = [Options(*of) for of in product((0.1, 1.0), (0.01, 0.1), (5, 10))]
CELLS = {"digits_20": (Digits, 20, 10), **{f"mnist_{n}": (MNIST, n, 3) for n in (20, 50, 100)}}  # data, labels, seeds
SEARCHED, TOLERANCE = range(100, 103), 1e-7


@cache
def neighbors(kind: type[Dataset]) -> tuple[Dataset, np.ndarray, np.ndarray]:
    """The data, and neighbours int32 and distances float32 [N, k] of all training and test images."""
    source, k = kind(), max(options.k for options in GRID)
    x = torch.cat([source.train_x, source.test_x])
    found, pixels = torch.cat(list(nearest(x, k))), x.flatten(1).float() / 255
    parts = zip(pixels.split(BLOCK // k), found.split(BLOCK // k), strict=True)
    return source, found.numpy(), torch.cat([(own.unsqueeze(1) - pixels[others]).norm(dim=2) for own, others in parts]).numpy()


def graph(near: np.ndarray, distances: np.ndarray) -> csr_array:
    """W [N, N], symmetric, of neighbours and distances [N, k]."""
    w = np.exp(-(distances.astype(np.float64) ** 2) / (2 * float(distances.mean()) ** 2))
    w = csr_array((w.ravel(), (np.arange(len(near)).repeat(near.shape[1]), near.ravel())), (len(near),) * 2)
    return w.maximum(w.T)


def deformed(w: csr_array, beta: float, gamma: float) -> csr_array:
    """beta L + gamma (I - D / v)."""
    d = w.sum(1)
    return (beta * (diags_array(d) - w) + gamma * diags_array(1 - d / d.sum())).tocsr()


def predictions(w: csr_array, y: np.ndarray, classes: int, beta: float, gamma: float) -> np.ndarray:
    """F [N, K] of labels y [N], negative where hidden. Raises UnhealthyError without convergence."""
    target = np.eye(classes)[y] * (y >= 0)[:, None]
    system = (deformed(w, beta, gamma) + diags_array((y >= 0).astype(float))).tocsr()
    columns = LinearOperator((target.size,) * 2, lambda f: (system @ f.reshape(target.shape)).ravel())
    found, failed = cg(columns, target.ravel(), rtol=TOLERANCE, maxiter=10_000)
    if failed:
        raise UnhealthyError(f"conjugate gradients did not converge in {failed} steps at beta {beta:g}, gamma {gamma:g}")
    return found.reshape(target.shape)


def errors(cell: str, options: Options, seed: int, validation: bool) -> dict[str, float]:
    """Errors (%) of validation images; without those, of unlabelled training images and test images."""
    kind, labels, _ = CELLS[cell]
    source, near, distances = neighbors(kind)
    n, split = source.num_examples, make_split(source, labels, seed, validation)
    y = np.concatenate([split.known(source).numpy(), np.full(len(source.test_y), -1)])
    w = graph(near[:, : options.k], distances[:, : options.k])
    classes = predictions(w, y, source.num_classes, options.beta, options.gamma).argmax(1)
    wrong = classes != torch.cat([source.train_y, source.test_y]).numpy()
    places = {"validation": split.validation} if validation else {"unlabeled": np.flatnonzero(y[:n] < 0), "test": np.arange(n, len(y))}
    return {name: float(100 * wrong[place].mean()) for name, place in places.items()}


def measured(cell: str) -> dict:
    """All trials, the options of the least validation error, and what they give at each seed."""
    trials = [(options, [errors(cell, options, seed, True)["validation"] for seed in SEARCHED]) for options in GRID]
    chosen, found = min(trials, key=lambda trial: sum(trial[1]))
    rows = [errors(cell, chosen, seed, False) for seed in range(CELLS[cell][2])]
    values = {"validation": found} | {name: [row[name] for row in rows] for name in rows[0]}
    out = {"chosen": chosen._asdict(), "errors": {name: {"values": v} | summary(v) for name, v in values.items()}}
    return out | {"trials": [options._asdict() | {"errors": of} for options, of in trials]}


def table(cells: dict[str, dict]) -> str:
    """A row for each cell."""
    head = ["cell", *Options._fields, "seeds", "validation error, %", "unlabelled training images, %", "test images, %"]
    rows = [
        [cell, *map(str, of["chosen"].values()), str(CELLS[cell][2]), *map(with_deviation, of["errors"].values())]
        for cell, of in cells.items()
    ]
    return markdown_table(head, rows)


def main(mnist: bool = True) -> None:
    """Measure every cell, or that of digits alone, and write both files."""
    torch.set_num_threads(1)
    cells = {cell: measured(cell) for cell, (kind, *_) in CELLS.items() if mnist or kind is Digits}
    out = {"command": f"python scripts/studies/lpdgl.py{'' if mnist else ' --mnist false'}"} | machine() | {"cells": cells}
    spent = {"cpu_seconds": time.process_time(), "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    write_results("lpdgl", out | spent, table(cells))


if __name__ == "__main__":
    run_script(main)
