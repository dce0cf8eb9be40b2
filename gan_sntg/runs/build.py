"""The objects of a run, built from its options or restored from its folder."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal, cast

import torch
from jsonargparse import Namespace
from rich.console import Console
from rich.progress import track
from torch import Tensor

from gan_sntg.data.dataset import Dataset
from gan_sntg.data.image_folder import ImageFolder
from gan_sntg.data.loader import UNLABELED, Loader, MappedPool, Pool
from gan_sntg.data.normalization import Normalization
from gan_sntg.data.splits import Balance, Split, load_split, make_split
from gan_sntg.distributed import rank, world_size
from gan_sntg.distributed.process_group import largest, own_device
from gan_sntg.errors import InputError
from gan_sntg.files.mapped import on_disk, taken
from gan_sntg.files.memory import check_device, images_in_words, placed
from gan_sntg.networks.noise import NoiseTable
from gan_sntg.networks.passes import Compiled, CompiledForward, Precision, fast_precision, take_noise_from, use
from gan_sntg.rng import purpose_generator
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.options import DEVICES, RunOptions, config_reader
from gan_sntg.runs.parsing import Parser
from gan_sntg.training import checkpoint
from gan_sntg.training.cuda_graphs import CudaGraphGradients, Recordable
from gan_sntg.training.data_parallel import check_shares
from gan_sntg.training.loop import Progress
from gan_sntg.training.method import Method
from gan_sntg.training.optim import AdamInside, moved

RESTORE = "restore config.yaml and split.json of the run folder from a copy"


@dataclass
class RunModel:
    """What is read of a run. source: its data, or what its folder holds of them."""

    source: Dataset
    split: Split
    normalization: Normalization
    method: Method
    device: torch.device


@dataclass
class RunObjects(RunModel):
    """The objects of a run with its data."""

    streams: Loader


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one; mps, on which nothing was tested, is used where it is asked for.

    Raises InputError for a device that is not there.
    """
    if name not in ("cpu", "cuda", "mps", "auto"):
        raise InputError(f"--device is {name!r}; give {DEVICES}")
    if name == "cuda" and not torch.cuda.is_available() or name == "mps" and not torch.backends.mps.is_available():
        raise InputError(f"--device {name}: PyTorch finds no {name.upper()} device here; use --device cpu or auto")
    if name == "mps":
        return torch.device("mps")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def build(parser: Parser, options: Namespace, remedy: str = "") -> RunObjects:
    """As `assemble`, of parsed options."""
    return assemble(RunOptions.of(options), lambda: parser.objects(options), remedy)


def instantiate(options: RunOptions, make: Callable[[], Namespace]) -> tuple[Dataset, Normalization, Method, torch.device]:
    """Data, normalization and method, on the device of the options. make: called once the seed is set."""
    if options.compile and world_size() > 1:
        raise InputError("passes that wait for other processes are not compiled; with torchrun leave --compile out")
    device = own_device(pick_device(options.device))
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    with placed(device, options.pool == "mapped"):
        made = make()
        check_device(made.data.name, images_in_words(made.data.num_examples, made.data.image_shape), size_of(made.data))
    method = cast(Method, made.method)
    if options.noise == "table":
        if device.type != "cpu":
            raise InputError(f"noise is table, which is for a CPU, but the run is on {device.type}; leave --noise out, or add --device cpu")
        take_noise_from(NoiseTable(purpose_generator(options.seed, "noise table")), method)
    if options.compile:
        use(CompiledForward(), method)
        for optimizer in method.optimizers.values():
            if isinstance(optimizer, AdamInside):
                optimizer.compiled = Compiled(moved, "Adam's steps are")
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # float32 is what it says
    made.normalization.device, made.normalization.pixels = device, made.data.pixels
    return made.data, made.normalization, method.to(device), device


def size_of(source: Dataset) -> int:
    """Bytes of the images of a data set, those of testing too."""
    return sum(x.numel() * x.element_size() for x in (source.train_x, source.test_x))


