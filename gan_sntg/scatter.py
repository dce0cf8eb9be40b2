"""How do figures look whose examples are points of the plane: decision regions, and features projected to two dimensions?"""

from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from torch import Tensor, from_numpy

from gan_sntg.core.errors import InputError
from gan_sntg.figures import COLORS, save_figure

WIDTH = 12.0  # inches, at 100 pixels an inch
TEN = tuple(matplotlib.color_sequences["tab10"])


class Regions(NamedTuple):
    """One panel of Fig. 2: points x [N, 2] with their classes [N], labelled points [L, 2] with theirs [L], and probabilities on a grid.

    grid [G, G, K]: rows from the lowest second coordinate up, over extent = (left, right, bottom, top).
    """

    title: str
    x: Tensor
    classes: Tensor
    labeled: Tensor
    labeled_classes: Tensor
    grid: Tensor
    extent: tuple[float, float, float, float]


class Embedding(NamedTuple):
    """One panel of Fig. 5: points x [N, 2] and their classes [N]."""

    title: str
    x: Tensor
    classes: Tensor


def save_regions(path: Path, panels: list[Regions]) -> None:
    """Write 1 to 4 panels as PNG (Fig. 2): regions by probability, their borders, the points, and labelled points as black crosses.

    The ring around a cross is of the label's colour. Raises InputError for more panels or classes than can be shown.
    """
    figure, every = _row(len(panels), below=0.0)
    for axes, panel in zip(every, panels, strict=True):
        colors = _colors(panel.grid.shape[2])
        _fill(axes, panel, colors)
        axes.scatter(*panel.x.numpy().T, s=3, color=colors[panel.classes.numpy()], linewidths=0)
        axes.scatter(*panel.labeled.numpy().T, s=120, color="white", edgecolors=colors[panel.labeled_classes.numpy()], linewidths=2.5)
        axes.scatter(*panel.labeled.numpy().T, s=40, color="black", marker="x", linewidths=2.2)
        axes.set_title(panel.title, fontsize=14)
    save_figure(path, figure)


def _fill(axes: Axes, panel: Regions, colors: np.ndarray) -> None:
    """Each place in the mixture of the class colours, pale, and a line where the likeliest class changes."""
    p, (left, right, bottom, top) = panel.grid.double().numpy(), panel.extent
    x, y = np.linspace(left, right, p.shape[1]), np.linspace(bottom, top, p.shape[0])
    axes.pcolormesh(x, y, 1 - 0.3 * (1 - p @ colors), shading="nearest", rasterized=True)
    for k in range(p.shape[2]):
        lead = p[..., k] - np.delete(p, k, 2).max(2)
        if lead.min() < 0 < lead.max():
            axes.contour(x, y, lead, [0.0], colors="0.35", linewidths=1)
    axes.set(xlim=(left, right), ylim=(bottom, top))


def save_embedding(path: Path, panels: list[Embedding], names: list[str]) -> None:
    """Write 1 to 4 panels as PNG (Fig. 5), each class in its colour, with a legend of the class names [K].

    Raises InputError for more panels or classes than can be shown.
    """
    colors = _colors(len(names))
    figure, every = _row(len(panels), below=0.3)
    for axes, panel in zip(every, panels, strict=True):
        axes.scatter(*panel.x.numpy().T, s=6, color=colors[panel.classes.numpy()], linewidths=0, alpha=0.8)
        axes.set_title(panel.title, fontsize=14)
    marks = [Line2D([], [], marker="o", linestyle="", color=color, label=name) for color, name in zip(colors, names, strict=True)]
    figure.legend(handles=marks, loc="outside lower center", ncols=len(names), frameon=False, fontsize=12, handletextpad=0.1)
    save_figure(path, figure)


def _row(n: int, below: float) -> tuple[Figure, list[Axes]]:
    """n square panels without ticks, side by side; below: inches for a legend."""
    if not 1 <= n <= 4:
        raise InputError(f"{n} panels do not fit side by side; give 1 to 4")
    size = WIDTH / max(n, 2)
    figure = Figure(figsize=(n * size, size + 0.36 + below), layout=ConstrainedLayoutEngine(h_pad=0.08))
    every = figure.subplots(1, n, squeeze=False)[0].tolist()
    for axes in every:
        axes.set(xticks=[], yticks=[], box_aspect=1)
        axes.spines[:].set_color("0.7")
    return figure, every


def _colors(k: int) -> np.ndarray:
    """RGB [K, 3]: those of `COLORS` where they are enough, else matplotlib's ten. Raises InputError for more than ten classes."""
    if k > len(TEN):
        raise InputError(f"{k} classes cannot be told apart by colour; a figure shows at most {len(TEN)}")
    return np.array([to_rgb(color) for color in (COLORS if k <= len(COLORS) else TEN)[:k]])


def _pca(h: np.ndarray) -> np.ndarray:
    return PCA(2, svd_solver="full").fit_transform(h)


def _tsne(h: np.ndarray) -> np.ndarray:
    return TSNE(2, perplexity=min(30, (len(h) - 1) / 3), init="pca", random_state=0).fit_transform(h)


PROJECTIONS = {"pca": _pca, "tsne": _tsne}


def project(h: Tensor, how: str) -> Tensor:
    """Features h [N, D] on two dimensions -> [N, 2]: `pca`, or `tsne` (seed 0, started from the PCA), the same each time.

    Raises InputError for another way, or too few examples or features.
    """
    if how not in PROJECTIONS:
        raise InputError(f"{how!r} is no projection; give one of {', '.join(PROJECTIONS)}")
    if len(h) < 3 or h.shape[1] < 2:
        raise InputError(f"{len(h)} examples of {h.shape[1]} features have no projection to two dimensions; give at least 3 of at least 2")
    return from_numpy(PROJECTIONS[how](h.double().numpy()))
