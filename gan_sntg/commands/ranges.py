"""Which values of a run's options can be none? Each is refused by its name before anything is made of it."""

import sys
from types import NoneType
from typing import get_args, get_type_hints

from jsonargparse import Namespace

from gan_sntg.core.errors import InputError

NEEDED = ("data", "normalization", "method", "epochs")
NEVER_NULL = (
    "balance",
    "label_noise",
    "batch_size",
    "interval_epochs",
    "seed",
    "data_seed",
    "validation",
    "precision",
    "compile",
    "keep",
    "on_nonfinite",
    "liveness",
    "device",
)
MOST_THREADS = 1024
LINKED = ("image_shape", "num_classes", "num_examples")  # arguments that the data give


def check_given(options: Namespace) -> None:
    """Raise InputError unless what a run needs is given and in its range."""
    for name in NEEDED:
        if options[name] is None:
            raise InputError(f"the option {name} is not set; give it in the file of --config or as --{name}")
    check_never_null(options)
    for name in ("epochs", "interval_epochs", "batch_size", "labeled_batch_size"):
        if options[name] is not None and options[name] < 1:
            raise InputError(f"{name} is {options[name]}; give at least 1")
    check_seed("seed", options.seed)
    check_seed("data_seed", options.data_seed)
    check_threads(options.threads)
    if options.keep < 1:
        raise InputError(f"keep is {options.keep}; give at least 1 checkpoint to keep")
    for name in ("max_minutes", "checkpoint_minutes"):
        if options[name] is not None and not options[name] > 0:
            raise InputError(f"{name} is {options[name]}; give a time above 0, or null for none")


def check_never_null(options: Namespace) -> None:
    """Raise InputError where an option is null that has no such value."""
    for name in NEVER_NULL:
        if options[name] is None:
            raise InputError(f"{name} is null; give a value, or leave it out for its default")
    for name in ("data", "normalization", "method"):
        if options[name] is not None:
            check_nulls(options[name], name)


def check_nulls(chosen: Namespace, where: str) -> None:
    """Raise InputError where an argument of a class, or of those in it, is null that has no such value: jsonargparse lets it pass."""
    for name, value in vars(chosen.get("init_args") or Namespace()).items():
        if isinstance(value, Namespace) and "class_path" in value:
            check_nulls(value, f"{where}.{name}")
        elif value is None and name not in LINKED and not may_be_null(chosen.class_path, name):
            raise InputError(f"{where}.{name} is null; give a value, or leave it out for its default")


def may_be_null(class_path: str, name: str) -> bool:
    """Whether null is a value of this argument of a class, by the annotation of the constructor that has it."""
    module, _, kind = class_path.rpartition(".")
    hints = (get_type_hints(base.__init__) for base in getattr(sys.modules[module], kind).__mro__)
    return NoneType in next((get_args(found[name]) for found in hints if name in found), (NoneType,))


def check_seed(name: str, value: int) -> None:
    """Raise InputError unless generators can be seeded with it."""
    if not 0 <= value < 2**63:
        raise InputError(f"{name} is {value}; give a whole number from 0 to 2^63 - 1")


def check_threads(threads: int | None) -> None:
    """Raise InputError unless so many threads can be made."""
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise InputError(f"threads is {threads}; give at least 1 and at most {MOST_THREADS:,}, or leave it out")
