"""The page of a comparison: one file that asks for nothing from outside."""

import base64
import hashlib
from importlib.resources import files
from string import Template

from gan_sntg.comparison import tables
from gan_sntg.comparison.charts import curves
from gan_sntg.comparison.html import Markup, element, joined
from gan_sntg.comparison.image_grids import samples
from gan_sntg.comparison.runs import Comparison
from gan_sntg.comparison.tables import fidelity
from gan_sntg.comparison.warnings import other_epochs, unfinished, unpaired

GENERATOR = "gan-sntg compare"  # what the page says it was made by
SCRIPTS = ("theme.js", "samples.js", "curves.js")


def document(comparison: Comparison) -> str:
    """The page. Raises InputError where a grid that it shows is damaged."""
    runs = comparison.runs
    script = "\n".join(asset(name) for name in SCRIPTS)
    title = f"{', '.join(run.name for run in runs)} on {runs[0].split.data}"
    return Template(asset("page.html")).substitute(
        policy=element("meta", http_equiv="Content-Security-Policy", content=policy(script)),
        generator=element("meta", name="generator", content=GENERATOR),
        title=element("title", title),
        heading=element("h1", f"{len(runs)} runs on {runs[0].split.data}"),
        style=asset("style.css"),
        marks=asset("marks.svg"),
        notes=notes(unfinished(runs)),
        samples=samples(comparison),
        errors=joined(notes(unpaired(runs)), tables.errors(runs)),
        fidelity=joined(notes(other_epochs(runs)), fidelity(runs, comparison.refusal)),
        curves=curves(runs),
        options=tables.options(runs),
        script=script,
    )


def asset(name: str) -> str:
    """A file of the page that is the same for all runs."""
    return (files("gan_sntg.comparison") / "assets" / name).read_text(encoding="utf-8")


def policy(script: str) -> str:
    """Nothing is asked for; only this script runs; images are those within the page."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def notes(sentences: list[str]) -> Markup:
    """A list that is not to be overlooked; nothing where there are none."""
    return element("ul", *(element("li", text) for text in sentences), class_="notes") if sentences else joined()
