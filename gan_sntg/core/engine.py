"""How is any method trained? The contract of a method, the descent of its terms, and the loop."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gan_sntg.core.data.base import Source
from gan_sntg.core.data.streams import Batch, Pool, Streams
from gan_sntg.core.execution import Plain
from gan_sntg.core.generators import purpose_generator
from gan_sntg.core.meter import Meter, Terms
from gan_sntg.core.precision import Precision
from gan_sntg.core.replay import Direct, gradients, named


class Method(nn.Module, ABC):
    """All that the engine asks of a method. Its `state_dict`, the optimizers' and the generators' are its whole state."""

    optimizers: dict[str, Optimizer]
    purposes: tuple[str, ...] = ("noise",)
    views: tuple[str, ...] = Batch._fields  # what of a batch it asks for
    start_size: int = 500  # images in the batch that `start` is given
    execution: Plain = Plain()  # how its networks pass over a batch in training
    descent: Direct = Direct()  # how it finds gradients in training
    recordable = True  # whether its terms can be recorded as a CUDA graph: they rewind no generator
    draws: list[dict[str, torch.Generator]]  # what its terms draw from: its generators, or those of each run where it stands for several
    settings: dict[str, float] = {}  # what schedules gave the last step, for telemetry; never changed in place

    def seed(self, seed: int, device: torch.device | str) -> None:
        """Make one generator a purpose on the device."""
        self.generators = {p: purpose_generator(seed, p, device) for p in self.purposes}
        self.draws = [self.generators]

    def descend(self, name: str, terms: Callable[..., Terms], batch: Batch, *shared) -> Terms:
        """One step of the optimizer `name` down the sum of terms(batch, *shared). Returns the terms, detached.

        Gradients reach only the optimizer's own parameters.
        """
        optimizer = self.optimizers[name]
        found = self.descent(self, parameters(optimizer), terms, batch, *shared)
        optimizer.step()
        return found

    def in_force(self, t: int | None = None) -> tuple:
        """What the terms depend on besides the batch, parameters, buffers and draws: all there is to epoch t, unless a method says less."""
        return (t,)

    @property
    def classifiers(self) -> dict[str, nn.Module]:
        """The networks to evaluate: {"last": ..., "averaged": ...}."""
        raise NotImplementedError

    @property
    def losses(self) -> dict[str, tuple[nn.Module, Callable[[Batch, int], Terms]]]:
        """By prefix of its terms: the one network that they must move, and the terms of a batch in epoch t, not yet descended."""
        raise NotImplementedError

    def weights(self) -> dict[str, float]:
        """Every term that the method knows, with the weight that its configuration gives it at the end of all ramps."""
        raise NotImplementedError

    def prepare(self, source: Source, pool: Pool) -> None:
        """Once, after building: what the method takes from the data as a whole. Raises InputError where it does not fit them."""

    def check(self, batch_size: int, labeled_batch_size: int) -> None:
        """Raise InputError where the method cannot work on batches of these sizes."""

    def start(self, batch: Batch) -> None:
        """Once, before the first step: data-dependent initialisation."""

    @abstractmethod
    def step(self, batch: Batch, t: int) -> Terms:
        """One update of everything in epoch t; the weighted terms "prefix/name" whose sum per prefix was descended, detached."""

    def end_epoch(self) -> None:
        """After the last step of an epoch."""

    def before_evaluation(self) -> None:
        """Before the classifiers are evaluated."""

    def telemetry(self, batch: Batch) -> dict[str, float | Tensor]:
        """What is watched but not minimised, on a batch whose labels are all revealed. Must leave the run as it was."""
        return {}


def parameters(optimizer: Optimizer) -> list[Tensor]:
    """All that it updates."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def descend(optimizer: Optimizer, terms: Terms) -> Terms:
    """One step down the sum of the terms; gradients reach only the optimizer's own parameters. Returns the terms detached."""
    values = gradients(parameters(optimizer), terms)
    optimizer.step()
    return named(terms, values)


class Progress:
    """How far a run is: epochs and steps done, seconds of training, the least validation error, and the roll-back that there was.

    rate_scale: what the learning rate is multiplied by since then; rolled_back: the step that it went back from, -1 for none.
    """

    def __init__(self):
        """At the start."""
        self.epoch, self.step, self.seconds, self.best = 0, 0, 0.0, math.inf
        self.rate_scale, self.rolled_back = 1.0, -1

    def state_dict(self) -> dict[str, int | float]:
        """Its numbers by name."""
        return vars(self).copy()

    def load_state_dict(self, state: dict[str, int | float]) -> None:
        """Go on there; what an earlier version did not count is as at the start. Raises ValueError unless they are such numbers."""
        state = vars(Progress()) | state
        kinds = {name: type(value) for name, value in vars(Progress()).items()}
        large = [name for name, value in state.items() if not 0 <= value < 2**63 and name != "rolled_back"]
        if {name: type(value) for name, value in state.items()} != kinds or large not in ([], ["best"]):
            raise ValueError("progress is not epochs, steps and seconds")
        vars(self).update(state)


def fit(
    method: Method,
    streams: Streams,
    epochs: int,
    interval_epochs: int,
    progress: Progress,
    on_step: Callable[[], None],
    on_interval: Callable[[dict[str, float]], None],
    precision: Precision = Precision.float32,
    meter: Meter | None = None,
) -> None:
    """Train from where `progress` stands to `epochs`.

    `on_step` is called after each step, and may stop training by what it raises: all that the rest depends on is then in the state of
    method, streams, progress and meter. `on_interval` is called with the mean terms each `interval_epochs` and at the end: it
    evaluates, records and saves. Raises NonFiniteError before such a call where a term is not finite.
    """
    meter, device = meter or Meter(), streams.pool.x.device
    while progress.epoch < epochs:
        for batch in streams.epoch(progress.step - progress.epoch * streams.steps_per_epoch):
            with precision(device):
                terms = method.step(batch, progress.epoch)
            meter.add(terms, progress.step)
            progress.step += 1
            on_step()
        method.end_epoch()
        progress.epoch += 1
        if progress.epoch % interval_epochs == 0 or progress.epoch == epochs:
            terms = meter.read(streams.steps_per_epoch)
            method.before_evaluation()
            on_interval(terms)
