"""The options of a run: declared once, validated by name, and compared."""

import sys
from types import NoneType
from typing import Literal, get_args, get_type_hints

from jsonargparse import Namespace

from gan_sntg.data.dataset import Dataset
from gan_sntg.data.normalization import Normalization
from gan_sntg.data.splits import Balance
from gan_sntg.distributed.ranks import Scope
from gan_sntg.errors import InputError
from gan_sntg.networks.precision import Precision
from gan_sntg.runs.parsing import Parser
from gan_sntg.training.method import Method

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
LINKED = ("image_shape", "num_classes")  # arguments that the data give


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


NETWORK_ARGUMENTS = ("discriminator", "generator", "net")
LOCATION_OPTIONS = ("config", "out", "device", "split", "cuda_graphs")  # where and on what a run happens; all else but CARE is what it is
OPERATIONAL_OPTIONS = ("max_minutes", "checkpoint_minutes", "keep", "on_nonfinite", "liveness")  # how it is looked after, which may change


def config_parser() -> Parser:
    """The options of a run."""
    parser = Parser(prog="gan-sntg train", description="Train one method on one data set; a run folder that exists is resumed.")
    parser.add_argument("--config", action="config", help="YAML file of the options below; those given after it win")
    parser.add_argument("--data", type=Dataset, help="data set: class_path and init_args")
    parser.add_argument("--labels", type=int | None, default=None, help="how many images have a known label; null: all that have one")
    parser.add_argument("--balance", type=Balance, default=Balance.equal, help="how they are shared by the classes")
    parser.add_argument("--label_noise", type=float, default=0.0, help="share of the known labels that are drawn anew from all classes")
    parser.add_argument("--normalization", type=Normalization, help="how images or points become what networks see")
    parser.add_argument("--batch_size", type=int, default=100, help="images of each kind a step")
    parser.add_argument("--labeled_batch_size", type=int | None, default=None, help="labelled images a step, where not batch_size")
    parser.add_argument("--method", type=Method, help="method: class_path and init_args")
    parser.add_argument("--epochs", type=int, help="length of the run")
    parser.add_argument("--steps_per_epoch", type=int | None, default=None, help="default: one pass over the pool")
    parser.add_argument("--interval_epochs", type=int, default=1, help="epochs between evaluations, grids and checkpoints")
    parser.add_argument("--seed", type=int, default=0, help="of initialisation, order, noise and z")
    parser.add_argument("--data_seed", type=int, default=0, help="of the choice of labels")
    parser.add_argument("--validation", type=bool, default=False, help="take the validation images out of the pool and report their error")
    parser.add_argument("--precision", type=Precision, default=Precision.float32, help="of products in training; bfloat16 is faster")
    parser.add_argument("--compile", type=bool, default=False, help="compile the networks while training; pays on small ones")
    parser.add_argument("--cuda_graphs", type=bool, default=True, help="on a GPU, record a step and replay it: the same numbers, sooner")
    parser.add_argument("--batch_statistics", type=Scope, default=Scope.all, help="by torchrun: batch norms within each rank or over all")
    parser.add_argument("--threads", type=int | None, default=None, help="CPU threads; part of the run, for sums depend on it")
    parser.add_argument("--split", type=str | None, default=None, help="manifest (split.json) to use instead of choosing labels")
    parser.add_argument("--out", type=str | None, default=None, help="run folder; default runs/<config>-seed<seed>-<hash>")
    parser.add_argument("--device", type=str, default="auto", help="cpu, cuda or auto")
    parser.add_argument("--max_minutes", type=float | None, default=None, help="stop in good time before so many are over, all saved")
    parser.add_argument("--checkpoint_minutes", type=float | None, default=15, help="longest time between checkpoints; null: each interval")
    parser.add_argument("--keep", type=int, default=2, help="how many of the last checkpoints are kept")
    parser.add_argument("--on_nonfinite", type=Literal["stop", "rollback"], default="stop", help="rollback: once, to a tenth of the rate")
    parser.add_argument(
        "--liveness", type=bool, default=True, help="before a run, see that its loss terms are alive and move only what they must"
    )
    for net in NETWORK_ARGUMENTS:
        for name in ("image_shape", "num_classes"):
            parser.link_arguments("data", f"method.init_args.{net}.init_args.{name}", lambda d, n=name: getattr(d, n), "instantiate")
    return parser


def identity(config: dict) -> dict:
    """What makes two configurations the same run: all of it but PLACE, CARE and where the data lie."""
    tree = {k: v for k, v in config.items() if k not in (*LOCATION_OPTIONS, *OPERATIONAL_OPTIONS)}
    data = tree.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("init_args"), dict):
        return tree
    return tree | {"data": data | {"init_args": {k: v for k, v in data["init_args"].items() if k not in ("root", "download")}}}


def flat(tree, prefix: str = "") -> dict[str, str]:
    """{"a.b": value} of a tree of mappings."""
    if not isinstance(tree, dict):
        return {prefix: str(tree)}
    return {k: v for name, branch in tree.items() for k, v in flat(branch, f"{prefix}.{name}".lstrip(".")).items()}
