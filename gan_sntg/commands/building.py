"""What does a configuration stand for? Its options declared once, and the objects made from them."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jsonargparse import Namespace
from torch import Tensor

from gan_sntg.commands.parsing import Parser
from gan_sntg.commands.ranges import check_given
from gan_sntg.core.data.balance import Balance
from gan_sntg.core.data.base import Source
from gan_sntg.core.data.manifests import load_split
from gan_sntg.core.data.splits import Split, make_split
from gan_sntg.core.data.streams import UNLABELED, Pool, Streams
from gan_sntg.core.data.whiten import Normalization
from gan_sntg.core.engine import Method
from gan_sntg.core.errors import InputError
from gan_sntg.core.execution import Compiled, use
from gan_sntg.core.parallel import check_norms, check_sizes
from gan_sntg.core.precision import Precision
from gan_sntg.core.ranks import ALONE, Alone, Scope
from gan_sntg.core.record import RunFolder
from gan_sntg.core.replay import Replayed
from gan_sntg.core.torchrun import own_device

NETS = ("discriminator", "generator", "net")
PLACE = ("config", "out", "device", "split", "cuda_graphs")  # where and on what a run happens; all else but CARE is what it is
CARE = ("max_minutes", "checkpoint_minutes", "keep", "on_nonfinite", "liveness")  # how it is looked after, which may change


@dataclass
class Parts:
    """The objects of one run."""

    source: Source
    split: Split
    streams: Streams
    normalization: Normalization
    method: Method
    device: torch.device


def config_parser() -> Parser:
    """The options of a run."""
    parser = Parser(prog="gan-sntg train", description="Train one method on one data set; a run folder that exists is resumed.")
    parser.add_argument("--config", action="config", help="YAML file of the options below; those given after it win")
    parser.add_argument("--data", type=Source, help="data set: class_path and init_args")
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
    parser.add_argument("--pair_scope", type=Scope, default=Scope.all, help="by torchrun: pairs of the graph within each rank or of all")
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
    for net in NETS:
        for name in ("image_shape", "num_classes"):
            parser.link_arguments("data", f"method.init_args.{net}.init_args.{name}", lambda d, n=name: getattr(d, n), "instantiate")
    for name in ("num_examples", "num_classes"):
        parser.link_arguments("data", f"method.init_args.{name}", lambda d, n=name: getattr(d, n), "instantiate")
    return parser


def identity(config: dict) -> dict:
    """What makes two configurations the same run: all of it but PLACE, CARE and where the data lie."""
    tree = {k: v for k, v in config.items() if k not in (*PLACE, *CARE)}
    data = tree.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("init_args"), dict):
        return tree
    return tree | {"data": data | {"init_args": {k: v for k, v in data["init_args"].items() if k not in ("root", "download")}}}


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one. Raises InputError for a device that is not there."""
    if name not in ("cpu", "cuda", "auto"):
        raise InputError(f"--device is {name!r}; give cpu, cuda or auto")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: PyTorch finds no CUDA device here; use --device cpu or auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def build(parser: Parser, options: Namespace, team: Alone = ALONE) -> Parts:
    """Everything that a run needs, on its device, as before the first step. Raises InputError; writes nothing. team: that will train it."""
    check_given(options)
    sizes = options.batch_size, options.labeled_batch_size or options.batch_size
    check_sizes(team, batch_size=sizes[0], labeled_batch_size=sizes[1])
    device = own_device(team, pick_device(options.device))
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    objects = parser.instantiate(options)
    source, method = objects.data, objects.method.to(device)
    check_norms(team, method)
    for note in source.notes if team.first else []:
        print(note, file=sys.stderr)
    split = choose_split(options, source)
    fit(objects.normalization, source.train_x[split.pool(source)], method)
    pool = Pool(source.train_x, source.train_y, split.known(source), split.pool(source), objects.normalization, device)
    streams = Streams(pool, options.batch_size, options.seed, options.steps_per_epoch, options.labeled_batch_size, method.views)
    if options.compile:
        use(Compiled(), method)
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # float32 is what it says
        if options.cuda_graphs and method.recordable and team.world == 1:
            method.descent = Replayed()
    method.prepare(source, pool)
    method.seed(options.seed, device)
    method.check(*map(team.paired_size, sizes))
    return Parts(source, split, streams, objects.normalization, method, device)


def fit(normalization: Normalization, x: Tensor, method: Method) -> None:
    """Fit on the pool's examples x [U, ...], if they are of its kind; where the method has a generator, make sure that it can be undone."""
    normalization.check(x)
    normalization.fit(x)
    if getattr(method, "generator", None) is not None:
        normalization.images(normalization(x[:2]))


def choose_split(options: Namespace, source: Source) -> Split:
    """The manifest of --split, else one made from the options."""
    if not options.split:
        return make_split(source, options.labels, options.data_seed, options.validation, options.balance, options.label_noise)
    split = load_split(Path(options.split), source)
    every = int((source.train_y[split.pool(source)] != UNLABELED).sum())
    found = {
        "labels": None if options.labels is None and len(split.labeled) == every else len(split.labeled),
        "validation": bool(split.validation),
        "data_seed": split.data_seed,
        "balance": Balance[split.balance],
        "label_noise": split.label_noise,
    }
    for name, value in found.items():
        if options[name] != value:
            there, here = (getattr(v, "name", str(v).lower()).replace("none", "null") for v in (value, options[name]))
            raise InputError(f"{options.split} has {name} {there}, but the options say {here}; add --{name} {there}")
    return split


def read_run(folder: Path) -> tuple[Parser, Namespace]:
    """The options that a run folder was trained with. Raises InputError where it is no run folder."""
    RunFolder(folder).check_made()
    parser = config_parser()
    return parser, parser.parse_args(["--config", str(RunFolder(folder).config)])