def assemble(options: RunOptions, make: Callable[[], Namespace], remedy: str = "") -> RunObjects:
    """Build all a run needs, on its device; write nothing.

    make: called once the seed is set. remedy: see `read_or_make_split`.
    """
    source, normalization, method, device = instantiate(options, make)
    check_shares(method, batch_size=options.sizes[0], labeled_batch_size=options.sizes[1])
    split = choose_split(options, source, remedy)
    if options.pool == "mapped":
        source.train_x = on_disk(source.train_x)
    fit_normalization(normalization, source.train_x, split.pool(source), method)
    kind = MappedPool if options.pool == "mapped" else Pool
    pool = kind(source.train_x, source.train_y, split.known(source), split.pool(source), normalization, device)
    sizes = options.batch_size, options.seed, options.steps_per_epoch, options.labeled_batch_size
    streams = Loader(pool, *sizes, method.views, options.labeled_sampling)
    graphs = options.cuda_graphs and device.type == "cuda" and world_size() == 1
    if graphs and isinstance(method, Recordable):
        method.gradients = CudaGraphGradients()
    method.prepare(source, pool)
    method.seed(options.seed, device)
    method.check(*options.sizes)
    method.check_length(options.epochs)
    return RunObjects(source, split, normalization, method, device, streams)


def fit_normalization(normalization: Normalization, x: Tensor, pool: Tensor, method: Method) -> None:
    """Fit on the pool [U] of examples x [N, ...]; check that it can be undone for images of G."""
    normalization.check(x)
    if method.image_generator and normalization.shape(tuple(x.shape[1:])) != tuple(x.shape[1:]):
        normalization.images(x[:2])  # refused before features are computed
    if type(normalization).fit is not Normalization.fit:
        normalization.fit(taken(normalization.prepare(x), pool))
    if method.image_generator:
        normalization.images(normalization(x[:2]))


def precision_of(options: RunOptions, parts: RunObjects, folder: RunFolder) -> Precision:
    """The precision that a run began with, or is asked for, or `fast_precision` of its classifier.

    It is float32 where it is that on one of the ranks, or the method takes no other.
    """
    if folder.config.exists():
        return Precision[folder.read_options()["precision"]]
    if options.precision != "auto":
        return Precision[options.precision]
    if parts.method.float32_only:
        return Precision.float32
    pool = parts.streams.pool
    found = fast_precision(parts.method.classifiers["last"], pool.view(pool.unlabeled[:1]).x)
    return Precision.float32 if largest([int(found is Precision.float32)])[0] else found


def choose_split(options: RunOptions | Namespace, source: Dataset, remedy: str = "") -> Split:
    """The split of the options; what data and split have to say is printed once, on stderr."""
    say(source.notes)
    split = read_or_make_split(options, source, remedy)
    say(split.notes(source))
    return split


def say(notes: Iterable[str]) -> None:
    """Print sentences for the user on stderr, on the first rank alone."""
    for note in notes if rank() == 0 else []:
        print(note, file=sys.stderr)


def read_or_make_split(options: RunOptions | Namespace, source: Dataset, remedy: str = "") -> Split:
    """The manifest of --split, else one made from the options. remedy: said where they differ."""
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
        if (given := getattr(options, name)) != value:
            there, here = (getattr(v, "name", str(v).lower()).replace("none", "null") for v in (value, given))
            raise InputError(f"{options.split} has {name} {there}, but the options say {here}; {remedy or f'add --{name} {there}'}")
    return split


def read_run(folder: Path) -> tuple[Parser, Namespace]:
    """The options that a run folder was trained with. Raises InputError where it is no run folder."""
    run = RunFolder(folder)
    run.check_made()
    run.check_code()
    parser = config_reader()
    return parser, parser.parse_tree(run.read_options(), run.config)


def source_of(options: Namespace) -> Dataset:
    """The data set that the options name; no network is built. Raises InputError where they name none."""
    if not options.data:
        raise InputError("the option data is not set; give it in the file of --config or as --data")
    only_data = options.clone()
    only_data.method = only_data.normalization = None
    with placed(mapped=options.get("pool") == "mapped"):
        return config_reader().objects(only_data).data


