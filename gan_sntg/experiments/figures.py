"""Figures 2 to 6 of the paper, drawn from a grid's finished runs."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from gan_sntg.data.synthetic import Plane
from gan_sntg.errors import InputError
from gan_sntg.evaluation.classification import logits_of, outputs_of
from gan_sntg.experiments.grid import Grid
from gan_sntg.experiments.plots import (
    Curve,
    Embedding,
    Regions,
    project,
    save_curves,
    save_embedding,
    save_noise,
    save_pictures,
    save_regions,
)
from gan_sntg.experiments.results import CellResult
from gan_sntg.experiments.search import finished, title
from gan_sntg.runs.build import RunObjects
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.loading import class_names, load

SIDE = 300  # places along each side of the plane's grid
ERROR = "test_error/averaged"
Runs = dict[str, list[CellResult]]


def picture(grid: Grid, runs: Runs, path: Path) -> list[Path]:
    """Draw <path>.png, or one for each column where a picture shows one; what is not there yet is left out. Returns the files.

    Raises InputError where the grid's `figure` is none of the kinds.
    """
    options = dict(grid.figure)
    kind = options.pop("kind", None)
    if kind not in KINDS:
        raise InputError(f"the grid {grid.name} ends in a figure of kind {kind!r}; the kinds are {', '.join(KINDS)}")
    return KINDS[kind](grid, runs, path, **options)


def by_column(grid: Grid, runs: Runs) -> dict[str, dict[str, list[CellResult]]]:
    """{column: {row: runs}} by the keys of columns and the names of rows."""
    out: dict[str, dict[str, list[CellResult]]] = {}
    for row, column in grid.pairs():
        if found := runs.get(f"{column.key}/{row.key}"):
            out.setdefault(column.key, {})[row.name] = found
    return out


def draw_regions(grid: Grid, runs: Runs, path: Path, rows: list[str]) -> list[Path]:
    """Fig. 2: of the rows of these keys, the run of the first seed at each column."""
    names = [f"{column}/{row}" for column in grid.columns for row in rows]
    panels = [regions(runs[name][0].folder) for name in names if name in runs]
    save_regions(file := path.with_name(f"{path.name}.png"), panels)
    return [file]


def regions(run: Path) -> Regions:
    """One panel of Fig. 2. Raises InputError where the run is not finished or not on points of the plane."""
    parts, _ = load(str(finished(str(run)).path), "cpu")
    if not isinstance(parts.source, Plane):
        raise InputError(f"{run} was trained on {parts.source.name}, not on points of the plane; give a run on two moons or four spins")
    pool, net = parts.streams.pool, parts.method.classifiers["averaged"]
    most = 1.05 * float(pool.x.abs().max())
    ticks = torch.linspace(-most, most, SIDE)
    places = torch.cartesian_prod(ticks, ticks).flip(1)  # rows of one second coordinate
    grid = logits_of(net, places, parts.normalization).softmax(1).view(SIDE, SIDE, -1)
    classes = logits_of(net, pool.x, parts.normalization).argmax(1)
    known = pool.labeled
    return Regions(title(parts.method), pool.x, classes, pool.x[known], pool.y[known], grid, (-most, most, -most, most))


def draw_curves(grid: Grid, runs: Runs, path: Path, most: float | None = None) -> list[Path]:
    """Fig. 3: at each column, the mean error of every row against the epoch."""
    files = []
    for column, rows in by_column(grid, runs).items():
        curves = {name: curve(name, [str(run.folder) for run in found]) for name, found in rows.items()}
        files.append(path.with_name(f"{path.name}_{column}.png"))
        save_curves(files[-1], curves, grid.columns[column].name, most)
    return files


def curve(name: str, runs: list[str]) -> Curve:
    """Raises InputError where a run is not finished or was measured after other epochs than the first."""
    rows = [[(row["epoch"], row.get(ERROR)) for row in finished(run).rows()] for run in runs]
    epochs = [epoch for epoch, _ in rows[0]]
    for run, found in zip(runs, rows, strict=True):
        if not found or [epoch for epoch, _ in found] != epochs:
            raise InputError(f"{run} was not measured after the same epochs as {runs[0]}; give {name} runs of one length and interval")
        if any(error is None for _, error in found):
            raise InputError(f"{run} has rows without {ERROR} in its metrics.jsonl; train it again")
    return Curve(torch.tensor(epochs), torch.tensor([[error for _, error in found] for found in rows], dtype=torch.float64))


def draw_noise(grid: Grid, runs: Runs, path: Path, shares: dict[str, float]) -> list[Path]:
    """Fig. 4: accuracy of every row against the percentage of wrong labels, which `shares` has for each column."""
    table: dict[str, dict[float, list[float]]] = {}
    for column, rows in by_column(grid, runs).items():
        for name, found in rows.items():
            table.setdefault(name, {})[shares[column]] = [100 - run.errors["averaged"] for run in found]
    save_noise(file := path.with_name(f"{path.name}.png"), table, grid.of or grid.title)
    return [file]


def draw_embedding(grid: Grid, runs: Runs, path: Path, how: dict[str, str], n: int = 2000) -> list[Path]:
    """Fig. 5: at each column a panel a row, of the first seed; `how` has the projection for each column."""
    files = []
    for column, rows in by_column(grid, runs).items():
        loaded = [load(str(found[0].folder), "auto")[0] for found in rows.values()]
        index = chosen(loaded[0], n)
        panels = [
            Embedding(name, project(features(parts, index), how[column]), parts.source.test_y[index])
            for name, parts in zip(rows, loaded, strict=True)
        ]
        files.append(path.with_name(f"{path.name}_{column}.png"))
        save_embedding(files[-1], panels, class_names(loaded[0].source))
    return files


def chosen(parts: RunObjects, n: int) -> Tensor:
    """Indices [n] of test examples, all where there are fewer; the same for every run on the same data. Raises InputError for n < 3."""
    if n < 3:
        raise InputError(f"--n {n}: give at least 3 test examples")
    return torch.randperm(len(parts.source.test_y), generator=torch.Generator().manual_seed(0))[:n]


def features(parts: RunObjects, index: Tensor) -> Tensor:
    """h [n, D] of the averaged classifier, on the CPU."""
    x = parts.source.test_x[index].to(parts.device)
    return outputs_of(parts.method.classifiers["averaged"], x, parts.normalization)[0].cpu()


def draw_samples(grid: Grid, runs: Runs, path: Path) -> list[Path]:
    """Fig. 6: at each column, side by side, the last grid of samples of every row's first seed."""
    files = []
    for column, rows in by_column(grid, runs).items():
        last = {name: sorted(RunFolder(found[0].folder).samples.glob("epoch_*.png")) for name, found in rows.items()}
        files.append(path.with_name(f"{path.name}_{column}.png"))
        save_pictures(files[-1], {name: grids[-1] for name, grids in last.items() if grids})
    return files


KINDS: dict[str, Callable[..., list[Path]]] = {
    "regions": draw_regions,
    "curves": draw_curves,
    "noise": draw_noise,
    "embedding": draw_embedding,
    "samples": draw_samples,
}
