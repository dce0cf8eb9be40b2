"""Sample quality of a run: the extractor of the features, and the scores of the generator by it."""

import sys
from pathlib import Path

import torch
from jsonargparse import Namespace

from gan_sntg.data.dataset import Dataset
from gan_sntg.data.public import data_folder
from gan_sntg.errors import InputError
from gan_sntg.evaluation import fidelity
from gan_sntg.evaluation.feature_extractors import ClassifierFeatures, EfficientNetLite0, Features, Inception, inception_file
from gan_sntg.evaluation.fidelity_records import Measurement
from gan_sntg.files.array_files import weights_sha256
from gan_sntg.networks.gan import Generator
from gan_sntg.runs.build import RunModel
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.reading import load_model
from gan_sntg.training.loop import Progress

CLASSIFIERS = Path("runs/classifiers")  # where the classifiers of configs/<data>_all are looked for
OWN = {"digits": "digits", "mnist": "mnist", "mnist10k": "mnist"}  # sets with such a classifier, by name


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
