"""The page of a comparison: one file, its figures and charts, that asks for nothing from outside."""

import base64
import hashlib
import io
from dataclasses import astuple
from importlib.resources import files
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image
from scipy.stats import binomtest

from gan_sntg.comparison.runs import ComparedRun, Comparison, other_epochs, read_png, unfinished, unpaired
from gan_sntg.evaluation.fidelity_records import Score

GENERATOR = "gan-sntg compare"  # what the page says it was made by
SCRIPTS = ("theme.js", "samples.js", "curves.js")
LATENT = "method.init_args.generator.init_args.latent"
CHARTS = {"test_error": "test_error/averaged", "d": "d/unlabeled", "net": "net/labeled"}  # shown first
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
BETTER = {"is": "↑", "fid": "↓", "kid": "↓", "precision": "↑", "recall": "↑"}  # by the beginning of a score's name
NONE = "–"


class Picture(NamedTuple):
    """A PNG within the page: its data URL and size in pixels."""

    source: str
    width: int
    height: int


def picture(data: bytes) -> Picture:
    """A PNG of these bytes."""
    return Picture(f"data:image/png;base64,{base64.b64encode(data).decode()}", *Image.open(io.BytesIO(data)).size)


def asset(name: str) -> str:
    """A file of the page that is the same for all runs."""
    return (files("gan_sntg.comparison") / "assets" / name).read_text(encoding="utf-8")


def policy(script: str) -> str:
    """A policy for the browser: nothing is asked for, only this script runs, images are within the page."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


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
    """A score of four digits, and its interval."""
    if score is None:
        return Figure(NONE)
    value, low, high = (f"{number:#.4g}".rstrip(".") for number in astuple(score))
    return Figure(value, f"{low} to {high}")


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


TEMPLATES = Environment(
    loader=PackageLoader("gan_sntg.comparison", "assets"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
TEMPLATES.filters |= {"error_figure": error_figure, "score_figure": score_figure, "score_title": score_title}
TEMPLATES.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}


def comparison_page(comparison: Comparison) -> str:
    """The page as HTML, every text escaped. Raises InputError where a grid that it shows is damaged."""
    runs, epochs, real, no_real, refusal = comparison
    script = "\n".join(asset(name) for name in SCRIPTS)
    measured = [run for run in runs if run.measured]
    return TEMPLATES.get_template("page.html").render(
        policy=policy(script),
        generator=GENERATOR,
        script=Markup(script),
        style=Markup(asset("style.css")),
        marks=Markup(asset("marks.svg")),
        NONE=NONE,
        runs=runs,
        unfinished=unfinished(runs),
        epochs=epochs,
        recorded={epoch for run in runs for epoch in run.grids},
        latents={run.options.get(LATENT) for run in runs if run.has_generator},
        grids={run.index: {e: picture(read_png(run.grids[e])[0]) for e in run.grids_at(epochs)} for run in runs},
        real=real and picture(real),
        no_real=no_real,
        unpaired=unpaired(runs),
        validated=any(error_of(run, "validation_error") is not None for run in runs),
        other_epochs=other_epochs(runs),
        measured=measured,
        refusal=refusal,
        scores=dict.fromkeys(name for run in measured if run.fidelity for name in run.fidelity.scores),
        ways=contrast([{name: str(value) for name, value in run.measured[-1].provenance.items()} for run in measured]),
        charts=metric_charts(runs),
        options=contrast([{name.replace("init_args.", ""): value for name, value in run.options.items()} for run in runs]),
        places=contrast([run.place for run in runs]),
    )
