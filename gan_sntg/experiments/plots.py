"""Plots: calibration, error curves, label noise and numbers, decision regions and embeddings."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import torch
from matplotlib import image
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from torch import Tensor, from_numpy

from gan_sntg.data.loader import UNLABELED
from gan_sntg.errors import InputError
from gan_sntg.evaluation.classification import BINS, Reliability
from gan_sntg.experiments.statistics import interval_of, summary
from gan_sntg.files.atomic import atomic

# Told apart with any kind of colour vision (Okabe and Ito); their yellow and black are left out, for white paper and black marks.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
TEN = tuple(matplotlib.color_sequences["tab10"])
LINES, MARKERS = ("-", (0, (6, 1.5)), (0, (6, 1.5, 1.5, 1.5)), (0, (2, 1)), "-", (0, (6, 1.5))), "osD^vP"
LEGEND = {"frameon": False, "fontsize": 12, "title_fontsize": 12, "alignment": "left"}
WIDTH = 12.0  # inches of panels, at 100 pixels an inch
PROJECTIONS = "pca", "tsne"
Curve = tuple[Tensor, Tensor]  # epochs [T], and errors in percent [S, T] of S runs (seeds) measured after them


class Regions(NamedTuple):
    """One panel of Fig. 2: points, and probabilities on a grid from -reach to reach along both sides.

    x [N, 2]; classes [N], as predicted; y [N], UNLABELED where not known; grid [G, G, K]: rows from the lowest second coordinate up.
    """

    title: str
    x: Tensor
    classes: Tensor
    y: Tensor
    grid: Tensor
    reach: float


def save_figure(path: Path, figure: Figure) -> None:
    """Write as PNG, whole or not at all."""
    with atomic(path) as file:
        figure.savefig(file, format="png", dpi=100)


def save_reliability(path: Path, table: Reliability) -> None:
    """Write as PNG, for each bin of confidence, accuracy (bars), mean confidence (dots) and examples."""
    figure = Figure(figsize=(5, 6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    left, filled = torch.arange(BINS).numpy() / BINS, (table.count > 0).numpy()
    count, confidence, accuracy = (values.numpy() for values in table)
    bars = {"align": "edge", "edgecolor": "white"}
    top.bar(left[filled], accuracy[filled], 1 / BINS, color="lightsteelblue", label="accuracy", **bars)
    top.plot([0, 1], [0, 1], "k--", linewidth=1, label="calibrated")
    top.plot(confidence, accuracy, "o", color="tab:red", markersize=4, clip_on=False, label="at the mean confidence")
    top.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
    top.set_title(f"{int(count.sum()):,} examples, ECE {table.calibration_error:.4f}")
    figure.legend(loc="outside lower center", ncols=3, fontsize="small")
    bottom.bar(left, count, 1 / BINS, color="tab:gray", **bars)
    bottom.set(xlabel="confidence", ylabel="examples")
    save_figure(path, figure)


def save_curves(path: Path, curves: dict[str, Curve], title: str = "", most: float | None = None, of: str = "test") -> None:
    """Write as PNG (Fig. 3) the mean error of each method's n runs, their range as a band.

    most: where the axis of the errors ends; by default where they do; of: whose errors. Raises InputError for too many methods.
    """
    figure, axes = plain_axes(title, xlabel="epoch", ylabel=f"{of} error, %")
    for (name, (epochs, errors)), color, _, line in styled(curves):
        x, y = epochs.numpy(), errors.double()
        axes.plot(x, y.mean(0).numpy(), linestyle=line, color=color, linewidth=2.2, label=f"{name}, n = {len(y)}")
        axes.fill_between(x, y.amin(0).numpy(), y.amax(0).numpy(), color=color, alpha=0.18, linewidth=0)
    axes.set_xlim(0, max(int(epochs.max()) for epochs, _ in curves.values()))
    axes.set_ylim(0, most)
    axes.legend(title="mean, and range over n runs", **LEGEND)
    save_figure(path, figure)


def save_signals(path: Path, signals: dict[str, dict[str, Curve]], title: str = "") -> None:
    """Write as PNG a panel for each figure of the log, a mean over each method's n runs.

    signals: {figure: {method: epochs [T] and values [S, T]}}. Raises InputError for too many methods.
    """
    columns = 3
    rows = -(-len(signals) // columns)
    figure = Figure(figsize=(WIDTH, 3.2 * rows), layout="constrained")
    figure.suptitle(title, fontsize=14)
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes in panels[len(signals) :]:
        axes.set_axis_off()
    for axes, (name, curves) in zip(panels, signals.items(), strict=False):
        for (method, (epochs, values)), color, _, line in styled(curves):
            mean, label = values.double().mean(0).numpy(), f"{method}, n = {len(values)}"
            axes.plot(epochs.numpy(), mean, linestyle=line, color=color, linewidth=2.2, label=label)
        axes.set_title(name, fontsize=12)
        axes.set_xlabel("epoch")
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False, fontsize=10)
    save_figure(path, figure)


def save_noise(path: Path, table: dict[str, dict[float, list[float]]], title: str = "", of: str = "test") -> None:
    """Write as PNG (Fig. 4) accuracy, mean ± standard deviation of n runs, against label noise.

    table: {method: {percentage: accuracies in percent of its runs}}. Raises InputError for too many methods.
    """
    figure, axes = plain_axes(title, xlabel="labels drawn at random, %", ylabel=f"{of} accuracy, %")
    for (name, row), color, marker, line in styled(table):
        percentages, counts = sorted(row), sorted({len(a) for a in row.values()})
        found = [summary(row[p]) for p in percentages]
        mean, std = [a["mean"] for a in found], [a["std"] or 0.0 for a in found]
        within = [
            [min(s, m) for s, m in zip(std, mean, strict=True)],
            [min(s, 100 - m) for s, m in zip(std, mean, strict=True)],
        ]  # 0..100 %
        style = {"color": color, "linestyle": line, "marker": marker, "markersize": 6, "linewidth": 2.2}
        axes.errorbar(percentages, mean, within, capsize=4, elinewidth=1.2, label=f"{name}, n = {' to '.join(map(str, counts))}", **style)
    axes.set_xticks(sorted({p for row in table.values() for p in row}))
    axes.set_ylim(0, 102)  # room for a marker at 100
    axes.legend(title="mean ± standard deviation of n runs", **LEGEND)
    save_figure(path, figure)


def save_labels(path: Path, table: dict[str, dict[float, list[float]]], title: str = "", of: str = "test") -> None:
    """Write as PNG the mean error of n runs against the labels per class, on a logarithmic axis.

    Bars are Student's 95 % intervals, small points the runs; methods stand 4 % apart. table: {method: {labels per class: errors in percent
    of its runs}}. Raises InputError for too many methods.
    """
    figure, axes = plain_axes(title, xlabel="labels per class (logarithmic)", ylabel=f"{of} error, %")
    axes.set_xscale("log")
    for k, ((name, row), color, marker, line) in enumerate(styled(table)):
        numbers, counts = np.array(sorted(row)), sorted({len(errors) for errors in row.values()})
        x, mean = numbers * 1.04 ** (k - (len(table) - 1) / 2), np.array([summary(row[n])["mean"] for n in numbers])
        ends = np.array([interval_of(row[n]) or [np.nan, np.nan] for n in numbers])  # of one run there is none
        style = {"color": color, "linestyle": line, "marker": marker, "markersize": 6, "linewidth": 2.2}
        axes.errorbar(
            x, mean, np.abs(ends.T - mean), capsize=4, elinewidth=1.2, label=f"{name}, n = {' to '.join(map(str, counts))}", **style
        )
        runs = np.array([(at, error) for at, n in zip(1.015 * x, numbers, strict=True) for error in row[n]])  # beside the bars
        axes.scatter(*runs.T, s=18, color=color, alpha=0.5, linewidths=0)
    axes.set_xticks(ticks := sorted({n for row in table.values() for n in row}), labels=[f"{n:g}" for n in ticks])
    axes.minorticks_off()
    axes.set_ylim(0, min(axes.get_ylim()[1], 102))
    axes.legend(title="mean and 95 % interval (Student) of n runs; each as a point", **LEGEND)
    save_figure(path, figure)


def save_pictures(path: Path, pictures: dict[str, Path]) -> None:
    """Write 1 to 4 image files side by side as PNG (Fig. 6), under their names. Raises InputError."""
    check_panels(len(pictures))
    images = [image.imread(file) for file in pictures.values()]
    width, height = sum(i.shape[1] for i in images), max(i.shape[0] for i in images)
    figure = Figure(figsize=(2 * (width + 20 * len(images)) / 100, (2 * height + 60) / 100), layout="constrained")
    every = figure.subplots(1, len(images), squeeze=False, width_ratios=[i.shape[1] for i in images])[0]
    for axes, name, pixels in zip(every, pictures, images, strict=True):
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=1 if pixels.dtype.kind == "f" else 255, interpolation="nearest")
        axes.set_title(name, fontsize=14)
        axes.set_axis_off()
    save_figure(path, figure)


def save_regions(path: Path, panels: list[Regions]) -> None:
    """Write 1 to 4 panels as PNG (Fig. 2): regions by probability, points, labelled ones as crosses.

    The ring around a cross is of the label's colour. Raises InputError for more panels or classes than can be shown.
    """
    figure, every = square_panels(len(panels), below=0.0)
    for axes, panel in zip(every, panels, strict=True):
        colors = class_colors(panel.grid.shape[2])
        fill(axes, panel, colors)
        axes.scatter(*panel.x.numpy().T, s=3, color=colors[panel.classes.numpy()], linewidths=0)
        known = panel.y != UNLABELED
        labeled, rings = panel.x[known].numpy().T, colors[panel.y[known].numpy()].tolist()
        axes.scatter(*labeled, s=120, color="white", edgecolors=rings, linewidths=2.5)
        axes.scatter(*labeled, s=40, color="black", marker="x", linewidths=2.2)
        axes.set_title(panel.title, fontsize=14)
    save_figure(path, figure)


def fill(axes: Axes, panel: Regions, colors: np.ndarray) -> None:
    """Paint the pale mixture of class colours, and a line where the likeliest class changes."""
    p, sides = panel.grid.double().numpy(), (-panel.reach, panel.reach)
    ticks = np.linspace(*sides, len(p))
    axes.pcolormesh(ticks, ticks, 1 - 0.3 * (1 - p @ colors), shading="nearest", rasterized=True)
    for k in range(p.shape[2]):
        lead = p[..., k] - np.delete(p, k, 2).max(2)
        if lead.min() < 0 < lead.max():
            axes.contour(ticks, ticks, lead, [0.0], colors="0.35", linewidths=1)
    axes.set(xlim=sides, ylim=sides)


def save_embedding(path: Path, panels: list[tuple[str, Tensor]], y: Tensor, names: list[str]) -> None:
    """Write 1 to 4 panels as PNG (Fig. 5), each a title and points [N, 2].

    y [N]: classes of the points, by colours that the legend gives names [K].
    Raises InputError for more panels or classes than can be shown.
    """
    colors = class_colors(len(names))
    figure, every = square_panels(len(panels), below=0.3)
    for axes, (title, x) in zip(every, panels, strict=True):
        axes.scatter(*x.numpy().T, s=6, color=colors[y.numpy()], linewidths=0, alpha=0.8)
        axes.set_title(title, fontsize=14)
    marks = [Line2D([], [], marker="o", linestyle="", color=color, label=name) for color, name in zip(colors, names, strict=True)]
    figure.legend(handles=marks, loc="outside lower center", ncols=len(names), frameon=False, fontsize=12, handletextpad=0.1)
    save_figure(path, figure)


def plain_axes(title: str, xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    """One plot of 800 x 500 pixels with faint horizontal lines and no frame but its two axes."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    axes.grid(axis="y", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, loc="left", fontsize=14)
    axes.set_xlabel(xlabel, fontsize=13)
    axes.set_ylabel(ylabel, fontsize=13)
    axes.tick_params(labelsize=12)
    return figure, axes


