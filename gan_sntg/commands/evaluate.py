"""Measure a run's last checkpoint: errors, confusion, calibration."""

import json
from pathlib import Path

import torch
from jsonargparse import Namespace
from torch import Tensor

from gan_sntg.commands import fidelity
from gan_sntg.commands.loading import class_names, load, run_parser
from gan_sntg.commands.parsing import Parser
from gan_sntg.core.errors import InputError
from gan_sntg.core.evaluate import class_errors, confusion_matrix, logits_of, percent_wrong, reliability
from gan_sntg.figures import save_reliability
from gan_sntg.provenance import record

DESCRIPTION = (
    "Print, as JSON, the test errors in percent of a run's last checkpoint; of its averaged classifier also the confusion matrix "
    "(rows: labels), the errors of each class in percent and the expected calibration error in 0..1. Writes RUN/reliability.png. With "
    "--fidelity also the quality of the generator's samples, which is kept with how it was measured in RUN/fidelity.json."
)


def parser() -> Parser:
    """RUN, where to compute, and how fidelity is measured."""
    parser = run_parser("evaluate", DESCRIPTION)
    fidelity.add_options(parser)
    return parser


def run(options: Namespace) -> None:
    """Print the figures, draw the averaged classifier's reliability, keep what was measured of the samples."""
    threads = torch.get_num_threads()
    parts, progress = load(options.run, options.device, options.root, options.checkpoint)
    x, y = parts.source.test_x.to(parts.device), parts.source.test_y
    logits = {name: logits_of(net, x, parts.normalization).cpu() for name, net in parts.method.classifiers.items()}
    figures = {"epoch": progress.epoch, "step": progress.step} | {f"test_error_{k}": percent_wrong(v, y) for k, v in logits.items()}
    figures |= averaged_figures(logits["averaged"], y, class_names(parts.source))
    measured = fidelity.measured(options, parts, progress, threads) if options.fidelity else None
    print(as_json(figures | (fidelity.figures(measured) if measured else {})))
    try:
        save_reliability(Path(options.run) / "reliability.png", reliability(logits["averaged"], y))
        if measured:
            record(Path(options.run), measured)
    except OSError as error:
        raise InputError(f"{error.filename2 or error.filename} cannot be written ({error}); evaluate a copy of the run folder") from error


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


def as_json(figures: dict) -> str:
    """A JSON object with one line a key."""
    return "{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in figures.items()) + "\n}"
