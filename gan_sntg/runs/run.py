"""Training and using a run from Python: `gan_sntg.train` and what it returns."""

from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from torch import Tensor, nn

from gan_sntg.configurable import configuration
from gan_sntg.data.dataset import Dataset
from gan_sntg.data.normalization import AsIs, Normalization, Symmetric, UnitRange
from gan_sntg.errors import InputError
from gan_sntg.evaluation.classification import logits_of
from gan_sntg.evaluation.samples import draw, z_bank
from gan_sntg.files.import_paths import allow, allowed
from gan_sntg.runs.build import RunModel, assemble, restore
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.options import LINKED, RunOptions, config_reader, short_hash
from gan_sntg.runs.reading import load_model
from gan_sntg.runs.seeds import check_folder
from gan_sntg.runs.stopping import StopSignals
from gan_sntg.runs.trainer import Run, Trainer, Training
from gan_sntg.training.checkpoint import generations
from gan_sntg.training.loop import Progress
from gan_sntg.training.method import Method


class TrainedRun:
    """A finished run: its errors in percent, its classifier and generator, and its folder."""

    def __init__(self, folder: RunFolder, objects: RunModel):
        """objects: as of the last checkpoint."""
        self.folder, self.objects, self.result = folder, objects, folder.read_result()
        self.method, self.normalization = objects.method, objects.normalization
        self.test_error: float = self.result["test_error_averaged"]  # of the averaged weights
        self.test_error_last: float = self.result["test_error_last"]  # of the last weights
        self.validation_error: float | None = self.result["validation_error"]  # None where no validation images were held out

    @property
    def metrics(self) -> list[dict]:
        """What was recorded at each interval: loss terms, telemetry, errors."""
        return self.folder.rows()

    @property
    def classifier(self) -> nn.Module:
        """The averaged network: normalised x -> (h [B, D], logits [B, K])."""
        return self.method.classifiers["averaged"].eval()

    def logits(self, images: Tensor) -> Tensor:
        """Logits [N, K] of the averaged classifier, on the CPU. images [N, ...] as in the data."""
        return logits_of(self.classifier, images.to(self.objects.device), self.normalization).cpu()

    def predict(self, images: Tensor) -> Tensor:
        """Classes int64 [N] by the averaged classifier, on the CPU. images [N, ...] as in the data."""
        return self.logits(images).argmax(1)

    def sample(self, n: int, seed: int | None = None) -> Tensor:
        """Draw n images [n, C, H, W] of the data's depth, by seed. Raises InputError without a generator."""
        generator = self.method.image_generator
        if generator is None:
            method = type(self.method).__name__
            raise InputError(f"this {method} has no generator of images; train a generative method, such as FeatureMatchingGAN, on images")
        return draw(generator, z_bank(generator.latent, n, self.objects.device, seed), self.normalization).cpu()


def train(
    method: Method, data: Dataset, out: str | Path | None = None, normalization: Normalization | None = None, **options: Any
) -> TrainedRun:
    """Train a method on data, or resume the run in the folder `out`; return the finished run.

    options: fields of `RunOptions`, such as labels, epochs (required), batch_size, seed. normalization: by the range of the generator's
    images where not given. The method is trained in place; call torch.manual_seed before building its networks. The folder is that of
    `gan-sntg train`, whose commands read it. Raises InputError for what cannot be used, such as a method that was trained before.
    """
    normalization = normalization or default_normalization(method, data)
    text, own = settings(method, data, normalization, options)
    folder = RunFolder(Path(out or f"runs/{data.name}-{type(method).__name__}-seed{own.seed}-{short_hash(text)}"))
    check_folder(folder, text)
    if hasattr(method, "generators") and not generations(folder.checkpoint):
        raise InputError(f"this {type(method).__name__} was trained before; make its networks and itself anew for another run")
    run = Run(folder, own, text, lambda: Namespace(data=data, normalization=normalization, method=method))
    if folder.finished:
        parts = assemble(own, run.make)
        restore(folder.checkpoint, parts, Progress())
        return TrainedRun(folder, parts)
    watch = StopSignals(own.max_minutes, own.checkpoint_minutes)
    try:
        trainer = Trainer(run)
        Training([trainer], watch).run()
    finally:
        folder.release()
    return TrainedRun(folder, trainer.parts)


def load_run(folder: str | Path, device: str = "auto") -> TrainedRun:
    """A finished run from its folder. Raises InputError where it is unfinished or cannot be built."""
    run = RunFolder(Path(folder))
    run.check_made()
    if not run.finished:
        raise InputError(f"{folder} is not finished; train it to its end first")
    return TrainedRun(run, load_model(str(folder), device)[0])


def default_normalization(method: Method, data: Dataset) -> Normalization:
    """Points as they are; images in the range of the method's generator, in 0..1 where it has none."""
    if len(data.image_shape) != 3:
        return AsIs()
    return Symmetric() if getattr(method.generator, "symmetric", False) else UnitRange()


def settings(method: Method, data: Dataset, normalization: Normalization, options: dict) -> tuple[str, RunOptions]:
    """The configuration of these objects and options, as `gan-sntg train` writes it, and the options.

    The packages of one's own classes are admitted, as by --allow: who gives their objects trusts their code.
    """
    if "config" in options:
        raise InputError("config is not an option of train; give the options of the file by name, or use gan-sntg train --config")
    objects = {"data": data, "normalization": normalization, "method": method}
    tree = {name: configuration(made, LINKED) for name, made in objects.items()}
    for package in sorted(packages_in(tree) - set(allowed())):
        allow(package)
    parser = config_reader()
    parsed = parser.parse_object(tree | options)
    return parser.dump(parsed, skip_unset=False, skip_validation=True), RunOptions.of(parsed)


def packages_in(tree: Any) -> set[str]:
    """The packages whose classes a tree of options names."""
    own = {tree["class_path"].split(".")[0]} if isinstance(tree, dict) and "class_path" in tree else set()
    branches = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return own.union(*map(packages_in, branches))
