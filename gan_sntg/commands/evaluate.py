"""Measure a run's last checkpoint: errors, confusion, calibration, and sample quality."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import torch
from jsonargparse import Namespace
from torch import Tensor

from gan_sntg.data.dataset import Dataset
from gan_sntg.data.public import data_folder
from gan_sntg.errors import InputError
from gan_sntg.evaluation import fidelity
from gan_sntg.evaluation.classification import (
    class_errors,
    confusion_matrix,
    group_errors,
    logits_of,
    percent_wrong,
    rare_class_scores,
    reliability,
)
from gan_sntg.evaluation.feature_extractors import ClassifierFeatures, EfficientNetLite0, Features, Inception, inception_file
from gan_sntg.evaluation.fidelity_records import Measurement, record
from gan_sntg.experiments.plots import save_reliability
from gan_sntg.files.array_files import weights_sha256
from gan_sntg.files.json_files import json_text
from gan_sntg.networks.gan import Generator
from gan_sntg.runs.build import RunModel, class_names, run_parser
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.parsing import Parser
from gan_sntg.runs.reading import load_model, tested_data
from gan_sntg.training.loop import Progress

CLASSIFIERS = Path("runs/classifiers")  # where the classifiers of configs/<data>_all are looked for
OWN = {"digits": "digits", "mnist": "mnist", "mnist10k": "mnist"}  # sets with such a classifier, by name
EXTRACTOR = (
    "inception; efficientnet_lite0; or the run folder of a classifier trained on all labels. Default: inception for colour images, "
    f"{CLASSIFIERS}/<data> for digits and MNIST"
)
DESCRIPTION = (
    "Print, as JSON, the test errors in percent of a run's last checkpoint; of its averaged classifier also the confusion matrix "
    "(rows: labels), the errors of each class in percent and, in 0..1, the expected calibration error, balanced accuracy, macro F1, and "
    "AUROC and average precision of each class against the others; where test images have groups, the worst one's error and the "
    "95 % interval of the error over groups. Writes RUN/reliability.png, and RUN/test_classes.npy where a finished "
    "run lacks it: what `gan-sntg compare` tests runs on the same images by. With "
    "--fidelity also the quality of the generator's samples, which is kept with how it was measured in RUN/fidelity.json."
)


def parser() -> Parser:
    """RUN, where to compute, and how fidelity is measured."""
    parser = run_parser("evaluate", DESCRIPTION)
    parser.add_argument("--fidelity", action="store_true", help="measure IS, FID, KID, precision and recall too, and keep them in RUN")
    parser.add_argument("--samples", type=int, default=50_000, help="generated images that are scored")
    parser.add_argument("--reference", type=Literal["train", "test"], default="train", help="real images that they are scored against")
    parser.add_argument("--extractor", type=str | None, default=None, help=EXTRACTOR)
    parser.add_argument("--inception_weights", type=str | None, default=None, help="other weights of Inception; scores bear their hash")
    parser.add_argument("--download", action="store_true", help="fetch Inception's weights into the data folder if they are not there")
    parser.add_argument("--extractor_batch_size", type=int, default=100, help="images at once; changes nothing but memory and speed")
    return parser


def run(options: Namespace) -> None:
    """Print the figures, draw the averaged classifier's reliability, record the samples' fidelity."""
    threads = torch.get_num_threads()
    parts, progress = load_model(options.run, options.device, options.root, options.checkpoint)
    source = tested_data(options.run, options.root, parts)
    x, y = source.test_x.to(parts.device), source.test_y
    logits = {name: logits_of(net, x, parts.normalization).cpu() for name, net in parts.method.classifiers.items()}
    figures = {"epoch": progress.epoch, "step": progress.step} | {f"test_error_{k}": percent_wrong(v, y) for k, v in logits.items()}
    figures |= classifier_figures(logits["averaged"], y, class_names(parts.source))
    if source.test_groups is not None:
        figures |= {"by_group": group_errors(logits["averaged"], y, source.test_groups)._asdict()}
    measured = measured_fidelity(options, parts, source, progress, threads) if options.fidelity else None
    if measured:
        figures |= {name: asdict(score) for name, score in measured.scores.items()}
        figures |= {"provenance": measured.provenance, "generator": measured.generator}
    print(json_text(figures))
    folder = RunFolder(Path(options.run))
    try:
        save_reliability(folder.path / "reliability.png", reliability(logits["averaged"], y))
        if measured:
            record(folder.path, measured)
        if options.checkpoint == "last" and lacks_classes(folder, progress):
            folder.keep_classes(logits["averaged"].argmax(1), y)
    except OSError as error:
        raise InputError(f"{error.filename2 or error.filename} cannot be written ({error}); evaluate a copy of the run folder") from error


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


def measured_fidelity(options: Namespace, parts: RunModel, source: Dataset, progress: Progress, threads: int) -> Measurement:
    """The scores of a run's generator and how they were measured, on so many threads. Raises InputError."""
    generator = scored_generator(options, parts)
    if options.reference == "train" and source.sha256 != parts.source.sha256:
        raise InputError("--reference train: the training images are not those of the run; give --reference test, or the data as they were")
    extractor = chosen_extractor(options, source, parts.device.type).to(parts.device)
    torch.set_num_threads(threads)  # a run's own may be one
    x, batch = source.pixels.shown(getattr(source, f"{options.reference}_x")), options.extractor_batch_size
    real = fidelity.image_features(x, extractor, parts.device.type == "cuda", batch, verbose=sys.stderr.isatty())
    fake = fidelity.generator_features(generator, parts.normalization, extractor, options.samples, batch, verbose=sys.stderr.isatty())
    if note := fidelity.few_images_note(options.samples, len(x), real.h.shape[1]):
        print(note, file=sys.stderr)
    whose = {"epoch": progress.epoch, "step": progress.step, "sha256": weights_sha256(generator)}
    how = {"data": source.name} | fidelity.fidelity_provenance(extractor, options.samples, options.reference, x)
    return Measurement(how, whose, fidelity.suffixed(fidelity.scores_with_intervals(fake, real), extractor.suffix))


