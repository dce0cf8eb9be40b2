"""The objects of a run, built from its options."""

import importlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jsonargparse import Namespace
from torch import Tensor

from gan_sntg.data.custom import ImageFolder
from gan_sntg.data.dataset import Dataset
from gan_sntg.data.loader import UNLABELED, Loader, Pool
from gan_sntg.data.normalization import Normalization
from gan_sntg.data.splits import Balance, Split, load_split, make_split
from gan_sntg.distributed import rank, world_size
from gan_sntg.distributed.process_group import own_device
from gan_sntg.errors import InputError
from gan_sntg.files.yaml_files import load_yaml
from gan_sntg.networks.passes import CompiledForward, use
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.options import RunOptions, config_parser
from gan_sntg.runs.parsing import Parser, check_options
from gan_sntg.training.cuda_graphs import CudaGraphGradients, Recordable
from gan_sntg.training.data_parallel import check_shares
from gan_sntg.training.method import Method


@dataclass
class RunObjects:
    """The objects of one run."""

    source: Dataset
    split: Split
    streams: Loader
    normalization: Normalization
    method: Method
    device: torch.device


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one. Raises InputError for a device that is not there."""
    if name not in ("cpu", "cuda", "auto"):
        raise InputError(f"--device is {name!r}; give cpu, cuda or auto")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: PyTorch finds no CUDA device here; use --device cpu or auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


Objects = tuple[Dataset, Normalization, Method]


def build(parser: Parser, options: Namespace) -> RunObjects:
    """As `assemble`, of parsed options."""
    return assemble(RunOptions.of(options), instantiate(parser, options))


def instantiate(parser: Parser, options: Namespace) -> Callable[[], Objects]:
    """A function that makes data, normalization and method of parsed options."""

    def make() -> Objects:
        objects = parser.instantiate(options)
        return objects.data, objects.normalization, objects.method

    return make


def assemble(options: RunOptions, make: Callable[[], Objects]) -> RunObjects:
    """Build all a run needs, on its device; write nothing. make: called once the seed is set."""
    if options.compile and world_size() > 1:
        raise InputError("passes that wait for other processes are not compiled; with torchrun leave --compile out")
    device = own_device(pick_device(options.device))
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    source, normalization, method = make()
    method.to(device)
    check_shares(method, batch_size=options.sizes[0], labeled_batch_size=options.sizes[1])
    for note in source.notes if rank() == 0 else []:
        print(note, file=sys.stderr)
    split = choose_split(options, source)
    fit_normalization(normalization, source.train_x[split.pool(source)], method)
    pool = Pool(source.train_x, source.train_y, split.known(source), split.pool(source), normalization, device)
    streams = Loader(pool, options.batch_size, options.seed, options.steps_per_epoch, options.labeled_batch_size, method.views)
    if options.compile:
        use(CompiledForward(), method)
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # float32 is what it says
        if options.cuda_graphs and isinstance(method, Recordable) and method.recordable and world_size() == 1:
            method.gradients = CudaGraphGradients()
    method.prepare(source, pool)
    method.seed(options.seed, device)
    method.check(*options.sizes)
    return RunObjects(source, split, streams, normalization, method, device)


def fit_normalization(normalization: Normalization, x: Tensor, method: Method) -> None:
    """Fit on the pool's examples x [U, ...]; check that it can be undone where the method generates."""
    normalization.check(x)
    normalization.fit(x)
    if method.generator is not None:
        normalization.images(normalization(x[:2]))


def choose_split(options: RunOptions | Namespace, source: Dataset) -> Split:
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
        if (given := getattr(options, name)) != value:
            there, here = (getattr(v, "name", str(v).lower()).replace("none", "null") for v in (value, given))
            raise InputError(f"{options.split} has {name} {there}, but the options say {here}; add --{name} {there}")
    return split


def read_run(folder: Path) -> tuple[Parser, Namespace]:
    """The options that a run folder was trained with. Raises InputError where it is no run folder."""
    run = RunFolder(folder)
    run.check_made()
    run.check_code()
    parser = config_parser()
    return parser, parser.parse_tree(run.read_options(), run.config)


def source_of(options: Namespace) -> Dataset:
    """The data set that the options name; no network is built. Raises InputError where they name none."""
    if not options.data:
        raise InputError("the option data is not set; give it in the file of --config or as --data")
    only_data = options.clone()
    only_data.method = None
    return config_parser().instantiate(only_data).data


def epochs_of(file: str) -> int:
    """The length of the run of a YAML file."""
    return int(load_yaml(Path(file))["epochs"])


def parse_run(options: Namespace, file: str, words: list[str]) -> tuple[Parser, Namespace]:
    """Parser and options of a run of this file, on the device and data that a command's options name."""
    given = ["--config", file, "--device", options.device, *words]
    if options.synthetic:
        given += stand_in(file, load_yaml(Path(file)))
    elif options.root:
        given += ["--data.root", options.root]
    parser = config_parser()
    return parser, parser.parse_args(given)


def stand_in(file: str, tree: dict) -> list[str]:
    """Words that replace a configuration's data files by random images; none where it has no files."""
    check_options(tree, file)  # before anything that it names is imported
    module, _, name = tree["data"]["class_path"].rpartition(".")
    given, source = tree["data"].get("init_args", {}), getattr(importlib.import_module(module), name)
    if issubclass(source, ImageFolder):
        shape, classes = (3 if given.get("color", True) else 1, *[given.get("image_size", 32)] * 2), 3
    elif hasattr(source, "shape"):
        shape, classes = source.shape, source.num_classes
    elif "root" in inspect.signature(source).parameters:
        raise InputError(f"{file}: {name} declares no shape of its images; leave --synthetic out")
    else:
        return []
    sizes = {"shape": list(shape), "num_classes": classes, "n": max(4200, (tree.get("labels") or 0) * 11 // 10)}
    made = ["--data", "gan_sntg.data.Synthetic"]
    return [*made, *(word for key, value in sizes.items() for word in (f"--data.{key}", str(value)))]
