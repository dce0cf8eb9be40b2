"""card.json of an exported run, validated before anything that it names is imported."""

import hashlib
import json
import re
from pathlib import Path

import torch
from jsonargparse import ArgumentParser
from torch import nn

from gan_sntg.data.normalization import Normalization
from gan_sntg.errors import InputError, first_line
from gan_sntg.files.import_paths import OURS, check_tree, class_at, own_packages
from gan_sntg.files.old_names import modern
from gan_sntg.networks.dense_gan import Generator

FORMAT = 1
CARD, PROGRAM = "card.json", "classifier.pt2"
WEIGHTS = {"net": "classifier.safetensors", "generator": "generator.safetensors", "normalization": "normalization.safetensors"}
KINDS = {"net": nn.Module, "generator": Generator, "normalization": Normalization}
DTYPES = {"uint8": torch.uint8, "float32": torch.float32}
REMEDY = "export the run again with `gan-sntg export`"


def read_card(folder: Path) -> dict:
    """The card of an exported run. Raises InputError where it is missing, damaged, of another format, or names what it must not."""
    path = folder / CARD
    try:
        card = modern(json.loads(path.read_bytes()))
        found = card["format"]
    except Exception as error:  # parsers fail in many ways on what is no text, no JSON or no object
        raise InputError(f"{path} is not a readable card ({first_line(error)}); name a folder that `gan-sntg export` wrote") from error
    if found != FORMAT:
        raise InputError(f"{path} has card format {found!r}, this version reads {FORMAT}; use the version that wrote it")
    problem = next((what for what, right in CHECKS.items() if not holds(right, card)), None)
    if problem:
        raise InputError(f"{path} is damaged: {problem}; {REMEDY}")
    check_tree(card["architecture"], f"{path}: architecture", packages=(*OURS, *own_packages()))
    return card


def holds(right, card: dict) -> bool:
    """Whether a check passes; one that stumbles over what is there does not."""
    try:
        return bool(right(card))
    except (KeyError, TypeError, AttributeError):
        return False


def is_object(tree) -> bool:
    """Whether it says a class and its arguments and nothing else."""
    return set(tree) == {"class_path", "init_args"} and isinstance(tree["class_path"], str) and isinstance(tree["init_args"], dict)


def is_shape(shape) -> bool:
    """Whether it is the shape of an image or a point."""
    return isinstance(shape, list) and len(shape) in (1, 3) and all(type(n) is int and 0 < n < 2**16 for n in shape)


def files_fit(card: dict) -> bool:
    """Whether all files are named that there must be, no other, and each with a hash."""
    wanted = {WEIGHTS["net"], PROGRAM} | ({WEIGHTS["generator"]} if card["architecture"]["generator"] else set())
    hashes = [re.fullmatch("[0-9a-f]{64}", sha256) for sha256 in card["files"].values()]
    return wanted <= set(card["files"]) <= wanted | {WEIGHTS["normalization"]} and all(hashes)


CHECKS = {
    "its architecture is not a net, a generator or null, and a normalization": lambda card: (
        set(card["architecture"]) == set(KINDS)
        and all(is_object(tree) for name, tree in card["architecture"].items() if tree is not None or name != "generator")
    ),
    f"its input is not the shape of images or points with dtype {' or '.join(DTYPES)}": lambda card: (
        is_shape(card["input"]["shape"]) and card["input"]["dtype"] in DTYPES
    ),
    "its classes are not a list of two names or more": lambda card: (
        isinstance(card["classes"], list) and len(card["classes"]) > 1 and all(isinstance(name, str) for name in card["classes"])
    ),
    "its files are not those of an export, each with a SHA-256": files_fit,
}


def read_files(folder: Path, card: dict) -> dict[str, bytes]:
    """The bytes of every file that the card names. Raises InputError where one is missing or not what was exported."""
    data = {}
    for name, sha256 in card["files"].items():
        try:
            data[name] = (folder / name).read_bytes()
        except OSError as error:
            raise InputError(f"{folder / name} cannot be read ({error}); {REMEDY}") from error
        if hashlib.sha256(data[name]).hexdigest() != sha256:
            raise InputError(f"{folder / name} is damaged or foreign: it does not have the SHA-256 in {folder / CARD}; {REMEDY}")
    return data


def build(card: dict, path: Path) -> tuple[nn.Module, Generator | None, Normalization]:
    """The objects that the card describes, the networks without memory for their weights. Raises InputError where there are none such."""
    trees = {name: tree for name, tree in card["architecture"].items() if tree is not None}
    classes = {name: class_at(tree["class_path"], KINDS[name], f"{path}: {name}") for name, tree in trees.items()}
    made = {"generator": None} | {name: constructed(classes[name], tree["init_args"], f"{path}: {name}") for name, tree in trees.items()}
    return made["net"], made["generator"], made["normalization"]


def constructed(found: type, arguments: dict, where: str):
    """An object of the class, its arguments checked against the constructor's signature. Raises InputError where they do not fit."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(found, "object")
    try:
        with torch.device("meta"):
            return parser.instantiate(parser.parse_object({"object": arguments} if arguments else {})).object
    except Exception as error:  # constructors refuse what they are given in any way
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{where}: no {found.__name__} can be built of what stands there ({reason}); {REMEDY}") from error
