"""Train a method on a data set, or resume a run folder."""

import hashlib
import json
import sys
import time
from pathlib import Path

from jsonargparse import Namespace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from gan_sntg.commands.building import Parts, build, config_parser, identity
from gan_sntg.commands.parsing import Parser
from gan_sntg.core import checkpoint, engine
from gan_sntg.core.errors import InputError
from gan_sntg.core.evaluate import error_rate
from gan_sntg.core.record import RunFolder
from gan_sntg.samples import draw, grid, save_png, stretched, z_bank

GRID_SIZE = 100
FEW_NEGATIVES = 0.05


def parser() -> Parser:
    """The options of a run."""
    return config_parser()


def run(options: Namespace) -> dict:
    """Train to the end and print what came out; returns the result."""
    text = config_parser().dump(options, skip_none=False)
    folder = RunFolder(Path(options.out or default_folder(options, text)))
    if folder.config.exists():
        check_same(folder, text)
    else:
        folder.check_unused()
    if not folder.finished:
        Run(folder, options, text).train()
    result = json.loads(folder.result.read_text())
    report(folder, result)
    return result


def default_folder(options: Namespace, text: str) -> str:
    """runs/<cell>-<method>-seed<seed>-<hash of all options>."""
    digest = hashlib.sha256(json.dumps(identity(text), sort_keys=True).encode()).hexdigest()[:8]
    file = Path(str(options.config[0])) if options.config else Path("run/options")
    return f"runs/{file.resolve().parent.name}-{file.stem}-seed{options.seed}-{digest}"


def check_same(folder: RunFolder, text: str) -> None:
    """Raise InputError unless the folder was made by the same options."""
    before, now = flat(identity(folder.config.read_text())), flat(identity(text))
    changed = [f"{k}: {before.get(k)} there, {now.get(k)} here" for k in sorted(before | now) if before.get(k) != now.get(k)]
    if changed:
        what = "; ".join(changed[:3])
        raise InputError(f"{folder.path} holds a run of another configuration ({what}); nothing was changed. Give another --out")


def check_same_data(folder: RunFolder, split: str) -> None:
    """Raise InputError if the folder holds a run on other images or labels."""
    if folder.split.exists() and folder.split.read_text() != split:
        raise InputError(
            f"{folder.split} differs from the labels and images of this command (another folder of data, or another --split); nothing "
            "was changed. Give the same, or another --out"
        )


def flat(tree, prefix: str = "") -> dict[str, str]:
    """{"a.b": value} of a tree of mappings."""
    if not isinstance(tree, dict):
        return {prefix: str(tree)}
    return {k: v for name, branch in tree.items() for k, v in flat(branch, f"{prefix}.{name}".lstrip(".")).items()}


