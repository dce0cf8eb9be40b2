"""How does the command line ask for sample quality? Its options, the extractor that they or the data set name, and the measurement."""

import sys
from pathlib import Path
from typing import Literal

import torch
from jsonargparse import Namespace
from torch_fidelity.feature_extractor_base import FeatureExtractorBase

from gan_sntg.commands.building import Parts
from gan_sntg.commands.loading import load
from gan_sntg.commands.parsing import Parser
from gan_sntg.core import engine
from gan_sntg.core.data.base import Source
from gan_sntg.core.data.published import data_folder
from gan_sntg.core.errors import InputError
from gan_sntg.core.fingerprint import weights_sha256
from gan_sntg.core.record import RunFolder
from gan_sntg.extracting import of_generator, of_images
from gan_sntg.extractors import ClassifierFeatures, EfficientNetLite0, Inception
from gan_sntg.fidelity import FEWEST, named, provenance, with_intervals
from gan_sntg.provenance import Measurement
from gan_sntg.published_weights import inception_file

CLASSIFIERS = Path("runs/classifiers")  # where the classifiers of configs/<data>_all are looked for
OWN = {"digits": "digits", "mnist": "mnist", "mnist10k": "mnist"}  # sets with such a classifier, by name
EXTRACTOR = (
    "inception; efficientnet_lite0; or the run folder of a classifier trained on all labels. Default: inception for colour images, "
    f"{CLASSIFIERS}/<data> for digits and MNIST"
)


def add_options(parser: Parser) -> None:
    """--fidelity and what goes with it."""
    parser.add_argument("--fidelity", action="store_true", help="measure IS, FID, KID, precision and recall too, and keep them in RUN")
    parser.add_argument("--samples", type=int, default=50_000, help="generated images that are scored")
    parser.add_argument("--reference", type=Literal["train", "test"], default="train", help="real images that they are scored against")
    parser.add_argument("--extractor", type=str | None, default=None, help=EXTRACTOR)
    parser.add_argument("--inception_weights", type=str | None, default=None, help="other weights of Inception; scores bear their hash")
    parser.add_argument("--download", action="store_true", help="fetch Inception's weights into the data folder if they are not there")
    parser.add_argument("--extractor_batch_size", type=int, default=100, help="images at once; changes nothing but memory and speed")


def measured(options: Namespace, parts: Parts, progress: engine.Progress, threads: int) -> Measurement:
    """The scores of a run's generator with how they were measured, on so many threads of a CPU. Raises InputError."""
    generator, source = checked(options, parts), parts.source
    extractor = chosen(options, source, parts.device.type).to(parts.device)
    torch.set_num_threads(threads)  # a run's own may be one
    x, batch = getattr(source, f"{options.reference}_x"), options.extractor_batch_size
    real = of_images(x, extractor, parts.device.type == "cuda", batch, verbose=sys.stderr.isatty())
    fake = of_generator(generator, parts.normalization, extractor, options.samples, batch, verbose=sys.stderr.isatty())
    features = real.h.shape[1]
    if options.samples <= features:
        note = "FID is far too high then, and says something only beside others of as many samples"
        print(f"{options.samples} samples have fewer images than the extractor has features ({features}): {note}", file=sys.stderr)
    whose = {"epoch": progress.epoch, "step": progress.step, "sha256": weights_sha256(generator)}
    how = {"data": source.name} | provenance(extractor, options.samples, options.reference, x)
    return Measurement(how, whose, named(with_intervals(fake, real), extractor.suffix))


def figures(found: Measurement) -> dict[str, dict]:
    """What is printed of it."""
    return {name: score._asdict() for name, score in found.scores.items()} | {"provenance": found.provenance, "generator": found.generator}


def checked(options: Namespace, parts: Parts):
    """The generator that is to be scored. Raises InputError where there is none, or too little is to be drawn."""
    generator = getattr(parts.method, "generator", None)
    if generator is None:
        kind = type(parts.method).__name__
        raise InputError(f"{options.run} is a run of {kind}, which has no generator whose samples could be scored; leave --fidelity out")
    if options.samples < FEWEST or options.extractor_batch_size < 1:
        raise InputError(
            f"--samples {options.samples} --extractor_batch_size {options.extractor_batch_size}: give {FEWEST} and 1 or more of them"
        )
    return generator


def chosen(options: Namespace, source: Source, device: str) -> FeatureExtractorBase:
    """The extractor of --extractor, or the data set's own. Raises InputError."""
    name = options.extractor or default_extractor(source)
    if name == "inception":
        own = options.inception_weights
        return Inception(Path(own) if own else inception_file(data_folder(options.root), options.download))
    if options.inception_weights or options.download:
        raise InputError(f"--inception_weights and --download are for --extractor inception, but the extractor is {name}; leave them out")
    return EfficientNetLite0() if name == "efficientnet_lite0" else classifier(name, source, options.root, device)


def default_extractor(source: Source) -> str:
    """inception for colour images, the classifier of digits and MNIST for theirs. Raises InputError for other grey images."""
    if source.image_shape[0] == 3:
        return "inception"
    if source.name not in OWN:
        raise InputError(
            f"{source.name} has grey images and no extractor of its own; train a classifier on all its labels (as configs/mnist_all) and "
            "give its run folder as --extractor, or take --extractor inception"
        )
    folder = CLASSIFIERS / OWN[source.name]
    if not (folder / "result.json").is_file():
        config = f"configs/{OWN[source.name]}_all/supervised.yaml"
        raise InputError(
            f"{folder} is not there: the classifier in whose features {source.name} is scored. Train it once with "
            f"gan-sntg train --config {config} --out {folder}, or name another with --extractor"
        )
    return str(folder)


def classifier(run: str, source: Source, root: str | None, device: str) -> ClassifierFeatures:
    """The averaged classifier of a run folder. Raises InputError unless it was trained to the end on all labels of such images."""
    folder = RunFolder(Path(run))
    if not folder.finished:
        raise InputError(f"--extractor {run} is neither inception, efficientnet_lite0 nor the folder of a finished run; train it first")
    result = folder.read_result()
    labels, noise = (result["config"].get(name, "unknown") for name in ("labels", "label_noise"))
    if labels is not None or noise:
        raise InputError(f"--extractor {run} was not trained on all labels (labels {labels}); train one as configs/mnist_all does")
    parts, _ = load(run, device, root)
    if parts.source.image_shape != source.image_shape:
        there, here = list(parts.source.image_shape), list(source.image_shape)
        raise InputError(f"--extractor {run} is a classifier of images {there}, but the samples are {here}; give one of their shape")
    net, channels = parts.method.classifiers["averaged"], source.image_shape[0]
    return ClassifierFeatures(net, parts.normalization, channels, parts.source.name, result["test_error_averaged"])
