"""Charts of every metric against the epoch, as data for the page's script."""

import json

from gan_sntg.comparison.html import Markup, element, joined
from gan_sntg.comparison.runs import Run

CHARTS = ("test_error", "d", "net")  # groups that a chart begins with, where they are there
FIRST = ("test_error/averaged", "d/unlabeled", "net/labeled")  # in its group
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


def curves(runs: list[Run]) -> Markup:
    """Charts side by side: of the errors, of the losses, and each of any other metric that is chosen."""
    keys = metrics(runs)
    if not keys:
        return element("p", "Nothing is recorded yet.", class_="quiet")
    begun = [name for name in CHARTS if any(group(key) == name for key in keys)] or [group(keys[0])]
    charts = (chart(name, keys, runs) for name in begun)
    return joined(element("div", *charts, class_="curves"), data_block("metrics", points(runs, keys)))


def chart(begun: str, keys: list[str], runs: list[Run]) -> Markup:
    """The choice of a metric, at first one of the group `begun`, a place for its drawing, and the values at the cursor."""
    items = (element("li", line(k), element("span", run.name, class_="name"), " ", element("output")) for k, run in enumerate(runs))
    return element(
        "figure",
        element("div", element("label", "Metric", for_=f"metric-{begun}"), choice(begun, keys), class_="bar"),
        element(
            "div", element("svg", aria_hidden="true"), class_="chart", tabindex=0, role="slider", aria_label="Epoch of the values below"
        ),
        element("div", element("p", "epoch ", element("output", class_="at")), element("ul", *items), class_="legend"),
        class_="curve",
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


def choice(begun: str, keys: list[str]) -> Markup:
    """A select element, in groups."""
    own = [key for key in keys if group(key) == begun]
    chosen = next((key for key in FIRST if key in own), own[0])
    groups = {}
    for key in keys:
        groups.setdefault(group(key), []).append(element("option", key, value=key, selected=key == chosen))
    inside = (element("optgroup", *options, label=GROUPS[name]) for name, options in groups.items())
    return element("select", *inside, id=f"metric-{begun}", autocomplete="off")


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
