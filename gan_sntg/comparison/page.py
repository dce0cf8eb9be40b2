"""The page of a comparison, which asks for nothing from outside, and tables of groups of runs."""

import base64
import hashlib
import io
from dataclasses import astuple
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from gan_sntg.comparison.runs import ComparedRun, Comparison, Group, image_tests, read_png, warnings
from gan_sntg.errors import InputError
from gan_sntg.evaluation.classification import Metric, error_interval
from gan_sntg.evaluation.fidelity_records import Score
from gan_sntg.experiments.report import markdown_table, with_deviation
from gan_sntg.experiments.statistics import difference, summary

GENERATOR = "gan-sntg compare"  # what the page says it was made by
# for the browser: nothing is asked for, only the script of this hash runs, images are within the page
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'"
SCRIPTS = ("theme.js", "samples.js", "curves.js")
METHOD = "method.class_path"
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
MOST_TESTS = 8  # runs that are tested on the same images, as many as a page has
HELD_OUT = "Validation images were held out, to choose by: their error is shown, and that of the test images is not used."


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
    low, high = error_interval(error, images)
    return f"{error:.2f}", f"{low:.2f} to {high:.2f}"


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


def comparison_table(groups: list[Group], given: list[str] | None = None) -> str:
    """Groups of runs as a table in Markdown, a row each, with differences from the first; notes below it.

    given: names of the groups, by default what tells them apart. Raises InputError where they are not as many.
    """
    names, notes = group_names(groups, given)
    held_out = [run for group in groups for run in group.runs.values() if run.result and run.result["validation_error"] is not None]
    kind = "validation_error" if held_out else "test_error_averaged"
    errors = [group.errors(kind) for group in groups]
    head = ["runs", "n", f"{'validation' if held_out else 'test'} error, averaged weights, %", "least", "largest"]
    rows = []
    for name, own in zip(names, errors, strict=True):
        found = summary([*own.values()])
        rows.append([name, str(found["n"]), with_deviation(found), f"{min(own.values()):.2f}", f"{max(own.values()):.2f}"])
    if len(groups) > 1:
        head += ["pairs", "difference in points", "95 % interval (Student)", "better / worse"]
        rows = [row + difference_cells(errors[0], own) for row, own in zip(rows, [{}, *errors[1:]], strict=True)]
        notes += pair_notes(groups, names)
    tables = [markdown_table(head, rows)]
    if held_out:
        notes.append(HELD_OUT)
    elif 2 <= len(groups) <= MOST_TESTS and all(len(group.runs) == 1 for group in groups):
        table, untested = image_test_table(groups, names)
        tables, notes = tables + table, notes + untested
    return "\n\n".join([*tables, *notes]) + "\n"


def group_names(groups: list[Group], given: list[str] | None) -> tuple[list[str], list[str]]:
    """Names of the groups by the options that tell them apart; a note of others that differ."""
    differ = contrast([group.config for group in groups])["differ"]
    named, told = [], [()] * len(groups)
    for option, values in differ.items():
        if len(set(more := [(*own, value) for own, value in zip(told, values, strict=True)])) > len(set(told)):
            named, told = [*named, option], more
    if given and (len(given) != len(groups) or len(set(given)) != len(given) or not all(name.strip() for name in given)):
        by = f" (they differ in {', '.join(map(shown_option, named))})" if named else ""
        raise InputError(f"--names gives {', '.join(map(repr, given))} for {len(groups)} configurations{by}; give each a name of its own")
    others = [shown_option(option) for option in differ if given or option not in named]
    note = [f"Configurations differ{'' if given else ' also'} in {', '.join(others)}."] if others else []
    if not named:  # one group
        named, told = [METHOD], [(groups[0].config.get(METHOD, NONE),)]
    names = given or ["; ".join(f"{shown_option(option)} {value}" for option, value in zip(named, own, strict=True)) for own in told]
    return [" ".join(name.split()).replace("|", "\\|") for name in names], note


def shown_option(name: str) -> str:
    """The dotted name of an option as a reader knows it."""
    return name.replace("init_args.", "").removesuffix(".class_path")


def difference_cells(first: dict, own: dict) -> list[str]:
    """Cells of the paired difference of errors from those of the first group, dashes where there is none."""
    if not first.keys() & own.keys():
        return [NONE] * 4
    d = difference(first, own)
    interval = "{:+.2f} to {:+.2f}".format(*d["interval"]) if d["interval"] else NONE
    return [str(d["n"]), f"{d['mean']:+.2f}", interval, f"{d['better']} / {d['worse']}"]


def pair_notes(groups: list[Group], names: list[str]) -> list[str]:
    """How differences are paired, and where they are not, or not on the same labels."""
    first, said = groups[0].runs, ["Differences are from the first row, paired by seed and data seed; less than 0 is better."]
    for group, name in zip(groups[1:], names[1:], strict=True):
        shared = first.keys() & group.runs.keys()
        if not shared:
            said.append(f"No difference of {name}: it has no seed and data seed in common with the first row.")
        elif others := sum(first[seeds].split_sha256 != group.runs[seeds].split_sha256 for seeds in shared):
            said.append(f"{others} of the {len(shared)} pairs of {name} have other splits; a difference may come from the labels drawn.")
    return said


def image_test_table(groups: list[Group], names: list[str]) -> tuple[list[str], list[str]]:
    """McNemar's tests of groups of one run each as a table, if any; sentences on those that have none."""
    runs = [run for group in groups for run in group.runs.values()]
    for run, name in zip(runs, names, strict=True):
        run.name = name
    tests, untested = image_tests(runs)
    head = ["the same test images", f"wrong only in {names[0]}", "wrong only here", "McNemar, p"]
    shown = [(run.name, tests[run.index]) for run in runs if run.index in tests]
    rows = [[name, str(found["b"]), str(found["c"]), f"{found['p']:.3g}"] for name, found in shown]
    return [markdown_table(head, rows)] if rows else [], untested
