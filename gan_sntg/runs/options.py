"""The options of a run: declared once as `RunOptions`, validated by name, and compared."""

import inspect
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import import_module
from math import inf
from types import NoneType
from typing import Any, Literal, Self, get_args, get_type_hints

import yaml
from jsonargparse import Namespace
from torch import nn

from gan_sntg.configurable import kinds
from gan_sntg.data.dataset import Dataset
from gan_sntg.data.loader import LabeledSampling
from gan_sntg.data.normalization import Normalization
from gan_sntg.data.splits import Balance
from gan_sntg.errors import InputError
from gan_sntg.evaluation.classification import Metric
from gan_sntg.files.array_files import sha256_of
from gan_sntg.networks.passes import Precision
from gan_sntg.runs.parsing import ConfigFile, Parser
from gan_sntg.training.method import Method

OBJECTS = {
    "data": (Dataset, "data set"),
    "normalization": (Normalization, "what networks see of an image"),
    "method": (Method, "method of training"),
}
LOCATION_OPTIONS = ("config", "out", "device", "split", "cuda_graphs", "pool")  # where and on what a run is; all else is what it is, but
OPERATIONAL_OPTIONS = ("max_minutes", "checkpoint_minutes", "keep", "on_nonfinite", "liveness", "projector")  # its care, which may change
ADDED_OPTIONS = {  # see `identity`
    "from_run": None,
    "from_optimizers": False,
    "metric": "error",
    "labeled_sampling": "shuffled",
    "noise": "fresh",
}
UNIDENTIFIED = {"data": ("root", "download", "reading"), "normalization": ("download",)}  # arguments that may differ in the same run
PICTURES = {  # arguments that were not there in earlier versions, where they had no choice
    "twins": "refuse",
    "background": 255,
    "white": None,
    "range": None,
    "display": None,
    "channels": None,
    "non_square": "crop",
    "groups": None,
    "shared_groups": "refuse",
}
CLASSES = ("gan_sntg.data", "gan_sntg.schedules", "gan_sntg.graph", "gan_sntg.methods", "discriminative")  # whose a configuration names
LINKED = ("image_shape", "num_classes")  # arguments of networks that the data give
GROUPS = {  # of --help, each by its first option
    "data": "data",
    "method": "method",
    "labels": "labels and batches",
    "epochs": "schedule",
    "seed": "seeds and what is measured",
    "precision": "speed",
    "split": "what a run starts from",
    "out": "place and care",
}
DEVICES = "cpu, cuda, mps (not tested) or auto"
EXAMPLES = """examples:
  gan-sntg train --config mnist_100/fm_gan --data.download true
  gan-sntg train --config mnist_100/fm_gan --method.sntg.weight 0 --seeds 0..4 --scale 0.1
  gan-sntg train --config mnist_100/fm_gan --print_config    show all options of the run, and start none
  gan-sntg train --method.help                               list the methods
  gan-sntg train --method.help FeatureMatchingGAN            list the arguments of one
"""
Noises = Literal["fresh", "table"]
UNSET = ("epochs", *LINKED)  # that are null where a command needs no run, or till the data are there


