"""The card of a run: what its export is, and where it is from."""

import hashlib
import inspect
import json
import sys
from dataclasses import asdict

from jsonargparse import Namespace

from gan_sntg.data.dataset import Dataset
from gan_sntg.evaluation.fidelity_records import measurements
from gan_sntg.evaluation.samples import BANK_SIZE
from gan_sntg.export.card import FORMAT, Architecture, Card, InputSpec, ObjectSpec
from gan_sntg.files.hashes import tensor_sha256
from gan_sntg.runs.build import RunObjects
from gan_sntg.runs.folder import PACKAGES, RunFolder, installed
from gan_sntg.runs.loading import class_names
from gan_sntg.runs.options import identity
from gan_sntg.training.loop import Progress


def card_of_run(folder: RunFolder, config: Namespace, parts: RunObjects, progress: Progress, weights: str) -> Card:
    """The card of an export of these weights, without the hashes of its files."""
    source = parts.source
    points = len(source.image_shape) == 1
    dtype, limits = ("float32", None) if points else ("uint8", [0, 255])
    meaning = "points, coordinates standardised" if points else "images, [channels, height, width]"
    return Card(
        format=FORMAT,
        packages={name: installed(name) for name in (*PACKAGES, "safetensors")},
        architecture=architecture(config, parts),
        input=InputSpec(dtype, list(source.image_shape), limits, meaning),
        output={"dtype": "float32", "shape": [source.num_classes], "meaning": "logits, one for each of the classes"},
        classes=class_names(source),
        weights=weights,
        evaluation=recorded_errors(folder, source, progress, weights),
        generator=generator_facts(folder, parts, progress),
        provenance=run_provenance(folder, config, parts, progress),
        files={},
    )


def architecture(config: Namespace, parts: RunObjects) -> Architecture:
    """Class and arguments of networks and normalization, those that the data give included."""
    arguments, method = config.method.init_args, parts.method
    net = next(name for name in ("discriminator", "net") if name in arguments)
    return Architecture(
        net=object_spec(arguments[net], method.classifiers["last"], parts.source),
        generator=None if method.generator is None else object_spec(arguments.generator, method.generator, parts.source),
        normalization=object_spec(config.normalization, parts.normalization, parts.source),
    )


def object_spec(config: Namespace, made: object, source: Dataset) -> ObjectSpec:
    """Class and arguments of an object that was made from its configuration and the data."""
    linked = {"image_shape": list(source.image_shape), "num_classes": source.num_classes}
    accepted = inspect.signature(type(made)).parameters
    filled = {name: value for name, value in linked.items() if name in accepted}
    return ObjectSpec(public_path(type(made)), dict(config.get("init_args") or {}) | filled)


def public_path(kind: type) -> str:
    """The shortest path by which a class can be imported: that of its room, if the room exports it."""
    parts = kind.__module__.split(".")
    modules = (".".join(parts[: n + 1]) for n in range(len(parts)))
    module = next(module for module in modules if getattr(sys.modules.get(module), kind.__name__, None) is kind)
    return f"{module}.{kind.__name__}"


def recorded_errors(folder: RunFolder, source: Dataset, progress: Progress, weights: str) -> dict:
    """Errors of these weights in percent, as recorded with the checkpoint; null where none is."""
    row = next((row for row in folder.rows() if row["step"] == progress.step), {})
    errors = {f"{part}_error": row.get(f"{part}_error/{weights}") for part in ("test", "validation")}
    return errors | {"test_examples": len(source.test_x), "test_sha256": tensor_sha256(source.test_x)}


def generator_facts(folder: RunFolder, parts: RunObjects, progress: Progress) -> dict | None:
    """The generator's input and output, and the fidelity of these very weights; None where there is none."""
    generator = parts.method.generator
    return generator and {
        "latent": generator.latent,
        "z": "float32, uniform in [0, 1]",
        "weights": "last",
        "statistics": f"fixed on a bank of {BANK_SIZE} z",
        "output": {"dtype": "uint8", "shape": list(parts.source.image_shape), "range": [0, 255]},
        "fidelity": [asdict(m) for m in measurements(folder.path) if m.generator.get("step") == progress.step],
    }


def run_provenance(folder: RunFolder, config: Namespace, parts: RunObjects, progress: Progress) -> dict:
    """Data, labels, seeds, configuration, length, code and packages of the run."""
    same, session = identity(folder.read_options()), (folder.sessions() or [{}])[-1]
    return {
        "finished": folder.finished,
        "epoch": progress.epoch,
        "epochs": config.epochs,
        "step": progress.step,
        "method": config.method.class_path,
        "seed": config.seed,
        "data_seed": parts.split.data_seed,
        "labels": len(parts.split.labeled),
        "data": parts.source.name,
        "data_sha256": parts.source.sha256,
        "split_sha256": hashlib.sha256(parts.split.text().encode()).hexdigest(),
        "config_sha256": hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest(),
        "config": same,
        "git": session.get("git"),
        "packages": session.get("packages"),
    }
