"""The training of runs: build, restore, train, evaluate, record and save."""

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from importlib.util import find_spec
from typing import NamedTuple

from jsonargparse import Namespace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar
from torch import Tensor

from gan_sntg.data.splits import load_split
from gan_sntg.distributed import rank
from gan_sntg.distributed.process_group import agreed, on_first
from gan_sntg.errors import InputError, NonFiniteError
from gan_sntg.evaluation.classification import Metric, logits_of, worst_class_error
from gan_sntg.evaluation.samples import draw, grid, save_png, z_bank
from gan_sntg.files.atomic import write_atomically
from gan_sntg.methods.telemetry import ALARMS, graph_alarms, telemetry_warnings
from gan_sntg.runs.build import RunObjects, assemble, precision_of
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.options import RunOptions, identity, settled
from gan_sntg.runs.reading import check_labels, record_data, warm_start
from gan_sntg.runs.stopping import StopSignals
from gan_sntg.runs.tensorboard import GRID_SIZE, describe, draw_data, project
from gan_sntg.training import checkpoint, loop
from gan_sntg.training.checkpoint import generations, keep, newest
from gan_sntg.training.data_parallel import check_equal, join
from gan_sntg.training.meter import Meter, Meters
from gan_sntg.training.multi_seed import StackedStreams, stacked, unstack
from gan_sntg.training.term_check import check_terms, last_with_all

