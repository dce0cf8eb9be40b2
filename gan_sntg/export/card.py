"""card.json of an exported run, validated before anything that it names is imported."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch

from gan_sntg.errors import InputError, first_line
from gan_sntg.files.import_paths import class_at
from gan_sntg.files.old_names import modern
from gan_sntg.runs.parsing import Parser

FORMAT = 1
CARD, PROGRAM = "card.json", "classifier.pt2"
WEIGHTS = {"net": "classifier.safetensors", "generator": "generator.safetensors", "normalization": "normalization.safetensors"}
DTYPES = {"uint8": torch.uint8, "float32": torch.float32}
REMEDY = "export the run again with `gan-sntg export`"
T = TypeVar("T")


@dataclass(frozen=True)
class Architecture:
    """`class_path` and `init_args` of networks and normalization; no generator for a method without."""

    net: dict
    generator: dict | None
    normalization: dict


@dataclass(frozen=True)
class InputSpec:
    """What the classifier and its program take: examples as the data set holds them."""

    dtype: Literal["uint8", "float32"]
    shape: list[int]
    range: list[int] | None
    meaning: str


@dataclass(frozen=True)
class Card:
    """What an export is and where it is from, in the order of the file; files: SHA-256 by name."""

    format: int
    packages: dict[str, str | None]
    architecture: Architecture
    input: InputSpec
    output: dict
    classes: list[str]
    weights: str
    evaluation: dict
    generator: dict | None
    provenance: dict
    files: dict[str, str]


def parse_card(tree: dict[str, Any]) -> Card:
    """The card of a tree of JSON. Raises an exception of any kind where it is damaged."""
    parser = Parser()
    parser.add_class_arguments(Card, "card")
    card = parser.instantiate(parser.parse_object({"card": tree})).card
    if len(card.classes) < 2 or not all(0 < side < 2**16 for side in card.input.shape):
        raise ValueError("it has fewer than two classes, or sides of its input that are not in 1..65535")
    wanted = {WEIGHTS["net"], PROGRAM, *([WEIGHTS["generator"]] if card.architecture.generator else [])}
    if not wanted <= set(card.files) <= wanted | {WEIGHTS["normalization"]}:
        raise ValueError("its files are not those of an export")
    return card


def read_card(folder: Path) -> Card:
    """The card of an export. Raises InputError where it is missing, damaged, or names what it must not."""
    path = folder / CARD
    try:
        tree = modern(json.loads(path.read_bytes()))
        found = tree["format"]
    except Exception as error:  # parsers fail in many ways on what is no text, no JSON or no object
        raise InputError(f"{path} is not a readable card ({first_line(error)}); name a folder that `gan-sntg export` wrote") from error
    if found != FORMAT:
        raise InputError(f"{path} has card format {found!r}, this version reads {FORMAT}; use the version that wrote it")
    try:
        card = parse_card(tree)
    except Exception as error:
        raise InputError(f"{path} is damaged ({short(error)}); {REMEDY}") from error
    return card


def short(error: Exception) -> str:
    """The beginning of a message, in one line."""
    return " ".join(str(error).split())[:300]


def instantiate(spec: dict, kind: type[T], where: str) -> T:
    """The object of a card, a network without memory for weights. Raises InputError where it is invalid."""
    found = class_at(str(spec.get("class_path")), kind, where)
    parser = Parser()
    parser.add_class_arguments(found, "object")
    try:
        with torch.device("meta"):
            return parser.instantiate(parser.parse_object({"object": spec["init_args"]} if spec["init_args"] else {})).object
    except Exception as error:  # constructors refuse what they are given in any way
        raise InputError(f"{where}: no {found.__name__} can be built of what stands there ({short(error)}); {REMEDY}") from error
