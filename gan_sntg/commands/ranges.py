"""Which values of a run's options can be none? Each is refused by its name before anything is made of it."""

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


def check_seed(name: str, value: int) -> None:
    """Raise InputError unless generators can be seeded with it."""
    if not 0 <= value < 2**63:
        raise InputError(f"{name} is {value}; give a whole number from 0 to 2^63 - 1")


def check_threads(threads: int | None) -> None:
    """Raise InputError unless so many threads can be made."""
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise InputError(f"threads is {threads}; give at least 1 and at most {MOST_THREADS:,}, or leave it out")
