"""Figures 2 to 6 of the paper, and of signals and labels, drawn from a grid's finished runs."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from gan_sntg.data.synthetic import Plane
from gan_sntg.errors import InputError
from gan_sntg.evaluation.classification import logits_of, outputs_of
from gan_sntg.experiments import plots
from gan_sntg.experiments.grid import Grid
from gan_sntg.experiments.plan import Plan
from gan_sntg.experiments.plots import Curve, Regions, project
from gan_sntg.experiments.results import HELD_OUT, CellResult, Results, compared
from gan_sntg.runs.build import RunObjects, class_names, load
from gan_sntg.runs.folder import RunFolder
from gan_sntg.training.method import Method

SIDE = 300  # places along each side of the plane's grid
ERRORS = {"averaged": "test", HELD_OUT: "validation"}  # whose error is shown, by the kind that is compared
OF_ERRORS = "curves", "signals", "noise", "labels"  # kinds of figure that show it
SIGNALS = {
    "graph/precision": "precision of W",
    "graph/recall": "recall of W",
    "graph/least_share": "least share of a class over its prior",
    "graph/distance_positive": "distance of positive pairs",
    "g/matching": "feature matching, G's signal",
}
PAPER_NAMES = {"PiModel": "Pi", "TemporalEnsembling": "TempEns", "MeanTeacher": "MT", "FeatureMatchingGAN": "FM-GAN"}
OF_ALL = "regions", "noise", "labels"  # kinds of figure that show all columns at once
Columns = dict[str, dict[str, list[CellResult]]]  # runs by the column's key and the row's name


def draw(plan: Plan, results: Results) -> list[Path]:
    """Draw <report>.png, or one for each column, of what is finished; return the files."""
    options, columns, scale = dict(plan.grid.figure), {}, plan.options.scale
    grid = replace(plan.grid, title=f"{plan.grid.title}, scale {scale:g}") if scale != 1 else plan.grid
    for runs in results.values():
        columns.setdefault(runs[0].cell.column.key, {})[runs[0].cell.row.name] = runs
    kind = options.pop("kind")
    if kind in OF_ERRORS:
        options["error"] = compared(results, plan.options.test_errors)
    parts = {"": columns} if kind in OF_ALL else {f"_{key}": {key: rows} for key, rows in columns.items()}
    files = [plan.report.with_name(f"{plan.report.name}{end}.png") for end in parts]
    for file, part in zip(files, parts.values(), strict=True):
        DRAWN[kind](file, grid, part, **options)
    return files


def draw_regions(file: Path, grid: Grid, columns: Columns, rows: list[str]) -> None:
    """Fig. 2: of the rows of these keys, the run of the first seed at each column."""
    chosen = [runs[0].cell for found in columns.values() for key in rows for runs in found.values() if runs[0].cell.row.key == key]
    plots.save_regions(file, [regions(cell.folder) for cell in chosen])


def regions(run: Path) -> Regions:
    """One panel of Fig. 2. Raises InputError where the run is not finished or not on points of the plane."""
    parts, _ = load(str(finished(run).path), "cpu")
    if not isinstance(parts.source, Plane):
        raise InputError(f"{run} was trained on {parts.source.name}, not on points of the plane; give a run on two moons or four spins")
    pool, net = parts.streams.pool, parts.method.classifiers["averaged"]
    reach = 1.05 * float(pool.x.abs().max())
    ticks = torch.linspace(-reach, reach, SIDE)
    places = torch.cartesian_prod(ticks, ticks).flip(1)  # rows of one second coordinate
    grid = logits_of(net, places, parts.normalization).softmax(1).view(SIDE, SIDE, -1)
    classes = logits_of(net, pool.x, parts.normalization).argmax(1)
    return Regions(title(parts.method), pool.x, classes, pool.y, grid, reach)


def title(method: Method) -> str:
    """A method's name as in the paper, and the weight of SNTG where it has any."""
    name, sntg = type(method).__name__, getattr(method, "sntg", None)
    return PAPER_NAMES.get(name, name) + (f" + SNTG ({sntg.weight:g})" if sntg and sntg.weight else "")


def finished(run: Path) -> RunFolder:
    """The folder of a finished run. Raises InputError: a figure of half a run would mislead."""
    folder = RunFolder(run)
    if not folder.finished:
        raise InputError(f"{run} is not the folder of a finished run (no result.json in it); train it to the end first")
    return folder


def draw_curves(file: Path, grid: Grid, columns: Columns, error: str, most: float | None = None) -> None:
    """Fig. 3: the mean error of every row against the epoch."""
    ((key, rows),) = columns.items()
    curves = {name: curve(name, [run.cell.folder for run in runs], f"{ERRORS[error]}_error/averaged") for name, runs in rows.items()}
    plots.save_curves(file, curves, grid.columns[key].name, most, ERRORS[error])


