"""The training session of a run: build, restore, train, evaluate, record and save."""

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from jsonargparse import Namespace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar
from torch import Tensor

from gan_sntg.data.splits import load_split
from gan_sntg.distributed import rank
from gan_sntg.distributed.process_group import agreed
from gan_sntg.errors import InputError, NonFiniteError
from gan_sntg.evaluation.classification import error_rate
from gan_sntg.evaluation.samples import draw, grid, save_png, stretched, z_bank
from gan_sntg.files.atomic import write_atomically
from gan_sntg.methods.telemetry import telemetry_warnings
from gan_sntg.rng import purpose_generator
from gan_sntg.runs.build import RunObjects, assemble
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.options import RunOptions, identity
from gan_sntg.runs.stopping import StopSignals
from gan_sntg.training import checkpoint, loop
from gan_sntg.training.checkpoint import generations, keep, newest
from gan_sntg.training.data_parallel import check_equal, join
from gan_sntg.training.meter import Meter
from gan_sntg.training.term_check import check_terms

GRID_SIZE = 100  # images
SLOWER = 0.1  # times the learning rate after a roll-back


def display(console: Console) -> ProgressBar:
    """A line for each run: what it does, how far it is, and times."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    return ProgressBar(*columns, console=console)


@contextmanager
def folder_errors(folder: RunFolder) -> Iterator[None]:
    """Turn a failure to write the folder into an InputError; unlock the folder at the end."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{folder.path} cannot be written ({error}); the last checkpoint is as it was. Make room, or writable, and run the same command"
        ) from error
    finally:
        folder.release()


class Run(NamedTuple):
    """A run to be trained; make: gives its data, normalization and method, as a configuration names them."""

    folder: RunFolder
    options: RunOptions
    text: str
    make: Callable[[], Namespace]


