"""Figures of a comparison's tables: errors with intervals, sample quality, and options that differ."""

import math
from dataclasses import astuple
from typing import NamedTuple

from scipy.stats import binomtest

from gan_sntg.comparison.runs import ComparedRun
from gan_sntg.evaluation.fidelity_records import Score

BETTER = {"is": "↑", "fid": "↓", "kid": "↓", "precision": "↑", "recall": "↑"}  # by the beginning of a score's name
NONE = "–"


class Figure(NamedTuple):
    """A figure and its interval, as texts; "" where there is no interval."""

    value: str
    interval: str = ""


def error_of(run: ComparedRun, name: str) -> float | None:
    """An error of the result, else of the last row; None where there is neither."""
    if run.result:
        return run.result.get(name)
    key = {"validation_error": "validation_error/averaged"}.get(name, name.replace("test_error_", "test_error/"))
    return run.rows[-1].get(key) if run.rows else None


def error_figure(run: ComparedRun, name: str) -> Figure:
    """An error in percent, and its interval where it is of a known number of test images."""
    error, images = error_of(run, name), run.test_images
    if error is None:
        return Figure(NONE)
    if not images or not name.startswith("test"):
        return Figure(f"{error:.2f}")
    interval = binomtest(round(error * images / 100), images).proportion_ci(method="wilson")
    return Figure(f"{error:.2f}", f"{100 * interval.low:.2f} to {100 * interval.high:.2f}")


def score_figure(score: Score | None) -> Figure:
    """A score of four digits, and its interval where it is finite."""
    if score is None:
        return Figure(NONE)
    value, low, high = (f"{number:#.4g}".rstrip(".") for number in astuple(score))
    return Figure(value, f"{low} to {high}" if math.isfinite(score.low) and math.isfinite(score.high) else "")


def score_title(name: str) -> str:
    """The score's name, and which way is better where it is known."""
    return f"{name} {BETTER.get(name.partition('_')[0], '')}".strip()


class Contrast(NamedTuple):
    """Names whose values differ, a value a run, and those with one value."""

    differ: dict[str, list[str]]
    same: dict[str, str]


def contrast(found: list[dict[str, str]]) -> Contrast:
    """What the runs' values have in common, and what not; NONE where a run has no value."""
    values = {name: [own.get(name, NONE) for own in found] for name in dict.fromkeys(name for own in found for name in own)}
    differ = {name: own for name, own in values.items() if len(set(own)) > 1}
    return Contrast(differ, {name: own[0] for name, own in values.items() if name not in differ})
