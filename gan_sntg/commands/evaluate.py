"""Measure a run's last checkpoint: errors, confusion, calibration, and sample quality."""

from dataclasses import asdict
from pathlib import Path
from typing import Literal

import torch
from jsonargparse import Namespace
from torch import Tensor

from gan_sntg.data.dataset import Dataset
from gan_sntg.errors import InputError
from gan_sntg.evaluation.classification import (
    class_errors,
    confusion_matrix,
    group_errors,
    logits_of,
    percent_wrong,
    rare_class_scores,
    reliability,
)
from gan_sntg.evaluation.fidelity_records import record
from gan_sntg.files.json_files import json_text
from gan_sntg.runs.build import RunModel, class_names, run_parser
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.parsing import Parser
from gan_sntg.runs.reading import load_model, tested_data
from gan_sntg.training.loop import Progress

EXTRACTOR = (
    "inception; efficientnet_lite0; or the run folder of a classifier trained on all labels. Default: inception for colour images, "
    "runs/classifiers/<data> for digits and MNIST"
)
DESCRIPTION = (
    "Print, as JSON, the test errors in percent of a run's last checkpoint; of its averaged classifier also the confusion matrix "
    "(rows: labels), the errors of each class in percent and, in 0..1, the expected calibration error, balanced accuracy, macro F1, and "
    "AUROC and average precision of each class against the others; where test images have groups, the worst one's error and the "
    "95 % interval of the error over groups. Writes RUN/reliability.png, and RUN/test_classes.npy where a finished "
    "run lacks it: what `gan-sntg compare` tests runs on the same images by. With "
    "--fidelity, in place of all this, or with --test_errors beside it, the quality of the generator's samples, which is kept with how it "
    "was measured in RUN/fidelity.json."
)
EXAMPLES = """examples:
  gan-sntg evaluate runs/sntg
  gan-sntg evaluate runs/sntg --fidelity
"""


def parser() -> Parser:
    """RUN, where to compute, and how fidelity is measured."""
    parser = run_parser("evaluate", DESCRIPTION)
    parser.epilog = EXAMPLES
    parser.add_argument("--fidelity", action="store_true", help="measure IS, FID, KID, precision and recall, and keep them in RUN")
    parser.add_argument("--test_errors", action="store_true", help="with --fidelity: evaluate the test images too")
    parser.add_argument("--samples", type=int, default=50_000, help="generated images that are scored")
    parser.add_argument("--reference", type=Literal["train", "test"], default="train", help="real images that they are scored against")
    parser.add_argument("--extractor", type=str | None, default=None, help=EXTRACTOR)
    parser.add_argument("--inception_weights", type=str | None, default=None, help="other weights of Inception; scores bear their hash")
    parser.add_argument("--download", action="store_true", help="fetch Inception's weights into the data folder if they are not there")
    parser.add_argument("--extractor_batch_size", type=int, default=100, help="images at once; changes nothing but memory and speed")
    return parser


def run(options: Namespace) -> None:
    """Print the figures, draw the averaged classifier's reliability, record the samples' fidelity."""
    threads, folder = torch.get_num_threads(), RunFolder(Path(options.run))
    parts, progress = load_model(options.run, options.device, options.root, options.checkpoint)
    source = tested_data(options.run, options.root, parts)
    averaged, measured, errors, others, scores = None, None, {}, {}, {}
    if options.test_errors or not options.fidelity:
        averaged, errors, others = tested(parts, source)
    if options.fidelity:
        from gan_sntg.runs.sample_quality import measured_fidelity  # noqa: PLC0415  as slow to load as torch

        measured = measured_fidelity(options, parts, source, progress, threads)
        scores = {name: asdict(score) for name, score in measured.scores.items()}
        others |= {"provenance": measured.provenance, "generator": measured.generator}
    figures = {"run": str(folder.path)} | errors | scores | {"epoch": progress.epoch, "step": progress.step} | others
    print(json_text(figures))
    try:
        if averaged is not None:
            from gan_sntg.experiments.plots import save_reliability  # noqa: PLC0415  loads matplotlib

            save_reliability(folder.path / "reliability.png", reliability(averaged, source.test_y))
        if measured:
            record(folder.path, measured)
        if averaged is not None and options.checkpoint == "last" and lacks_classes(folder, progress):
            folder.keep_classes(averaged.argmax(1), source.test_y)
    except OSError as error:
        raise InputError(f"{error.filename2 or error.filename} cannot be written ({error}); evaluate a copy of the run folder") from error


def tested(parts: RunModel, source: Dataset) -> tuple[Tensor, dict, dict]:
    """Logits [N, K] of the test images by the averaged classifier, all errors, and its other figures."""
    x, y = source.test_x.to(parts.device), source.test_y
    logits = {name: logits_of(net, x, parts.normalization).cpu() for name, net in parts.method.classifiers.items()}
    errors = {f"test_error_{k}": percent_wrong(v, y) for k, v in logits.items()}
    figures = classifier_figures(logits["averaged"], y, class_names(parts.source))
    if source.test_groups is not None:
        figures |= {"by_group": group_errors(logits["averaged"], y, source.test_groups)._asdict()}
    return logits["averaged"], errors, figures


def lacks_classes(folder: RunFolder, progress: Progress) -> bool:
    """Whether a finished run, as of earlier versions, lacks test images' classes, and this is its end."""
    return folder.finished and not folder.classes.exists() and progress.epoch == folder.read_result()["epochs"]


def classifier_figures(logits: Tensor, y: Tensor, names: list[str]) -> dict:
    """Confusion, errors and scores of classes (null where there is none), ECE. logits [N, K], y [N]."""
    confusion, scores = confusion_matrix(logits, y), rare_class_scores(logits, y)

    def by_class(values: list[float]) -> dict[str, float | None]:
        return {name: None if value != value else value for name, value in zip(names, values, strict=True)}

    return {
        "classes": names,
        "confusion": confusion.tolist(),
        "class_errors": by_class(class_errors(confusion).tolist()),
        "calibration_error": reliability(logits, y).calibration_error,
        **{name: by_class(score) if isinstance(score, list) else score for name, score in scores.items()},
    }