def styled(methods: dict) -> Iterator[tuple]:
    """((name, values), colour, marker, line) of each method. Raises InputError for too many."""
    if not 1 <= len(methods) <= len(COLORS):
        raise InputError(f"{len(methods)} methods cannot be told apart in one figure; give 1 to {len(COLORS)}")
    return zip(methods.items(), COLORS, MARKERS, LINES, strict=False)


def square_panels(n: int, below: float) -> tuple[Figure, list[Axes]]:
    """n square panels without ticks, side by side; below: inches for a legend."""
    check_panels(n)
    size = WIDTH / max(n, 2)
    figure = Figure(figsize=(n * size, size + 0.36 + below), layout=ConstrainedLayoutEngine(h_pad=0.08))
    every = figure.subplots(1, n, squeeze=False)[0].tolist()
    for axes in every:
        axes.set(xticks=[], yticks=[], box_aspect=1)
        axes.spines[:].set_color("0.7")
    return figure, every


def check_panels(n: int) -> None:
    """Raise InputError unless so many fit side by side."""
    if not 1 <= n <= 4:
        raise InputError(f"{n} panels do not fit side by side; give 1 to 4")


def class_colors(k: int) -> np.ndarray:
    """RGB [K, 3]: `COLORS` where they are enough, else matplotlib's ten. Raises InputError for more."""
    if k > len(TEN):
        raise InputError(f"{k} classes cannot be told apart by colour; a figure shows at most {len(TEN)}")
    return np.array([to_rgb(color) for color in (COLORS if k <= len(COLORS) else TEN)[:k]])


def project(h: Tensor, how: str) -> Tensor:
    """Features h [N, D] -> [N, 2] by `pca`, or `tsne` (seed 0, started from the PCA).

    Raises InputError for another way, or too few examples or features.
    """
    from sklearn import decomposition, manifold  # noqa: PLC0415  a fifth of a command's start

    if how not in PROJECTIONS:
        raise InputError(f"{how!r} is no projection; give one of {', '.join(PROJECTIONS)}")
    if len(h) < 3 or h.shape[1] < 2:
        raise InputError(f"{len(h)} examples of {h.shape[1]} features have no projection to two dimensions; give at least 3 of at least 2")
    if how == "pca":
        projection = decomposition.PCA(2, svd_solver="full")
    else:
        projection = manifold.TSNE(2, perplexity=min(30, (len(h) - 1) / 3), init="pca", random_state=0)
    return from_numpy(projection.fit_transform(h.double().numpy()))