def parse_run(options: Namespace, file: str, words: list[str]) -> tuple[Parser, Namespace]:
    """Parser and options of a run of this file, on the device and data that a command's options name."""
    root = ["--data.root", options.root] if options.root and not options.synthetic else []
    parser = config_reader()
    parsed = parser.parse_args(["--config", file, "--device", options.device, *words, *root])
    RunOptions.of(parsed)  # refuses a file that sets too little
    if options.synthetic:
        parsed.data = stand_in(parsed.data, parsed.labels)
    return parser, parsed


def stand_in(data: Namespace, labels: int | None) -> Namespace:
    """Random images in place of a data set that is read from files; another as it is."""
    module, _, name = data.class_path.rpartition(".")
    source, given = getattr(sys.modules[module], name), data.get("init_args") or Namespace()
    if issubclass(source, ImageFolder):
        shape, classes = (3 if given.color else 1, given.image_size, given.image_size), 3
    elif hasattr(source, "shape"):
        shape, classes = source.shape, source.num_classes
    elif "root" in given:
        raise InputError(f"{name} declares no shape of its images; leave --synthetic out")
    else:
        return data
    n = max(600, min(4200, 2**26 // prod(shape)), (labels or 0) * 11 // 10)  # of large images fewer
    sizes = Namespace(shape=shape, num_classes=classes, n=n)
    return Namespace(class_path="gan_sntg.data.Synthetic", init_args=sizes)


def folder_parser(name: str, description: str) -> Parser:
    """RUN, --root and --checkpoint, as `load` needs them."""
    parser = Parser(prog=f"gan-sntg {name}", description=description)
    parser.add_argument("run", type=str, help="run folder")
    parser.add_argument("--root", type=str | None, default=None, help="folder of the data that the run was trained on, if it has moved")
    which = "the newest, or, of a run with validation images, that of the least validation error (or --metric)"
    parser.add_argument("--checkpoint", type=Literal["last", "best"], default="last", help=which)
    return parser


def run_parser(name: str, description: str) -> Parser:
    """What a command takes that computes something of a run: RUN, --root and --device."""
    parser = folder_parser(name, description)
    parser.add_argument("--device", type=str, default="auto", help=DEVICES)
    return parser


def load(run: str, device: str, root: str | None = None, which: str = "last") -> tuple[RunObjects, Progress]:
    """A run as of its last checkpoint, or the best, with its data. InputError where there is none."""
    _, path, parser, options = opened(run, device, root, which)
    parts, progress = build(parser, options, RESTORE), Progress()
    restore(path, parts, progress)
    return parts, progress


def opened(run: str, device: str, root: str | None, which: str) -> tuple[RunFolder, Path, Parser, Namespace]:
    """A run's folder, checkpoint, parser and options; no object is made. InputError without one."""
    folder = RunFolder(Path(run))
    parser, options = read_run(folder.path)
    options.device, options.split = pick_device(device).type, str(folder.split)
    if root and "root" not in (options.data.get("init_args") or {}):
        raise InputError(f"--root {root}: the data of {run} ({options.data.class_path}) are not read from a folder; leave --root out")
    if root:
        options.data.init_args.root = root
    path = folder.checkpoint if which == "last" else folder.best
    if not checkpoint.generations(path):
        raise InputError(
            f"{run} has no checkpoint yet; train it first"
            if which == "last"
            else f"{run} has no best checkpoint: it was trained without validation images; leave --checkpoint out"
        )
    return folder, path, parser, options


def restore(path: Path, parts: RunModel, progress: Progress, prepared: bool = True) -> None:
    """Bring freshly built networks and progress to a checkpoint's. prepared: by the data."""
    checkpoint.put_back_networks(*checkpoint.newest(path, parts.device), parts.method, progress, prepared)


def class_names(source: Dataset) -> list[str]:
    """The names of the classes where the data give them, else their numbers."""
    return source.class_names or [str(k) for k in range(source.num_classes)]


def shown(blocks: Iterable[Tensor], total: int) -> Iterable[Tensor]:
    """The blocks, with a progress bar on stderr."""
    return track(blocks, "images", total, console=Console(stderr=True))