def option(default: Any, text: str, least: float = -inf, most: float = inf, positive: bool = False, alias: str | None = None) -> Any:
    """A field of `RunOptions` with its help, range and another name."""
    return field(default=default, metadata={"help": text, "range": (least, most, positive), "alias": [alias] if alias else []})


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options of a run besides data, normalization and method. Raises InputError naming the wrong one."""

    labels: int | None = option(None, "images with a known label; null: all that have one")
    balance: Balance = option(Balance.equal, "how the classes share the labels")
    label_noise: float = option(0.0, "share of known labels drawn anew from all classes")
    batch_size: int = option(100, "images of each kind in a step", least=1)
    labeled_batch_size: int | None = option(None, "labelled images in a step; null: batch_size", least=1)
    labeled_sampling: LabeledSampling = option(LabeledSampling.shuffled, "how often each class is in labelled batches")
    epochs: int = option(None, "length of the run", least=1)
    steps_per_epoch: int | None = option(None, "null: one pass over the unlabelled images")
    interval_epochs: int = option(1, "epochs between evaluations, sample grids and checkpoints", least=1)
    seed: int = option(0, "of initial weights, order, noise and z", least=0, most=2**63 - 1)
    data_seed: int = option(0, "of the choice of labelled images", least=0, most=2**63 - 1)
    validation: bool = option(False, "hold out validation images, report their error")
    metric: Metric = option(Metric.error, "what best.pt, tune and progress go by")
    precision: Literal["auto", "float32", "bfloat16"] = option("auto", "auto: bfloat16 where it is faster")
    compile: bool = option(False, "compile the networks and Adam; pays for dense networks")
    noise: Noises = option("fresh", "table: Gaussian noise from a table, faster on a CPU")
    cuda_graphs: bool = option(True, "on a GPU, record a step and replay it, faster")
    pool: Literal["resident", "mapped"] = option("resident", "mapped: images in a file, not in memory")
    threads: int | None = option(None, "CPU threads; part of the run, for sums depend on it", least=1, most=1024)
    split: str | None = option(None, "manifest (split.json) that says which labels are known")
    from_run: str | None = option(None, "run folder or checkpoint file: start from its weights and averages", alias="--from")
    from_optimizers: bool = option(False, "with --from: start from its optimizers' moments too")
    out: str | None = option(None, "run folder; default runs/<config>-seed<seed>-<hash>")
    device: str = option("auto", DEVICES)
    max_minutes: float | None = option(None, "stop, with all saved, before they are over", positive=True)
    checkpoint_minutes: float | None = option(15, "between checkpoints at most; null: an interval", positive=True)
    keep: int = option(2, "number of last checkpoints to keep", least=1)
    on_nonfinite: Literal["stop", "rollback"] = option("stop", "rollback: once, to a tenth of the rate")
    projector: bool = option(False, "keep features of images for TensorBoard's projector")
    liveness: bool = option(True, "check first that each loss term moves its network")

    def __post_init__(self):
        for own in fields(self):
            check_option(own.name, getattr(self, own.name))

    @property
    def sizes(self) -> tuple[int, int]:
        """Images of a step's unlabelled batches, and of its labelled one."""
        return self.batch_size, self.labeled_batch_size or self.batch_size

    @classmethod
    def of(cls, options: Namespace) -> Self:
        """The fields of parsed options. Raises InputError where a required one is unset."""
        for name in (*OBJECTS, "epochs"):
            if options[name] is None:
                raise InputError(f"the option {name} is not set; give it in the file of --config or as --{name}, in Python as {name}=...")
        check_nulls(options)
        if options.from_optimizers and not options.from_run:
            raise InputError("from_optimizers is set, but no run to start from; add --from RUN, or leave it out")
        return cls(**{own.name: options[own.name] for own in fields(cls)})


HINTS = get_type_hints(RunOptions)
RANGES = {own.name: own.metadata["range"] for own in fields(RunOptions)}


def check_option(name: str, value: Any) -> None:
    """Raise InputError where a field of `RunOptions` is out of its range."""
    least, most, positive = RANGES[name]
    if isinstance(value, int | float) and (value < least or value > most or positive and not value > 0):
        at_least = f"at least {least}{f' and at most {most:,}' if most < inf else ''}"
        raise InputError(f"{name} is {value}; give {'more than 0, or null for none' if positive else at_least}")


def check_nulls(options: Namespace, hints: dict = HINTS, where: str = "") -> None:
    """Raise InputError where an option, or an argument of its class, is null against its type."""
    for name, value in vars(options).items():
        if isinstance(value, Namespace) and "class_path" in value:
            check_nulls(value.get("init_args") or Namespace(), argument_hints(value.class_path), f"{where}{name}.")
        elif value is None and name in hints and name not in UNSET and NoneType not in get_args(hints[name]):
            raise InputError(f"{where}{name} is null; give a value, or leave it out for its default")


def argument_hints(class_path: str) -> dict[str, Any]:
    """Types of the arguments of a class's constructor and of those above it."""
    module, _, name = class_path.rpartition(".")
    bases = getattr(sys.modules[module], name).__mro__
    return {argument: kind for base in reversed(bases) for argument, kind in get_type_hints(base.__init__).items()}


def made_once(make: Callable[[], Parser]) -> Callable[[], Parser]:
    """A parser that `make` makes once, and again where --allow brought methods with other networks."""
    kept = cache(lambda arguments: make())

    def parser() -> Parser:
        found = kept(tuple(network_arguments()))
        found.files = ()
        return found

    parser.__doc__ = make.__doc__
    return parser