class Run:
    """One training session on a run folder."""

    def __init__(self, folder: RunFolder, options: Namespace, text: str):
        """Build everything and read the checkpoint, if there is one, before anything is written."""
        self.folder, self.options = folder, options
        self.parts: Parts = build(config_parser(), options)
        check_same_data(folder, self.parts.split.text())
        self.progress = engine.Progress()
        if folder.checkpoint.exists():
            checkpoint.restore(folder.checkpoint, self.parts.method, self.parts.streams, self.progress)
        else:
            self.parts.method.start(self.parts.streams.example(self.parts.method.start_size, "start"))
        folder.open(text, self.parts.split.text(), self.parts.device, self.progress.step)
        if not self.progress.step:
            self.draw_data()
        self.test = (self.parts.source.test_x.to(self.parts.device), self.parts.source.test_y.to(self.parts.device))
        self.validation = self.parts.streams.pool.x, self.parts.streams.pool.truth
        self.console, self.warned = Console(stderr=True), False

    def train(self) -> None:
        """Train with a live display, then write the result."""
        method, streams, options = self.parts.method, self.parts.streams, self.options
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
        with Progress(*columns, console=self.console) as self.bar:
            self.task = self.bar.add_task("training", total=options.epochs * streams.steps_per_epoch, completed=self.progress.step)
            self.clock = time.perf_counter()
            engine.fit(method, streams, options.epochs, options.interval_epochs, self.progress, self.on_step, self.on_interval)
        self.folder.finish(self.result())

    def on_step(self) -> None:
        """Move the progress bar."""
        self.bar.advance(self.task)

    def on_interval(self, terms: dict[str, float]) -> None:
        """Evaluate, draw, record, save."""
        progress, folder = self.progress, self.folder
        now = time.perf_counter()
        progress.seconds, self.clock = progress.seconds + now - self.clock, now
        batch = self.parts.streams.example(min(500, 5 * self.options.batch_size), "telemetry", revealed=True)
        telemetry = {name: float(value) for name, value in self.parts.method.telemetry(batch).items()}
        errors = self.errors()
        folder.log(progress.epoch, progress.step, progress.seconds, terms | telemetry | errors)
        self.draw_grid()
        shown = f"test error {errors['test_error/last']:.2f} %  averaged {errors['test_error/averaged']:.2f} %"
        self.bar.update(self.task, description=f"epoch {progress.epoch}  {shown}")
        self.warn(telemetry)
        checkpoint.save(folder.checkpoint, self.parts.method, self.parts.streams, progress)
        self.clock = time.perf_counter()

    def warn(self, telemetry: dict[str, float]) -> None:
        """Say, once a session, that the graph has nothing left to push apart."""
        share = telemetry.get("graph/negatives_inside_margin", 1.0)
        if telemetry.get("weight/graph") and share < FEW_NEGATIVES and not self.warned:
            self.warned = True
            self.console.print(
                f"[yellow]epoch {self.progress.epoch}: {share:.1%} of the negative pairs are inside the margin, so the graph hardly "
                "pushes apart. Try a larger --method.margin"
            )

    def errors(self) -> dict[str, float]:
        """Percent wrong of every classifier on the test images, and on the validation images if they were held out."""
        normalize, held_out = self.parts.normalization, self.parts.split.validation
        errors = {f"test_error/{name}": error_rate(net, *self.test, normalize) for name, net in self.parts.method.classifiers.items()}
        if held_out:
            x, y = (tensor[held_out] for tensor in self.validation)
            errors |= {f"validation_error/{name}": error_rate(net, x, y, normalize) for name, net in self.parts.method.classifiers.items()}
        return errors

    def draw_data(self) -> None:
        """Training images as the networks will see them, in TensorBoard."""
        x = self.parts.streams.example(GRID_SIZE, "display").unlabeled.x
        self.folder.log_image("data/normalized", grid(stretched(x).cpu()), 0)

    def draw_grid(self) -> None:
        """The generator's grid at the fixed z bank, as PNG and in TensorBoard; nothing for methods without a generator."""
        generator = getattr(self.parts.method, "generator", None)
        if generator is None:
            return
        picture = grid(draw(generator, z_bank(generator.latent, GRID_SIZE, self.parts.device), self.parts.normalization))
        self.folder.log_image("samples", picture, self.progress.step)
        save_png(self.folder.samples / f"epoch_{self.progress.epoch:04d}.png", picture)

    def result(self) -> dict:
        """What result.json holds: errors in percent, of the last epoch."""
        errors = self.errors()
        return {
            "test_error_last": errors["test_error/last"],
            "test_error_averaged": errors["test_error/averaged"],
            "test_error_zero_start": errors["test_error/zero_start"],
            "validation_error": errors.get("validation_error/averaged"),
            "seed": self.options.seed,
            "data_seed": self.parts.split.data_seed,
            "seconds": round(self.progress.seconds, 1),
            "epochs": self.progress.epoch,
            "steps": self.progress.step,
            "split_sha256": hashlib.sha256(self.parts.split.text().encode()).hexdigest(),
            "config": identity(self.folder.config.read_text()),
        }


def report(folder: RunFolder, result: dict) -> None:
    """Print a finished run's errors and where its things are."""
    print(f"test error: {result['test_error_last']:.2f} % (last weights), {result['test_error_averaged']:.2f} % (averaged weights)")
    if result["validation_error"] is not None:
        print(f"validation error: {result['validation_error']:.2f} % (averaged weights)")
    grids = sorted(folder.samples.glob("*.png"))
    if grids:
        print(f"sample grid: {grids[-1]}")
    print(f"run folder: {folder.path} ({result['seconds']:.0f} s of training)")
    print(f"TensorBoard: {Path(sys.executable).parent / 'tensorboard'} --logdir {folder.path.parent}")