class Trainer:
    """A training session on a run folder. All ranks train; the first alone watches, writes and prints."""

    def __init__(self, run: Run, watch: StopSignals | None = None):
        """Build everything and read the checkpoint, if any, before writing. watch: shared by sessions."""
        self.folder, self.options, self.first, options = run.folder, run.options, rank() == 0, run.options
        self.watch = watch or StopSignals(options.max_minutes, options.checkpoint_minutes)
        with agreed():
            self.build(run.make)
        with agreed():
            self.begin_or_restore()
        with agreed():
            if self.first:
                self.folder.open(run.text, self.parts.split.text(), self.parts.device, self.progress.step)
                if len(self.parts.source.image_shape) == 3:
                    self.draw_data()
        join(self.parts.method)
        self.test = (self.parts.source.test_x.to(self.parts.device), self.parts.source.test_y.to(self.parts.device))
        self.validation = self.parts.streams.pool.x, self.parts.streams.pool.truth
        self.console = Console(stderr=True, quiet=not self.first)
        self.warned: set[str] = set()
        self.measured: dict[str, float] = {}

    def build(self, make: Callable[[], Namespace]) -> None:
        """Make the objects of the run; nothing is written."""
        if self.first and self.folder.config.exists():
            self.folder.lock()
        self.parts: RunObjects = assemble(self.options, make)
        self.progress, self.meter, self.rate = loop.Progress(), Meter(), getattr(self.parts.method, "learning_rate", None)
        begun = self.folder.split
        if begun.exists() and load_split(begun, self.parts.source) != self.parts.split:
            raise InputError(f"{begun} is not the split of these options; add --split with the manifest that the run was begun with")

    def begin_or_restore(self) -> None:
        """Bring the run to where its next step begins, all ranks alike; nothing is written."""
        if generations(self.folder.checkpoint):
            self.restore()
        else:
            method, streams, options = self.parts.method, self.parts.streams, self.options
            if options.liveness:
                check_terms(method, streams, options.sizes, options.epochs - 1, options.precision, self.folder.path)
            method.start(streams.example(method.start_size, "start"))

    def restore(self) -> None:
        """Restore the newest readable checkpoint."""
        method, streams = self.parts.method, self.parts.streams
        state, file = newest(self.folder.checkpoint, self.parts.device)
        self.meter.sums.clear()
        checkpoint.put_back(state, file, method, streams, self.progress, self.meter)
        if self.rate is not None and self.progress.rate_scale != 1:
            method.learning_rate = self.rate * self.progress.rate_scale

    def train(self) -> None:
        """Train with a live display, then write the result."""
        with folder_errors(self.folder), display(self.console) as bar, self.watch:
            self.begin(bar)
            try:
                self.fit()
            except NonFiniteError as error:
                with agreed():
                    if self.first:
                        state = self.parts.method, self.parts.streams, self.progress, self.meter
                        checkpoint.save(self.folder.checkpoint.with_name("nonfinite.pt"), *state)
                if not self.roll_back(error):
                    raise
                self.fit()
            with agreed():
                if self.first:
                    self.folder.finish(self.result())

    def fit(self) -> None:
        """Go on to the last epoch."""
        options, calls = self.options, (self.on_step, self.on_interval)
        span = options.epochs, options.interval_epochs
        loop.fit(self.parts.method, self.parts.streams, *span, self.progress, *calls, options.precision, self.meter)

    def begin(self, bar: ProgressBar) -> None:
        """Show in `bar` how far the run is, and start the clock."""
        total = self.options.epochs * self.parts.streams.steps_per_epoch
        self.bar, self.task = bar, bar.add_task("training", total=total, completed=self.progress.step)
        self.clock = time.perf_counter()

    def on_step(self) -> None:
        """Move the progress bar; save or stop where it is time to."""
        self.bar.advance(self.task)
        self.watch.tick()
        stopped = self.watch.stop()
        if stopped or self.watch.must_save:
            self.meter.check(self.parts.streams.steps_per_epoch)
            self.count_seconds()
            self.save()
        if stopped:
            raise stopped

    def count_seconds(self) -> None:
        """Add the seconds since the last call to the progress."""
        now = time.perf_counter()
        self.progress.seconds, self.clock = self.progress.seconds + now - self.clock, now

    def save(self) -> None:
        """Write the newest checkpoint, while other ranks wait."""
        with agreed():
            if self.first:
                self.write()
        self.watch.has_saved()

    def write(self, best: bool = False) -> None:
        """Write the newest checkpoint, and the best one where it is that."""
        data = checkpoint.as_bytes(checkpoint.state_of(self.parts.method, self.parts.streams, self.progress, self.meter))
        keep(self.folder.checkpoint, data, self.options.keep)
        if best:
            write_atomically(self.folder.best, data)

    def roll_back(self, error: NonFiniteError) -> bool:
        """Go back, once and if asked for, to the last checkpoint and lower the rate; whether it was done."""
        stopped_at, before = self.progress.step, generations(self.folder.checkpoint)
        if self.options.on_nonfinite != "rollback" or self.rate is None or self.progress.rolled_back >= 0 or not before:
            return False
        with agreed():
            self.restore()
            self.progress.rolled_back, self.progress.rate_scale = stopped_at, SLOWER
            self.parts.method.learning_rate = self.rate * SLOWER
            if self.first:
                self.folder.forget_after(self.progress.step)
        self.save()
        self.bar.update(self.task, completed=self.progress.step)
        self.console.print(
            f"[yellow]rolled back: {error}. The run goes on from step {self.progress.step} with {SLOWER:g} times the learning rate"
        )
        return True

    def on_interval(self, terms: dict[str, float]) -> None:
        """Evaluate, draw, record, save."""
        self.count_seconds()
        check_equal(self.parts.method, self.parts.streams)
        telemetry, picture = self.telemetry(), self.picture()  # on all ranks: in training mode layers take statistics over all
        with agreed():
            if self.first:
                self.look(terms, telemetry, picture)
        self.watch.has_saved()
        self.clock = time.perf_counter()

    def telemetry(self) -> dict[str, float]:
        """That of the method, on a fixed batch."""
        batch = self.parts.streams.example(min(500, 5 * self.options.batch_size), "telemetry", revealed=True)
        return {name: float(value) for name, value in self.parts.method.telemetry(batch).items()}

    def picture(self) -> Tensor | None:
        """The generator's grid at the fixed z bank; None for methods without a generator."""
        generator = self.parts.method.generator
        if generator is None:
            return None
        return grid(draw(generator, z_bank(generator.latent, GRID_SIZE, self.parts.device), self.parts.normalization))

    def look(self, terms: dict[str, float], telemetry: dict[str, float], picture: Tensor | None) -> None:
        """Evaluate, record and save what stands at an interval."""
        progress, folder = self.progress, self.folder
        errors = self.measured = self.errors()
        folder.log(progress.epoch, progress.step, progress.seconds, terms | telemetry | errors)
        if picture is not None:
            folder.log_image("samples", picture, progress.step)
            save_png(folder.samples / f"epoch_{progress.epoch:04d}.png", picture)
        shown = f"test error {errors['test_error/last']:.2f} %  averaged {errors['test_error/averaged']:.2f} %"
        self.bar.update(self.task, description=f"epoch {progress.epoch}  {shown}")
        self.warn(telemetry)
        error = errors.get("validation_error/averaged", math.inf)
        best = error < progress.best
        progress.best = min(error, progress.best)
        self.write(best)

    def warn(self, telemetry: dict[str, float]) -> None:
        """Print each subject's warning once per session, with the seed."""
        for subject, line in telemetry_warnings(telemetry).items():
            if subject not in self.warned:
                self.warned.add(subject)
                self.console.print(f"[yellow]seed {self.options.seed}, epoch {self.progress.epoch}: {line}")

    def errors(self) -> dict[str, float]:
        """Test errors in percent of every classifier, and validation errors if images are held out."""
        normalize, held_out = self.parts.normalization, self.parts.split.validation
        sets = {"test_error": self.test}
        if held_out:
            sets["validation_error"] = self.validation[0][held_out], self.validation[1][held_out]
        nets = self.parts.method.classifiers
        return {f"{kind}/{name}": error_rate(net, x, y, normalize) for kind, (x, y) in sets.items() for name, net in nets.items()}

    def draw_data(self) -> None:
        """Save a grid of training images; of a new run, log them as networks see them, then augmented."""
        x, _, index = self.parts.streams.example(GRID_SIZE, "display").view("unlabeled")
        if not self.folder.real.exists():
            save_png(self.folder.real, grid(self.parts.streams.pool.x[index].cpu()))
        if self.progress.step:
            return
        self.folder.log_image("data/normalized", grid(stretched(x).cpu()), 0)
        if augmentation := getattr(self.parts.method, "augmentation", None):
            varied = augmentation(x, purpose_generator(self.options.seed, "display", x.device))
            self.folder.log_image("data/augmented", grid(stretched(varied).cpu()), 0)

    def result(self) -> dict:
        """The contents of result.json: errors in percent, of the last epoch."""
        errors = self.measured or self.errors()  # not measured yet where all epochs were trained in an earlier session
        return {
            **{f"test_error_{name}": errors[f"test_error/{name}"] for name in self.parts.method.classifiers},
            "validation_error": errors.get("validation_error/averaged"),
            "test_images": len(self.parts.source.test_y),
            "seed": self.options.seed,
            "data_seed": self.parts.split.data_seed,
            "seconds": round(self.progress.seconds, 1),
            "epochs": self.progress.epoch,
            "steps": self.progress.step,
            "rolled_back_from_step": None if self.progress.rolled_back < 0 else self.progress.rolled_back,
            "split_sha256": hashlib.sha256(self.parts.split.text().encode()).hexdigest(),
            "config": identity(self.folder.read_options()),
        }
