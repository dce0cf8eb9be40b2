"""The description of a run that its export's card holds."""

import hashlib
import inspect
import json

from jsonargparse import Namespace
from torch import nn

from gan_sntg.data.dataset import Dataset
from gan_sntg.data.normalization import Normalization
from gan_sntg.evaluation.fidelity_records import as_entry, measurements
from gan_sntg.evaluation.samples import BANK_SIZE
from gan_sntg.export.card import FORMAT
from gan_sntg.files.hashes import tensor_sha256
from gan_sntg.runs.build import RunObjects
from gan_sntg.runs.folder import PACKAGES, RunFolder, installed
from gan_sntg.runs.loading import class_names
from gan_sntg.runs.options import identity
from gan_sntg.training.loop import Progress


def described(folder: RunFolder, config: Namespace, parts: RunObjects, progress: Progress, weights: str) -> dict:
    """The card of an export of these weights, without the hashes of its files."""
    generator = parts.method.generator
    return {
        "format": FORMAT,
        "packages": {name: installed(name) for name in (*PACKAGES, "safetensors")},
        "architecture": architecture(config, parts),
        "input": input_of(parts.source),
        "output": {"dtype": "float32", "shape": [parts.source.num_classes], "meaning": "logits, one for each of the classes"},
        "classes": class_names(parts.source),
        "weights": weights,
        "evaluation": evaluation(folder, parts.source, progress, weights),
        "generator": None if generator is None else generator_of(folder, generator.latent, parts.source, progress),
        "provenance": provenance(folder, config, parts, progress),
    }


def architecture(config: Namespace, parts: RunObjects) -> dict:
    """Class and arguments of the networks and the normalization: the configuration's, with what it has from the data filled in."""
    arguments, method = config.method.init_args, parts.method
    net = next(name for name in ("discriminator", "net") if name in arguments)
    generator = method.generator
    return {
        "net": constructed(arguments[net], method.classifiers["last"], parts.source),
        "generator": None if generator is None else constructed(arguments.generator, generator, parts.source),
        "normalization": constructed(config.normalization, parts.normalization, parts.source),
    }


def constructed(config: Namespace, made: nn.Module | Normalization, source: Dataset) -> dict:
    """{class_path, init_args} of an object."""
    linked = {"image_shape": list(source.image_shape), "num_classes": source.num_classes}
    accepted = inspect.signature(type(made)).parameters
    given = dict(config.get("init_args") or {})
    return {"class_path": config.class_path, "init_args": given | {name: value for name, value in linked.items() if name in accepted}}


def input_of(source: Dataset) -> dict:
    """What the classifier and its program take: examples as the data set holds them."""
    if len(source.image_shape) == 1:
        return {"dtype": "float32", "shape": list(source.image_shape), "range": None, "meaning": "points, coordinates standardised"}
    return {"dtype": "uint8", "shape": list(source.image_shape), "range": [0, 255], "meaning": "images, [channels, height, width]"}


def evaluation(folder: RunFolder, source: Dataset, progress: Progress, weights: str) -> dict:
    """Errors in percent of these weights, of validation where images were held out, as recorded with the checkpoint; null where none is."""
    row = next((row for row in folder.rows() if row["step"] == progress.step), {})
    errors = {f"{part}_error": row.get(f"{part}_error/{weights}") for part in ("test", "validation")}
    return errors | {"test_examples": len(source.test_x), "test_sha256": tensor_sha256(source.test_x)}


def generator_of(folder: RunFolder, latent: int, source: Dataset, progress: Progress) -> dict:
    """What the generator takes and gives, and what was measured of the samples of these very weights."""
    return {
        "latent": latent,
        "z": "float32, uniform in [0, 1]",
        "weights": "last",
        "statistics": f"fixed on a bank of {BANK_SIZE} z",
        "output": {"dtype": "uint8", "shape": list(source.image_shape), "range": [0, 255]},
        "fidelity": [as_entry(m) for m in measurements(folder.path) if m.generator.get("step") == progress.step],
    }


def provenance(folder: RunFolder, config: Namespace, parts: RunObjects, progress: Progress) -> dict:
    """Data, labels, seeds, configuration, length, code and packages of the run."""
    same = identity(folder.read_options())
    session = (folder.sessions() or [{}])[-1]
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
