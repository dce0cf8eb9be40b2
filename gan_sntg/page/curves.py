"""What is drawn against the epoch? Every metric of every run, for a script of the page to draw."""

import json

from gan_sntg.page.markup import Markup, element, joined
from gan_sntg.page.run import Run

DEFAULT = "test_error/averaged"
GROUPS = {
    "test_error": "Test error, %",
    "validation_error": "Validation error, %",
    "d": "Loss terms of the discriminator",
    "g": "Loss terms of the generator",
    "net": "Loss terms of the classifier",
    "graph": "Graph",
    "gan": "GAN",
    "weight": "Weights",
    "": "Other",
}
NOT_METRICS = ("epoch", "step", "seconds")


def curves(runs: list[Run]) -> Markup:
    """The choice of a metric, its drawing, and the values at the cursor."""
    keys = metrics(runs)
    if not keys:
        return element("p", "Nothing is recorded yet.", class_="quiet")
    items = (element("li", line(k), element("span", run.name, class_="name"), " ", element("output")) for k, run in enumerate(runs))
    return joined(
        element("div", element("label", "Metric", for_="metric"), choice(keys), class_="bar"),
        element("div", element("svg", aria_hidden="true"), id="chart", tabindex=0, role="slider", aria_label="Epoch of the values below"),
        element("div", element("p", "epoch ", element("output", id="cursor")), element("ul", *items), id="legend"),
        data_block("metrics", points(runs, keys)),
    )


def line(index: int) -> Markup:
    """A piece of the run's line with its sign, as it is drawn."""
    inside = element("path", d="M-18 0h36", class_="line"), element("use", href=f"#mark-{index}")
    return element("svg", *inside, class_=f"piece run-{index}", viewBox="-18 -6 36 12", aria_hidden="true")


def metrics(runs: list[Run]) -> list[str]:
    """Those that any run recorded, group by group."""
    keys = dict.fromkeys(key for run in runs for row in run.rows for key in row if key not in NOT_METRICS)
    order = list(GROUPS)
    return sorted(keys, key=lambda key: order.index(group(key)))


def group(key: str) -> str:
    """The prefix that says what kind of metric it is; "" where there is none that is known."""
    prefix = key.partition("/")[0]
    return prefix if prefix in GROUPS else ""


def choice(keys: list[str]) -> Markup:
    """A select element, in groups; the averaged weights' test error is chosen where it is there."""
    chosen = DEFAULT if DEFAULT in keys else keys[0]
    groups = {}
    for key in keys:
        groups.setdefault(group(key), []).append(element("option", key, value=key, selected=key == chosen))
    inside = (element("optgroup", *options, label=GROUPS[name]) for name, options in groups.items())
    return element("select", *inside, id="metric", autocomplete="off")


def points(runs: list[Run], keys: list[str]) -> dict:
    """{"epochs": a list a run, "values": {metric: a list a run}}; null where there is no number."""
    values = {key: [[rounded(row.get(key)) for row in run.rows] for run in runs] for key in keys}
    return {"epochs": [[row["epoch"] for row in run.rows] for run in runs], "values": values}


def rounded(value: float | None) -> float | None:
    """To six significant digits."""
    return None if value is None else float(f"{value:.6g}")


def data_block(name: str, data: dict) -> Markup:
    """JSON that a script reads and nothing runs; no text in it can end the block."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return element("script", Markup(text), type="application/json", id=name)
