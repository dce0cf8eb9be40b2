"""The model card of an export: README.md, in the form that Hugging Face's hub shows."""

import json
import re
from textwrap import indent
from typing import Any

import yaml

from gan_sntg.evaluation.classification import error_interval
from gan_sntg.export.load import ONNX, Card

MODEL_CARD = "README.md"
USE = """```python
from gan_sntg.export import load_export

classifier, generator, card = load_export(".")  # this folder; nothing in it is executed
logits = classifier(x)  # x: {dtype} [{shape}]{images}
```"""
USE_ONNX = """Without PyTorch, by ONNX Runtime, which gives the same logits:

```python
import onnxruntime

logits = onnxruntime.InferenceSession("{file}").run(None, {{"x": x}})[0]  # x: the same as a NumPy array
```"""


def model_card(card: Card) -> str:
    """Data, labels, errors with intervals, use and provenance of an export, as Markdown.

    Names that come from data stand in it as plain words or in blocks of code, so that none of them is markup or a link.
    """
    method, data = (plain(name) for name in (card.provenance["method"].rpartition(".")[2], card.provenance["data"]))
    head = front_matter(card, method, data), f"# {method} on {data}"
    return "\n\n".join([*head, *description(card), *error_table(card), *usage(card), *provenance_of(card)]) + "\n"


def plain(text: Any) -> str:
    """A text of which nothing is markup: letters, digits, spaces and `._-` of its first 80 characters."""
    return re.sub(r"[^\w .-]", "_", str(text))[:80]


def block(value: Any) -> str:
    """A value as an indented block of JSON, which no text in it can end."""
    return indent(json.dumps(value, indent=1), "    ")


def front_matter(card: Card, method: str, data: str) -> str:
    """Library, task, tags and the test accuracy in 0..1, as the hub reads them.

    There is no licence among them, which is the owner's to give.
    """
    task = "image-classification" if len(card.input.shape) == 3 else "tabular-classification"
    head: dict[str, Any] = {
        "library_name": "gan-sntg",
        "pipeline_tag": task,
        "tags": ["gan-sntg", "pytorch", "safetensors", *(["onnx"] if ONNX in card.files else []), "semi-supervised-learning"],
    }
    if (error := card.evaluation["test_error"]) is not None:
        accuracy = {"type": "accuracy", "name": "Test accuracy", "value": round(1 - error / 100, 6)}
        result = {"task": {"type": task}, "dataset": {"type": data, "name": data, "split": "test"}, "metrics": [accuracy]}
        head["model-index"] = [{"name": f"{method} on {data}", "results": [result]}]
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}---"


def description(card: Card) -> list[str]:
    """What it is, in one paragraph, and its classes."""
    facts = card.provenance
    drawing = " With it comes the generator that it was trained against." if card.generator else ""
    state = "" if facts["finished"] else f" The run is unfinished: epoch {facts['epoch']} of {facts['epochs']}."
    what = f"A classifier of {len(card.classes)} classes, trained with {facts['labels']:,} labels."
    return [f"{what} Its weights are the {card.weights} ones.{drawing}{state}", "Classes, in the order of the logits:", block(card.classes)]


def error_table(card: Card) -> list[str]:
    """Table of errors with Wilson's 95 % intervals, and of sample quality where it was measured."""
    lines = ["| examples | number | error, % | 95 % interval |", "| --- | ---: | ---: | --- |"]
    for kind in "test", "validation":
        error, n = card.evaluation[f"{kind}_error"], card.evaluation.get(f"{kind}_examples")
        if error is not None and n:
            low, high = error_interval(error, n)
            lines.append(f"| {kind} | {n:,} | {error:.2f} | {low:.2f} to {high:.2f} |")
    note = "The interval is that of the number of examples. It does not say how the error varies with the labels or the seed."
    found = ["## Errors", "\n".join(lines) if len(lines) > 2 else "None was recorded with these weights.", note]
    fidelity = card.generator and card.generator["fidelity"]
    return [*found, "Quality of generated images, and how it was measured:", block(fidelity)] if fidelity else found


def usage(card: Card) -> list[str]:
    """Lines of Python that load it, and what it takes."""
    images = len(card.input.shape) == 3
    shape = ", ".join(map(str, ["N", *card.input.shape]))
    lines = USE.format(dtype=card.input.dtype, shape=shape, images='; or classifier.read("a.png", ...)' if images else "")
    limits = f" Black is {card.input.range[0]}, white {card.input.range[1]}." if card.input.range else ""
    takes = f"It takes {card.input.meaning}, as the data set holds them; they are normalised inside.{limits}"
    meant = "It is meant for examples like those that it was trained and tested on; no others were tried."
    return ["## Use", lines, *([USE_ONNX.format(file=ONNX)] if ONNX in card.files else []), f"{takes} {meant}"]


def provenance_of(card: Card) -> list[str]:
    """Data, split, seeds, code and configuration."""
    facts = card.provenance
    names = "data", "data_sha256", "labels", "data_seed", "split_sha256", "seed", "epoch", "step", "git", "packages"
    shown = {name: facts[name] for name in names} | {"test_sha256": card.evaluation["test_sha256"]}
    licence = "This card names no licence: that of the data may bind the weights. Name one before you share them."
    return ["## Data and provenance", block(shown), "Configuration of the run:", block(facts["config"]), "## Licence", licence]