def config_parser() -> Parser:
    """The parser of a run's options: data, normalization and method, and the fields of `RunOptions`."""
    networks = network_arguments()
    what = "Train one method on one data set; a run folder that exists is resumed."
    parser = Parser(prog="gan-sntg train", usage="%(prog)s --config FILE [--OPTION VALUE ...]", description=what, epilog=EXAMPLES)
    parser.add_argument("--config", action=ConfigFile, metavar="FILE", help="YAML file of the options below, which win where given")
    options: dict[str, tuple] = {name: (kind, None, text, []) for name, (kind, text) in OBJECTS.items()}
    options |= {own.name: (HINTS[own.name], own.default, own.metadata["help"], own.metadata["alias"]) for own in fields(RunOptions)}
    group = parser
    for name, (kind, default, text, alias) in options.items():
        group = parser.add_argument_group(GROUPS[name]) if name in GROUPS else group
        group.add_argument(f"--{name}", *alias, type=kind, default=default, help=text)
    for argument in networks:
        network = f"method.init_args.{argument}.init_args"
        parser.link_arguments(("data", "normalization"), f"{network}.image_shape", image_shape, "instantiate")
        parser.link_arguments("data", f"{network}.num_classes", num_classes, "instantiate")
    return parser


config_reader = made_once(config_parser)  # for those who add no options of their own


def image_shape(data: Dataset, normalization: Normalization | None) -> tuple[int, ...]:
    """(C, H, W) of images, (2,) of points, or (D,) of features that stand for images."""
    return normalization.shape(data.image_shape) if normalization else data.image_shape


def num_classes(data: Dataset) -> int:
    """K."""
    return data.num_classes


def network_arguments() -> list[str]:
    """Names of the arguments of all known methods that are networks, or None, whose sizes the data give."""
    for package in CLASSES:
        import_module(package)  # so that its classes are known, and by their short names
    found = []
    for method in kinds(Method):
        for name, hint in get_type_hints(method.__init__).items():
            networks = [kind for kind in (hint, *get_args(hint)) if inspect.isclass(kind) and issubclass(kind, nn.Module)]
            found += [name] if networks and name != "return" else []
    return list(dict.fromkeys(found))


def identity(config: dict) -> dict:
    """The options that make two configurations the same run: no places, no care, no paths or reading.

    Of ADDED_OPTIONS there are those alone that are not as earlier versions had it.
    """
    unused = [name for name, default in ADDED_OPTIONS.items() if (config.get(name) or default) == default]
    tree = {k: v for k, v in config.items() if k not in (*LOCATION_OPTIONS, *OPERATIONAL_OPTIONS, *unused)}
    return tree | {part: located(tree[part], places) for part, places in UNIDENTIFIED.items() if part in tree}


def metric_of(config: dict) -> str:
    """The name of the metric in a run's `identity`."""
    return str(config.get("metric", Metric.error.name))


def located(spec: Any, places: tuple[str, ...]) -> Any:
    """A class and its arguments, without places and without earlier versions' only choices."""
    if not isinstance(spec, dict) or not isinstance(spec.get("init_args"), dict):
        return spec
    own = {k: v for k, v in spec["init_args"].items() if k not in places and (k, v) not in PICTURES.items()}
    return spec | {"init_args": own}


def settled(text: str, precision: Precision) -> str:
    """A configuration whose precision, where it is auto, is this one."""
    return re.sub(r"(?m)^precision: auto$", f"precision: {precision.name}", text)


def short_hash(text: str) -> str:
    """The first 8 digits of the SHA-256 of a configuration's `identity`."""
    return sha256_of(json.dumps(identity(yaml.safe_load(text)), sort_keys=True))[:8]


def is_length(option: str) -> bool:
    """Whether an option, by its path, is a number of epochs, which --scale shortens."""
    name = option.rpartition(".")[2]
    return name == "epochs" or name.endswith("_epochs")


def flat(tree, prefix: str = "") -> dict[str, str]:
    """{"a.b": value} of a tree of mappings."""
    if not isinstance(tree, dict):
        return {prefix: str(tree)}
    return {k: v for name, branch in tree.items() for k, v in flat(branch, f"{prefix}.{name}".lstrip(".")).items()}