def scored_generator(options: Namespace, parts: RunModel) -> Generator:
    """The generator to score. Raises InputError where there is none, or too little is to be drawn."""
    if (generator := parts.method.image_generator) is None:
        kind = type(parts.method).__name__
        raise InputError(f"{options.run} is a run of {kind}, which has no generator of images that could be scored; leave --fidelity out")
    if options.samples < fidelity.FEWEST or options.extractor_batch_size < 1:
        given = f"--samples {options.samples} --extractor_batch_size {options.extractor_batch_size}"
        raise InputError(f"{given}: give {fidelity.FEWEST} and 1 or more of them")
    return generator


def chosen_extractor(options: Namespace, source: Dataset, device: str) -> Features:
    """The extractor of --extractor, or the data set's own. Raises InputError."""
    name = options.extractor or default_extractor(source)
    if name == "inception":
        own = options.inception_weights
        return Inception(Path(own) if own else inception_file(data_folder(options.root), options.download))
    if options.inception_weights or options.download:
        raise InputError(f"--inception_weights and --download are for --extractor inception, but the extractor is {name}; leave them out")
    return EfficientNetLite0() if name == "efficientnet_lite0" else run_extractor(name, source, options.root, device)


def default_extractor(source: Dataset) -> str:
    """inception for colour images, else the data's classifier. Raises InputError where it has none."""
    if source.image_shape[0] == 3:
        return "inception"
    if source.name not in OWN:
        remedy = "train a classifier on all its labels (as configs/mnist_all) and name its run folder, or inception, by --extractor"
        raise InputError(f"{source.name} has grey images and no extractor of its own; {remedy}")
    folder = CLASSIFIERS / OWN[source.name]
    if not (folder / "result.json").is_file():
        remedy = f"Train it once with gan-sntg train --config {OWN[source.name]}_all/supervised --out {folder}"
        raise InputError(f"{folder}, the classifier that scores {source.name}, is not there. {remedy}, or name another with --extractor")
    return str(folder)


def run_extractor(run: str, source: Dataset, root: str | None, device: str) -> ClassifierFeatures:
    """A run's averaged classifier. Raises InputError unless it was trained on all labels of such images."""
    folder = RunFolder(Path(run))
    if not folder.finished:
        raise InputError(f"--extractor {run} is neither inception, efficientnet_lite0 nor the folder of a finished run; train it first")
    result = folder.read_result()
    labels, noise = (result["config"].get(name, "unknown") for name in ("labels", "label_noise"))
    if labels is not None or noise:
        raise InputError(f"--extractor {run} was not trained on all labels (labels {labels}); train one as configs/mnist_all does")
    parts, _ = load_model(run, device, root)
    if parts.source.image_shape != source.image_shape:
        there, here = list(parts.source.image_shape), list(source.image_shape)
        raise InputError(f"--extractor {run} is a classifier of images {there}, but the samples are {here}; give one of their shape")
    if not source.pixels.plain or source.pixels.display or source.image_shape[0] not in (1, 3):
        what = f"--extractor {run} sees images as the data hold them, but samples are scored as they are shown, in 8 bits"
        raise InputError(f"{what}; give inception or efficientnet_lite0")
    net, channels = parts.method.classifiers["averaged"], source.image_shape[0]
    return ClassifierFeatures(net, parts.normalization, channels, parts.source.name, result["test_error_averaged"])
