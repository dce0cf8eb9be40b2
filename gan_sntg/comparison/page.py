"""The page of a comparison: one file, its figures and charts, that asks for nothing from outside."""

import base64
import hashlib
import io
from dataclasses import astuple
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image
from scipy.stats import binomtest

from gan_sntg.comparison.runs import ComparedRun, Comparison, image_tests, read_png, warnings
from gan_sntg.evaluation.classification import Metric
from gan_sntg.evaluation.fidelity_records import Score

GENERATOR = "gan-sntg compare"  # what the page says it was made by
# for the browser: nothing is asked for, only the script of this hash runs, images are within the page
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'"
SCRIPTS = ("theme.js", "samples.js", "curves.js")
LATENT = "method.init_args.generator.init_args.latent"
CHARTS = {"test_error": "test_error/averaged", "d": "d/unlabeled", "net": "net/labeled"}  # shown first
GROUPS = {  # what the vertical axis says
    **{f"{kind}_{metric.name}": f"{kind} {metric.name.replace('_', ' ')}, %" for kind in ("test", "validation") for metric in Metric},
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


def picture(data: bytes) -> dict:
    """A PNG within the page: its data URL as `source`, `width` and `height` in pixels."""
    width, height = Image.open(io.BytesIO(data)).size
    return {"source": f"data:image/png;base64,{base64.b64encode(data).decode()}", "width": width, "height": height}


def asset(name: str) -> str:
    """A file of the page that is the same for all runs."""
    return (files("gan_sntg.comparison") / "assets" / name).read_text(encoding="utf-8")


def metric_charts(runs: list[ComparedRun]) -> dict | None:
    """Charts of an error and a loss, where any metric can be chosen; None where nothing is recorded yet.

    groups: metrics by what the vertical axis says. begun: the one that each chart begins with. points: {"epochs": a list per run,
    "values": {metric: a list per run}} for the script, null where there is no number.
    """
    every = dict.fromkeys(key for run in runs for row in run.rows for key in row if key not in NOT_METRICS)
    prefixes = {key: prefix if (prefix := key.partition("/")[0]) in GROUPS else "" for key in every}
    groups = {name: own for name in GROUPS if (own := [key for key in every if prefixes[key] == name])}
    if not groups:
        return None
    begun = [name for name in CHARTS if name in groups] or [*groups][:1]
    values = {key: [[rounded(row.get(key)) for row in run.rows] for run in runs] for keys in groups.values() for key in keys}
    return {
        "groups": {GROUPS[name]: keys for name, keys in groups.items()},
        "begun": {name: CHARTS[name] if CHARTS.get(name) in groups[name] else groups[name][0] for name in begun},
        "points": {"epochs": [[row["epoch"] for row in run.rows] for run in runs], "values": values},
    }


def rounded(value: float | None) -> float | None:
    """To six significant digits."""
    return None if value is None else float(f"{value:.6g}")


def error_of(run: ComparedRun, name: str) -> float | None:
    """An error of the result, else of the last row; None where there is neither."""
    if run.result:
        return run.result.get(name)
    key = {"validation_error": "validation_error/averaged"}.get(name, name.replace("test_error_", "test_error/"))
    return run.rows[-1].get(key) if run.rows else None


def error_figure(run: ComparedRun, name: str) -> tuple[str, str]:
    """An error in percent, and its interval where it is of a known number of test images, else ""."""
    error, images = error_of(run, name), run.test_images
    if error is None or not images or not name.startswith("test"):
        return NONE if error is None else f"{error:.2f}", ""
    interval = binomtest(round(error * images / 100), images).proportion_ci(method="wilson")
    return f"{error:.2f}", f"{100 * interval.low:.2f} to {100 * interval.high:.2f}"


def score_figure(score: Score | None) -> tuple[str, str]:
    """A score of four digits, and its interval; "" where there is none."""
    if score is None:
        return NONE, ""
    value, low, high = (f"{number:#.4g}".rstrip(".") for number in astuple(score))
    return value, f"{low} to {high}"


def score_title(name: str) -> str:
    """The score's name, and which way is better where it is known."""
    return f"{name} {BETTER.get(name.partition('_')[0], '')}".strip()


def contrast(found: list[dict[str, str]]) -> dict[str, dict]:
    """Names whose values `differ`, a value a run or NONE, and the `same` ones with one value."""
    values = {name: [own.get(name, NONE) for own in found] for name in dict.fromkeys(name for own in found for name in own)}
    differ = {name: own for name, own in values.items() if len(set(own)) > 1}
    return {"differ": differ, "same": {name: own[0] for name, own in values.items() if name not in differ}}


TEMPLATES = Environment(
    loader=PackageLoader("gan_sntg.comparison", "assets"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
TEMPLATES.filters |= {"error_figure": error_figure, "score_figure": score_figure, "score_title": score_title}
TEMPLATES.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}


def comparison_page(comparison: Comparison) -> str:
    """The page as HTML, every text escaped. Raises InputError where a grid that it shows is damaged."""
    runs, script = comparison.runs, "\n".join(asset(name) for name in SCRIPTS)
    measured = [run for run in runs if run.measured]
    tests, untested = image_tests(runs)
    shown = comparison._asdict() | warnings(runs) | {"real": comparison.real and picture(comparison.real)}
    return TEMPLATES.get_template("page.html").render(
        shown,
        policy=POLICY.format(base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()),
        generator=GENERATOR,
        script=Markup(script),
        style=Markup(asset("style.css")),
        marks=Markup(asset("marks.svg")),
        NONE=NONE,
        recorded={epoch for run in runs for epoch in run.grids},
        latents={run.options.get(LATENT) for run in runs if run.has_generator},
        grids={run.index: {e: picture(read_png(run.grids[e])[0]) for e in run.grids_at(comparison.epochs)} for run in runs},
        validated=any(error_of(run, "validation_error") is not None for run in runs),
        tests=tests,
        untested=untested,
        measured=measured,
        scores=dict.fromkeys(name for run in measured if run.fidelity for name in run.fidelity.scores),
        ways=contrast([{name: str(value) for name, value in run.measured[-1].provenance.items()} for run in measured]),
        charts=metric_charts(runs),
        options=contrast([{name.replace("init_args.", ""): value for name, value in run.options.items()} for run in runs]),
        places=contrast([run.place for run in runs]),
    )
