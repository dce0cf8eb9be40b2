"""What is the page of a comparison? One file with all that it shows, which asks for nothing from outside."""

import base64
import hashlib
from importlib.resources import files
from string import Template

from gan_sntg.page import tables
from gan_sntg.page.curves import curves
from gan_sntg.page.grids import samples
from gan_sntg.page.markup import Markup, element, joined
from gan_sntg.page.run import Run

GENERATOR = "gan-sntg compare"  # what the page says it was made by
SCRIPTS = ("theme.js", "samples.js", "curves.js")


def document(runs: list[Run], epochs: list[int], refused: str | None = None) -> str:
    """The page, with the grids of these epochs. Raises InputError where one of them is damaged.

    refused: why figures of sample quality may not stand side by side, where they may not.
    """
    script = "\n".join(asset(name) for name in SCRIPTS)
    title = f"{', '.join(run.name for run in runs)} on {runs[0].split.data}"
    return Template(asset("page.html")).substitute(
        policy=element("meta", http_equiv="Content-Security-Policy", content=policy(script)),
        generator=element("meta", name="generator", content=GENERATOR),
        title=element("title", title),
        heading=element("h1", f"{len(runs)} runs on {runs[0].split.data}"),
        style=asset("style.css"),
        marks=asset("marks.svg"),
        notes=notes(runs),
        samples=samples(runs, epochs),
        errors=tables.errors(runs),
        fidelity=tables.fidelity(runs, refused),
        curves=curves(runs),
        options=tables.options(runs),
        script=script,
    )


def asset(name: str) -> str:
    """A file of the page that is the same for all runs."""
    return (files("gan_sntg.page") / "assets" / name).read_text(encoding="utf-8")


def policy(script: str) -> str:
    """Nothing is asked for; only this script runs; images are those within the page."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def notes(runs: list[Run]) -> Markup:
    """What a reader must know before comparing: that runs are unfinished, on other images, or not paired."""
    said = [f"{run.name} is unfinished: epoch {run.epoch} of {run.options.get('epochs', '?')}." for run in runs if not run.result]
    if len({run.split.sha256 for run in runs}) > 1:
        said.append("The images are not the same in all runs (their SHA-256 differ), so neither are the test images.")
    if len({run.split_sha256 for run in runs}) > 1:
        seeds = " (data seeds differ)" if len({run.split.data_seed for run in runs}) > 1 else ""
        said.append(f"Not paired: the runs do not have the same split{seeds}, so differences are also those of the labels drawn.")
    return element("ul", *(element("li", text) for text in said), class_="notes") if said else joined()
