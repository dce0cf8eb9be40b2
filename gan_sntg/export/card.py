"""card.json of an exported run, validated before anything that it names is imported."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from jsonargparse import ArgumentParser

from gan_sntg.errors import InputError, first_line
from gan_sntg.files.import_paths import OURS, check_tree, class_at, own_packages
from gan_sntg.files.old_names import modern

FORMAT = 1
CARD, PROGRAM = "card.json", "classifier.pt2"
WEIGHTS = {"net": "classifier.safetensors", "generator": "generator.safetensors", "normalization": "normalization.safetensors"}
DTYPES = {"uint8": torch.uint8, "float32": torch.float32}
REMEDY = "export the run again with `gan-sntg export`"
T = TypeVar("T")


@dataclass(frozen=True)
class ObjectSpec:
    """Class and arguments of an object."""

    class_path: str
    init_args: dict[str, Any]


@dataclass(frozen=True)
class Architecture:
    """The networks and the normalization; no generator for a method that has none."""

    net: ObjectSpec
    generator: ObjectSpec | None
    normalization: ObjectSpec


@dataclass(frozen=True)
class InputSpec:
    """What the classifier and its program take: examples as the data set holds them."""

    dtype: str
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
    output: dict[str, Any]
    classes: list[str]
    weights: str
    evaluation: dict[str, Any]
    generator: dict[str, Any] | None
    provenance: dict[str, Any]
    files: dict[str, str]


def parse_card(tree: dict[str, Any]) -> Card:
    """The card of a tree of JSON. Raises an exception of any kind where it is damaged."""
    specs: Any = {name: None if part is None else ObjectSpec(**part) for name, part in tree["architecture"].items()}
    card = Card(**tree | {"architecture": Architecture(**specs), "input": InputSpec(**tree["input"])})
    for spec in (spec for name, spec in specs.items() if name != "generator" or spec is not None):
        if not isinstance(spec.class_path, str) or not isinstance(spec.init_args, dict):
            raise ValueError("its architecture is not of classes and arguments")
    shape, names = card.input.shape, card.classes
    if list(map(type, shape)) not in ([int], [int] * 3) or not 0 < min(shape) <= max(shape) < 2**16 or card.input.dtype not in DTYPES:
        raise ValueError(f"its input is not the shape of images or points with dtype {' or '.join(DTYPES)}")
    if not isinstance(names, list) or len(names) < 2 or not all(isinstance(name, str) for name in names):
        raise ValueError("its classes are not a list of two names or more")
    wanted = {WEIGHTS["net"], PROGRAM, *([WEIGHTS["generator"]] if card.architecture.generator else [])}
    hashes = [re.fullmatch("[0-9a-f]{64}", sha256) for sha256 in card.files.values()]
    if not wanted <= set(card.files) <= wanted | {WEIGHTS["normalization"]} or not all(hashes):
        raise ValueError("its files are not those of an export, each with a SHA-256")
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
        raise InputError(f"{path} is damaged ({first_line(error)}); {REMEDY}") from error
    check_tree(tree["architecture"], f"{path}: architecture", packages=(*OURS, *own_packages()))
    return card


def instantiate(spec: ObjectSpec, kind: type[T], where: str) -> T:
    """The object of a card, a network without memory for weights. Raises InputError where it is invalid."""
    found = class_at(spec.class_path, kind, where)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(found, "object")
    try:
        with torch.device("meta"):
            return parser.instantiate(parser.parse_object({"object": spec.init_args} if spec.init_args else {})).object
    except Exception as error:  # constructors refuse what they are given in any way
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{where}: no {found.__name__} can be built of what stands there ({reason}); {REMEDY}") from error
