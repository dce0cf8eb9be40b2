"""Measure a run's last checkpoint: errors, confusion, calibration."""

import json
from pathlib import Path

from jsonargparse import Namespace
from torch import Tensor

from gan_sntg.commands.building import Parts, build, pick_device, read_run
from gan_sntg.commands.parsing import Parser
from gan_sntg.core import checkpoint, engine
from gan_sntg.core.data.base import Source
from gan_sntg.core.errors import InputError
from gan_sntg.core.evaluate import class_errors, confusion_matrix, logits_of, percent_wrong, reliability
from gan_sntg.core.record import RunFolder
from gan_sntg.figures import save_reliability

DESCRIPTION = (
    "Print, as JSON, the test errors in percent of a run's last checkpoint; of its averaged classifier also the confusion matrix "
    "(rows: labels), the errors of each class in percent and the expected calibration error in 0..1. Writes RUN/reliability.png."
)


def parser() -> Parser:
    """RUN and where to compute."""
    return run_parser("evaluate", DESCRIPTION)


def run_parser(name: str, description: str) -> Parser:
    """What every command on a run takes: RUN, --root and --device, as `load` needs them."""
    parser = Parser(prog=f"gan-sntg {name}", description=description)
    parser.add_argument("run", type=str, help="run folder")
    parser.add_argument("--root", type=str | None, default=None, help="folder of the data that the run was trained on, if it has moved")
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
    """Print the figures and draw the averaged classifier's reliability."""
    parts, progress = load(options.run, options.device, options.root)
    x, y = parts.source.test_x.to(parts.device), parts.source.test_y
    logits = {name: logits_of(net, x, parts.normalization).cpu() for name, net in parts.method.classifiers.items()}
    figures = {"epoch": progress.epoch, "step": progress.step} | {f"test_error_{k}": percent_wrong(v, y) for k, v in logits.items()}
    print(as_json(figures | averaged_figures(logits["averaged"], y, class_names(parts.source))))
    picture = Path(options.run) / "reliability.png"
    try:
        save_reliability(picture, reliability(logits["averaged"], y))
    except OSError as error:
        raise InputError(f"{picture} cannot be written ({error}); evaluate a copy of the run folder that can be written to") from error


def averaged_figures(logits: Tensor, y: Tensor, names: list[str]) -> dict:
    """The averaged classifier's confusion, per-class errors (null where there are no images) and ECE. logits [N, K], y [N]."""
    confusion = confusion_matrix(logits, y)
    errors = [None if e != e else e for e in class_errors(confusion).tolist()]
    return {
        "classes": names,
        "confusion": confusion.tolist(),
        "class_errors": dict(zip(names, errors, strict=True)),
        "calibration_error": reliability(logits, y).calibration_error,
    }


def class_names(source: Source) -> list[str]:
    """The names of the classes where the data give them, else their numbers."""
    return source.class_names or [str(k) for k in range(source.num_classes)]


def as_json(figures: dict) -> str:
    """A JSON object with one line a key."""
    return "{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in figures.items()) + "\n}"
