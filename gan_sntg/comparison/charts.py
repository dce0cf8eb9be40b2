"""Charts of every metric against the epoch, as data for the page's script."""

from typing import NamedTuple

from gan_sntg.comparison.runs import ComparedRun

CHARTS = {
    "test_error": "test_error/averaged",
    "d": "d/unlabeled",
    "net": "net/labeled",
}  # shown first
GROUPS = {  # what the vertical axis says
    "test_error": "test error, %",
    "validation_error": "validation error, %",
    "d": "loss term of the discriminator",
    "g": "loss term of the generator",
    "net": "loss term of the classifier",
    "graph": "graph",
    "gan": "generator's health",
    "weight": "weight",
    "": "other",
}
NOT_METRICS = ("epoch", "step", "seconds")


class Charts(NamedTuple):
    """Metrics by group, the metric that each chart begins with by group, and the points for the script."""

    groups: dict[str, list[str]]
    begun: dict[str, str]
    points: dict


def metric_charts(runs: list[ComparedRun]) -> Charts | None:
    """Charts of an error and a loss, where any metric can be chosen; None where nothing is recorded yet."""
    groups = metric_groups(runs)
    if not groups:
        return None
    begun = [name for name in CHARTS if name in groups] or [next(iter(groups))]
    first = {name: CHARTS[name] if CHARTS.get(name) in groups[name] else groups[name][0] for name in begun}
    every = [key for keys in groups.values() for key in keys]
    return Charts({GROUPS[name]: keys for name, keys in groups.items()}, first, points(runs, every))


def metric_groups(runs: list[ComparedRun]) -> dict[str, list[str]]:
    """The metrics that any run recorded, by the prefix of their names; "" where it is not one of GROUPS."""
    keys = dict.fromkeys(key for run in runs for row in run.rows for key in row if key not in NOT_METRICS)
    group = {key: prefix if (prefix := key.partition("/")[0]) in GROUPS else "" for key in keys}
    return {name: own for name in GROUPS if (own := [key for key in keys if group[key] == name])}


def points(runs: list[ComparedRun], keys: list[str]) -> dict:
    """{"epochs": a list per run, "values": {metric: a list per run}}; null where there is no number."""
    values = {key: [[rounded(row.get(key)) for row in run.rows] for run in runs] for key in keys}
    return {"epochs": [[row["epoch"] for row in run.rows] for run in runs], "values": values}


def rounded(value: float | None) -> float | None:
    """To six significant digits."""
    return None if value is None else float(f"{value:.6g}")