SLOWER = 0.1  # times the learning rate after a roll-back


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
    """A run in training: its objects, state and folder. The first rank alone evaluates and writes."""

    def __init__(self, run: Run):
        """Build everything and read the checkpoint, if any, before writing."""
        self.folder, self.options, self.first = run.folder, run.options, rank() == 0
        with agreed():
            if self.first and self.folder.config.exists():
                self.folder.lock()
            self.parts: RunObjects = assemble(self.options, run.make)
            self.precision = precision_of(self.options, self.parts, self.folder)
            begun = self.folder.split
            if begun.exists() and load_split(begun, self.parts.source) != self.parts.split:
                raise InputError(f"{begun} is not the split of these options; add --split with the manifest that the run was begun with")
        self.progress, self.meter, self.rate = loop.Progress(), Meter(), getattr(self.parts.method, "learning_rate", None)
        self.state, self.start = (self.parts.method, self.parts.streams, self.progress, self.meter), None
        with agreed():
            self.begin_or_restore()
        texts = settled(run.text, self.precision), self.parts.split.text()
        on_first(self.folder.open, *texts, self.parts.device, self.progress.step, self.start)
        on_first(record_data, self.folder, self.parts)
        if len(self.parts.source.image_shape) == 3:
            on_first(draw_data, self.folder, self.parts, self.options.seed, not self.progress.step)
        join(self.parts.method)
        x, y = self.parts.source.test_x, self.parts.source.test_y
        tested = self.parts.normalization.prepare(x)
        self.test = self.parts.streams.pool.keep(x) if tested is x else tested.to(self.parts.device), y.to(self.parts.device)
        widgets = None if find_spec("ipywidgets") else False  # without which rich has no bar in a notebook: a line an interval there too
        self.console = Console(stderr=True, quiet=not self.first, force_jupyter=widgets)
        self.warned: set[str] = set()
        self.measured: dict[str, float] = {}
        self.metrics = {metric.name: metric for metric in (Metric.error, self.options.metric)}
        self.predicted = self.test[1]  # classes of the test images by the averaged classifier, once `errors` has looked

    def begin_or_restore(self) -> None:
        """Bring the run to where its next step begins, all ranks alike; nothing is written."""
        if generations(self.folder.checkpoint):
            return self.restore()
        method, streams, options = self.parts.method, self.parts.streams, self.options
        if options.liveness:
            check_terms(method, streams, options.sizes, last_with_all(method, options.epochs), self.precision, self.folder.path)
        method.start(streams.example(method.start_size, "start"))
        if options.from_run:
            self.start = warm_start(method, options.from_run, options.from_optimizers, self.parts.device)
            check_labels(options.from_run, self.parts.split)

    def restore(self) -> None:
        """Restore the newest readable checkpoint."""
        checkpoint.put_back(*newest(self.folder.checkpoint, self.parts.device), *self.state)
        if self.rate is not None and self.progress.rate_scale != 1:
            self.parts.method.learning_rate = self.rate * self.progress.rate_scale

    def show(self, bar: ProgressBar) -> None:
        """Show in `bar` how far the run is."""
        total = self.options.epochs * self.parts.streams.steps_per_epoch
        self.bar, self.task = bar, bar.add_task("training", total=total, completed=self.progress.step)

    def log_line(self, shown: str) -> str:
        """What a log file has of an interval: whose, its epoch, what is shown, and the time that is left."""
        left = next(task.time_remaining for task in self.bar.tasks if task.id == self.task)
        about = "" if left is None else f", about {timedelta(seconds=round(left))} left"
        return f"{self.folder.path}: epoch {self.progress.epoch} of {self.options.epochs}: {shown}{about}"

    def save(self) -> memoryview:
        """Write the newest checkpoint; what is in it."""
        data = checkpoint.as_bytes(checkpoint.state_of(*self.state))
        keep(self.folder.checkpoint, data, self.options.keep)
        return data

    def roll_back(self, error: NonFiniteError) -> bool:
        """Save the state aside; go back once, if asked for, and lower the rate; whether it was done."""
        stopped_at, before = self.progress.step, generations(self.folder.checkpoint)
        on_first(checkpoint.save, self.folder.checkpoint.with_name("nonfinite.pt"), *self.state)
        if self.options.on_nonfinite != "rollback" or self.rate is None or self.progress.rolled_back >= 0 or not before:
            return False
        with agreed():
            self.restore()
            self.progress.rolled_back, self.progress.rate_scale = stopped_at, SLOWER
            self.parts.method.learning_rate = self.rate * SLOWER
        on_first(self.folder.forget_after, self.progress.step)
        on_first(self.save)
        self.bar.update(self.task, completed=self.progress.step)
        self.console.print(
            f"[yellow]rolled back: {error}. The run goes on from step {self.progress.step} with {SLOWER:g} times the learning rate"
        )
        return True

    def record(self) -> None:
        """Evaluate, draw, record and save what stands at an interval."""
        method, streams = self.parts.method, self.parts.streams
        check_equal(method, streams)
        batch = streams.example(min(500, 5 * self.options.batch_size), "telemetry", revealed=True)
        named = {f"gan/class_{k}": f"gan/class/{name}" for k, name in enumerate(self.parts.source.class_names or [])}
        telemetry = {named.get(name, name): float(value) for name, value in method.telemetry(batch).items()}
        picture = None  # drawn on all ranks: in training mode layers take statistics over all
        if generator := method.image_generator:
            bank = z_bank(generator.latent, GRID_SIZE, self.parts.device)
            picture = grid(self.parts.source.pixels.shown(draw(generator, bank, self.parts.normalization)))
        on_first(self.look, self.meter.read(), telemetry, picture)

    def look(self, terms: dict[str, float], telemetry: dict[str, float], picture: Tensor | None) -> None:
        """Evaluate, record and save what stands at an interval."""
        progress, folder = self.progress, self.folder
        first, errors = not self.measured, self.errors()
        telemetry |= graph_alarms(folder.rows(), terms | telemetry)
        folder.log(progress.epoch, progress.step, progress.seconds, figures := terms | telemetry | errors)
        if first:
            alarms = ALARMS if any(weight for name, weight in self.parts.method.weights().items() if name.endswith("/graph")) else ()
            describe(folder, [*figures, *alarms])  # of which there are none while the weight is 0
        self.measured = errors
        if picture is not None:
            folder.log_image("samples", picture, progress.step)
            save_png(folder.samples / f"epoch_{progress.epoch:04d}.png", picture)
        kind = "validation" if self.parts.split.validation else "test"  # who chooses by what is held out is not shown the rest
        figure = f"{kind}_{self.options.metric.name}"
        shown = f"{figure.replace('_', ' ')} {errors[f'{figure}/last']:.2f} %  averaged {errors[f'{figure}/averaged']:.2f} %"
        self.bar.update(self.task, description=f"epoch {progress.epoch}  {shown}")
        if self.bar.disable:
            self.console.print(self.log_line(shown), markup=False, highlight=False, soft_wrap=True)
        for subject, line in telemetry_warnings(telemetry).items():
            if subject not in self.warned:  # once per session
                self.warned.add(subject)
                self.console.print(f"[yellow]seed {self.options.seed}, epoch {progress.epoch}: {line}")
        error, before = errors.get(f"validation_{self.options.metric.name}/averaged", math.inf), progress.best
        progress.best = min(error, before)
        data = self.save()
        if error < before:
            write_atomically(folder.best, data)

    def errors(self) -> dict[str, float]:
        """Error and metric of every classifier on test and held-out images; worst_class: of the averaged."""
        normalize, held_out, pool = self.parts.normalization, self.parts.split.validation, self.parts.streams.pool
        sets = {"test": self.test} | ({"validation": (pool.subset(held_out), pool.truth[held_out])} if held_out else {})
        found = {}
        for kind, (x, y) in sets.items():
            logits = {name: logits_of(net, x, normalize) for name, net in self.parts.method.classifiers.items()}
            found |= {f"{kind}_{of}/{net}": metric(own, y) for of, metric in self.metrics.items() for net, own in logits.items()}
            averaged = logits.get("averaged", logits["last"])
            self.predicted = averaged.argmax(1) if kind == "test" else self.predicted
            found[f"{kind}_error/worst_class"] = worst_class_error(averaged, y)
        return found

    def finish(self) -> None:
        """Write result.json, errors in percent of the last epoch, and the classes of test images."""
        if self.options.projector:
            project(self.folder, self.parts, self.progress.step)
        errors = self.measured or self.errors()  # not measured yet where all epochs were trained in an earlier session
        result = {
            **{f"test_{of}_{net}": errors[f"test_{of}/{net}"] for of in self.metrics for net in self.parts.method.classifiers},
            **{f"validation_{of}": errors.get(f"validation_{of}/averaged") for of in self.metrics},
            "worst_class_error": errors.get("validation_error/worst_class", errors["test_error/worst_class"]),
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
        self.folder.finish(result, self.predicted, self.test[1])


class Training:
    """The training of one run, or as one program of several at the same step, each with its trainer."""

    def __init__(self, trainers: list[Trainer], watch: StopSignals):
        """trainers: alike but for the seeds; the methods of several stay as they are until the first save."""
        self.trainers, self.watch = trainers, watch
        self.method, self.streams, self.progress, self.meter = trainers[0].state
        self.methods = [trainer.parts.method for trainer in trainers]
        if len(trainers) > 1:
            for trainer in trainers:
                trainer.meter.whose = f"seed {trainer.options.seed} ({trainer.folder.path}): "
            self.method, self.meter = stacked(self.methods), Meters([trainer.meter for trainer in trainers])
            self.streams = StackedStreams([trainer.parts.streams for trainer in trainers])

    def run(self) -> None:
        """Train with a live display, a line for each run, then write the results."""
        options = self.trainers[0].options
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
        console = self.trainers[0].console
        live = (console.is_terminal and not console.is_dumb_terminal) or console.is_jupyter  # else a line an interval
        with ExitStack() as folders, ProgressBar(*columns, console=console, disable=not live) as bar, self.watch:
            for trainer in self.trainers:
                folders.enter_context(folder_errors(trainer.folder))
                trainer.show(bar)
            self.clock = time.perf_counter()
            span, calls = (options.epochs, options.interval_epochs), (self.on_step, self.on_interval)
            while self.progress.epoch < options.epochs:
                try:
                    loop.fit(self.method, self.streams, *span, self.progress, *calls, self.trainers[0].precision, self.meter)
                except NonFiniteError as error:
                    if len(self.trainers) > 1:
                        raise NonFiniteError(f"{error}; without this seed in --seeds the others go on") from error
                    if not self.trainers[0].roll_back(error):
                        raise
                    self.watch.has_saved()
            for trainer in self.trainers:
                on_first(trainer.finish)

    def on_step(self) -> None:
        """Move the progress bars; save or stop where it is time to."""
        for trainer in self.trainers:
            trainer.bar.advance(trainer.task)
        self.watch.tick()
        if (stopped := self.watch.stop()) or self.watch.must_save:
            self.meter.check(self.streams.steps_per_epoch)
            self.hand_out()
            for trainer in self.trainers:
                on_first(trainer.save)
            self.watch.has_saved()
        if stopped:
            raise stopped

    def on_interval(self) -> None:
        """Evaluate, record and save each run."""
        self.hand_out()
        for trainer in self.trainers:
            trainer.record()
        self.meter.sums = {}
        self.watch.has_saved()
        self.clock = time.perf_counter()

    def hand_out(self) -> None:
        """Give each run, its meter checked before, its part of the state and of the time."""
        now = time.perf_counter()
        share, self.clock = (now - self.clock) / len(self.trainers), now
        for trainer in self.trainers:
            trainer.progress.seconds += share
            trainer.progress.epoch, trainer.progress.step = self.progress.epoch, self.progress.step
        if len(self.trainers) > 1:
            unstack(self.method, self.methods)