def draw_signals(file: Path, grid: Grid, columns: Columns, error: str) -> None:
    """What SNTG does to features, and errors, of every row against the epoch.

    Signals that no run has are left out.
    """
    ((key, rows),) = columns.items()
    folders = {name: [run.cell.folder for run in runs] for name, runs in rows.items()}
    logged = set().union(*(row for runs in folders.values() for run in runs for row in RunFolder(run).rows()))
    names = {f"{ERRORS[error]}_error/averaged": f"{ERRORS[error]} error, %"} | {k: v for k, v in SIGNALS.items() if k in logged}
    signals = {title: {row: curve(row, runs, name, gaps=True) for row, runs in folders.items()} for name, title in names.items()}
    plots.save_signals(file, signals, grid.columns[key].name)


def curve(name: str, runs: list[Path], figure: str = "test_error/averaged", gaps: bool = False) -> Curve:
    """A figure of the log of finished runs, measured after the same epochs. Raises InputError.

    gaps: whether it may be missing after some, and is NaN there.
    """
    missing = float("nan") if gaps else None
    rows = [[(row["epoch"], missing if row.get(figure) is None else row[figure]) for row in finished(run).rows()] for run in runs]
    epochs = [epoch for epoch, _ in rows[0]]
    for run, found in zip(runs, rows, strict=True):
        if not found or [epoch for epoch, _ in found] != epochs:
            raise InputError(f"{run} was not measured after the same epochs as {runs[0]}; give {name} runs of one length and interval")
        if any(error is None for _, error in found):
            raise InputError(f"{run} has rows without {figure} in its metrics.jsonl; train it again")
    return torch.tensor(epochs), torch.tensor([[error for _, error in found] for found in rows], dtype=torch.float64)


def draw_noise(file: Path, grid: Grid, columns: Columns, error: str, shares: dict[str, float]) -> None:
    """Fig. 4: accuracy of every row against the percentage of wrong labels, in `shares` by column."""
    table = errors_at(shares, columns, error)
    accuracies = {name: {share: [100 - e for e in errors] for share, errors in row.items()} for name, row in table.items()}
    plots.save_noise(file, accuracies, grid.of or grid.title, ERRORS[error])


def draw_labels(file: Path, grid: Grid, columns: Columns, error: str, per_class: dict[str, float]) -> None:
    """The mean error of every row against the number of labels of each class, in `per_class` by column."""
    plots.save_labels(file, errors_at(per_class, columns, error), grid.of or grid.title, ERRORS[error])


def errors_at(numbers: dict[str, float], columns: Columns, error: str) -> dict[str, dict[float, list[float]]]:
    """Errors of the runs of every row, by the number of their column."""
    table: dict[str, dict[float, list[float]]] = {}
    for column, rows in columns.items():
        for name, runs in rows.items():
            table.setdefault(name, {})[numbers[column]] = [run.errors[error] for run in runs]
    return table


def draw_embedding(file: Path, grid: Grid, columns: Columns, how: dict[str, str], n: int = 2000) -> None:
    """Fig. 5: a panel a row, of the first seed; `how` has the projection for each column."""
    ((key, rows),) = columns.items()
    loaded = [load(str(runs[0].cell.folder), "auto")[0] for runs in rows.values()]
    index, every = features(loaded, n)
    panels = [(name, project(h, how[key])) for name, h in zip(rows, every, strict=True)]
    plots.save_embedding(file, panels, loaded[0].source.test_y[index], class_names(loaded[0].source))


def features(loaded: list[RunObjects], n: int) -> tuple[Tensor, list[Tensor]]:
    """Indices [n] of the same test examples of every run, at most all, and their averaged h [n, D]."""
    if n < 3:
        raise InputError(f"{n} test examples are too few for a projection; give at least 3 test examples")
    index = torch.randperm(len(loaded[0].source.test_y), generator=torch.Generator().manual_seed(0))[:n]
    found = []
    for parts in loaded:
        x = parts.source.test_x[index].to(parts.device)
        found.append(outputs_of(parts.method.classifiers["averaged"], x, parts.normalization)[0].cpu())
    return index, found


def draw_samples(file: Path, grid: Grid, columns: Columns) -> None:
    """Fig. 6: side by side, the last grid of samples of every row's first seed."""
    (rows,) = columns.values()
    grids = {name: sorted(RunFolder(runs[0].cell.folder).samples.glob("epoch_*.png")) for name, runs in rows.items()}
    plots.save_pictures(file, {name: last[-1] for name, last in grids.items() if last})


DRAWN = {
    "regions": draw_regions,
    "curves": draw_curves,
    "signals": draw_signals,
    "noise": draw_noise,
    "labels": draw_labels,
    "embedding": draw_embedding,
    "samples": draw_samples,
}
