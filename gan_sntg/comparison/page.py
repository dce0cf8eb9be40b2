"""The page of a comparison: one file that asks for nothing from outside."""

import base64
import hashlib
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gan_sntg.comparison.charts import metric_charts
from gan_sntg.comparison.image_grids import sample_figures
from gan_sntg.comparison.runs import Comparison
from gan_sntg.comparison.tables import error_table, fidelity_blocks, option_blocks
from gan_sntg.comparison.warnings import other_epochs, unfinished, unpaired

GENERATOR = "gan-sntg compare"  # what the page says it was made by
SCRIPTS = ("theme.js", "samples.js", "curves.js")
TEMPLATES = Environment(
    loader=PackageLoader("gan_sntg.comparison", "assets"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
TEMPLATES.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}


def comparison_page(comparison: Comparison) -> str:
    """The page as HTML: every text of a run is escaped. Raises InputError where a grid that it shows is damaged."""
    runs = comparison.runs
    script = "\n".join(asset(name) for name in SCRIPTS)
    return TEMPLATES.get_template("page.html").render(
        policy=policy(script),
        generator=GENERATOR,
        script=Markup(script),
        style=Markup(asset("style.css")),
        marks=Markup(asset("marks.svg")),
        runs=runs,
        unfinished=unfinished(runs),
        samples=sample_figures(comparison),
        unpaired=unpaired(runs),
        errors=[error_table(runs)],
        other_epochs=other_epochs(runs),
        fidelity=fidelity_blocks(runs, comparison.refusal),
        charts=metric_charts(runs),
        options=option_blocks(runs),
    )


def asset(name: str) -> str:
    """A file of the page that is the same for all runs."""
    return (files("gan_sntg.comparison") / "assets" / name).read_text(encoding="utf-8")


def policy(script: str) -> str:
    """A policy of the browser: nothing is asked for; only this script runs; images are those within the page."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
