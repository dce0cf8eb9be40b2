"""The contract of a method, and the descent of its loss terms."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gan_sntg.data.dataset import Dataset
from gan_sntg.data.loader import Batch, Pool
from gan_sntg.networks.compile import EagerForward
from gan_sntg.rng import purpose_generator
from gan_sntg.training.cuda_graphs import EagerGradients, gradients, named
from gan_sntg.training.meter import Terms


class Method(nn.Module, ABC):
    """All that the engine asks of a method. Its `state_dict`, the optimizers' and the generators' are its whole state."""

    optimizers: dict[str, Optimizer]
    purposes: tuple[str, ...] = ("noise",)
    views: tuple[str, ...] = Batch._fields  # what of a batch it asks for
    start_size: int = 500  # images in the batch that `start` is given
    execution: EagerForward = EagerForward()  # how its networks pass over a batch in training
    descent: EagerGradients = EagerGradients()  # how it finds gradients in training
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

    def prepare(self, source: Dataset, pool: Pool) -> None:
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
