"""Loading of a trained run for the commands that read one."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import track
from torch import Tensor

from gan_sntg.data.dataset import Dataset
from gan_sntg.errors import InputError
from gan_sntg.runs.build import RunObjects, build, pick_device, read_run
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.parsing import Parser
from gan_sntg.training import checkpoint as training_checkpoint
from gan_sntg.training import loop


def folder_parser(name: str, description: str) -> Parser:
    """RUN, --root and --checkpoint, as `load` needs them."""
    parser = Parser(prog=f"gan-sntg {name}", description=description)
    parser.add_argument("run", type=str, help="run folder")
    parser.add_argument("--root", type=str | None, default=None, help="folder of the data that the run was trained on, if it has moved")
    which = "the newest, or, of a run with validation images, that of the least validation error"
    parser.add_argument("--checkpoint", type=Literal["last", "best"], default="last", help=which)
    return parser


def run_parser(name: str, description: str) -> Parser:
    """What a command takes that computes something of a run: RUN, --root and --device."""
    parser = folder_parser(name, description)
    parser.add_argument("--device", type=str, default="auto", help="cpu, cuda or auto")
    return parser


def load(run: str, device: str, root: str | None = None, which: str = "last") -> tuple[RunObjects, loop.Progress]:
    """The objects of a run as of its last checkpoint, or the best. Raises InputError where there is none."""
    folder = RunFolder(Path(run))
    parser, options = read_run(folder.path)
    options.device, options.split = pick_device(device).type, str(folder.split)
    if root and "root" not in (options.data.get("init_args") or {}):
        raise InputError(f"--root {root}: the data of {run} ({options.data.class_path}) are not read from a folder; leave --root out")
    if root:
        options.data.init_args.root = root
    path = folder.checkpoint if which == "last" else folder.best
    if not training_checkpoint.generations(path):
        raise InputError(
            f"{run} has no checkpoint yet; train it first"
            if which == "last"
            else f"{run} has no best checkpoint: it was trained without validation images; leave --checkpoint out"
        )
    return restore(path, build(parser, options))


def restore(path: Path, parts: RunObjects) -> tuple[RunObjects, loop.Progress]:
    """Freshly built objects and the progress, as of a checkpoint."""
    progress = loop.Progress()
    training_checkpoint.put_back(*training_checkpoint.newest(path, parts.device), parts.method, parts.streams, progress)
    return parts, progress


def class_names(source: Dataset) -> list[str]:
    """The names of the classes where the data give them, else their numbers."""
    return source.class_names or [str(k) for k in range(source.num_classes)]


def shown(blocks: Iterable[Tensor], total: int) -> Iterable[Tensor]:
    """The blocks, with a progress bar on stderr."""
    return track(blocks, "images", total, console=Console(stderr=True))
