"""Measure the errors of a run's last checkpoint."""

import json
from pathlib import Path

from jsonargparse import Namespace

from gan_sntg.commands.building import Parts, build, pick_device, read_run
from gan_sntg.commands.parsing import Parser
from gan_sntg.core import checkpoint, engine
from gan_sntg.core.errors import InputError
from gan_sntg.core.evaluate import error_rate
from gan_sntg.core.record import RunFolder


def parser() -> Parser:
    """RUN and where to compute."""
    parser = Parser(prog="gan-sntg evaluate", description="Print, as JSON, the errors in percent of a run's last checkpoint.")
    parser.add_argument("run", type=str, help="run folder")
    parser.add_argument("--root", type=str | None, default=None, help="folder of the data, if it has moved")
    parser.add_argument("--device", type=str, default="auto", help="cpu, cuda or auto")
    return parser


def load(run: str, device: str, root: str | None = None) -> tuple[Parts, engine.Progress]:
    """The objects of a run as of its last checkpoint. Raises InputError where there is none."""
    folder = RunFolder(Path(run))
    parser, options = read_run(folder.path)
    options.device, options.split = pick_device(device).type, str(folder.split)
    if root and "root" not in (options.data.get("init_args") or {}):
        raise InputError(f"--root {root}: the data of {run} ({options.data.class_path}) are not read from a folder; leave --root out")
    if root:
        options.data.init_args.root = root
    if not folder.checkpoint.exists():
        raise InputError(f"{run} has no checkpoint yet; train it first")
    parts, progress = build(parser, options), engine.Progress()
    checkpoint.restore(folder.checkpoint, parts.method, parts.streams, progress)
    return parts, progress


def run(options: Namespace) -> None:
    """Print the errors."""
    parts, progress = load(options.run, options.device, options.root)
    x, y = parts.source.test_x.to(parts.device), parts.source.test_y.to(parts.device)
    errors = {f"test_error_{name}": error_rate(net, x, y, parts.normalization) for name, net in parts.method.classifiers.items()}
    print(json.dumps({"epoch": progress.epoch, "step": progress.step} | errors, indent=1))
