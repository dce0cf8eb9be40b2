"""The contract of a method."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gan_sntg.configurable import Configurable
from gan_sntg.data.dataset import Dataset
from gan_sntg.data.loader import Batch, Pool
from gan_sntg.networks.gan import Generator
from gan_sntg.networks.passes import EagerForward
from gan_sntg.rng import purpose_generator
from gan_sntg.training.cuda_graphs import EagerGradients
from gan_sntg.training.meter import Terms


class Method(Configurable, nn.Module, ABC):
    """A training method; its `state_dict`, the optimizers' and the generators' are its whole state.

    A method makes `optimizers` and says `classifiers`, `losses`, `weights` and `step`; all else has a default. `generator` is the
    network that makes images from z, if it has one.
    """

    optimizers: dict[str, Optimizer]
    purposes: tuple[str, ...] = ("noise",)  # each gets a random generator of its own, in `generators`
    views: tuple[str, ...] = Batch._fields  # the fields of a batch that it asks for
    intermittent: tuple[str, ...] = ()  # terms that a draw or a threshold leaves without gradient on many batches
    float32_only: bool = False  # whether it takes no product in a shorter type, whatever the run's precision
    start_size: int = 500  # images in the batch that `start` is given
    settings: dict[str, float] = {}  # what schedules gave the last step, for telemetry; never changed in place
    execution: EagerForward = EagerForward()  # how its networks pass over a batch in training
    gradients: EagerGradients = EagerGradients()  # how `descend` finds them; the run's to choose, not the method's

    def __init__(self):
        super().__init__()
        self.generator: Generator | None = None

    @property
    def image_generator(self) -> Generator | None:
        """Its generator, where what that draws are images."""
        return self.generator if self.generator is not None and self.generator.of_images else None

    @property
    def networks(self) -> dict[str, nn.Module]:
        """Its parts that have parameters, by name: students, teachers and averages."""
        return {name: part for name, part in self.named_children() if any(True for _ in part.parameters())}

    @property
    @abstractmethod
    def classifiers(self) -> dict[str, nn.Module]:
        """The networks to evaluate: {"last": ..., "averaged": ...}."""

    @property
    @abstractmethod
    def losses(self) -> dict[str, tuple[nn.Module, Callable[[Batch, int], Terms]]]:
        """By prefix of its terms: the network they must move, and their function of (batch, t).

        Several networks that one prefix moves are an `nn.ModuleList`; each term must have a gradient into one of them at least.
        """

    @abstractmethod
    def weights(self) -> dict[str, float]:
        """Every term of the method, with its configured weight at the end of all ramps."""

    @abstractmethod
    def step(self, batch: Batch, t: int) -> Terms:
        """Update everything once in epoch t; the weighted terms "prefix/name" descended, detached."""

    def prepare(self, data: Dataset, pool: Pool) -> None:
        """Take from the data what depends on them as a whole. Raises InputError where they do not fit."""

    def check(self, batch_size: int, labeled_batch_size: int) -> None:
        """Raise InputError where the method cannot work on batches of these sizes."""

    def check_length(self, epochs: int) -> None:
        """Raise InputError where a run of so many epochs ends before all networks train."""

    def start(self, batch: Batch) -> None:
        """Initialise what depends on data, once, before the first step."""

    def end_epoch(self) -> None:
        """Update what changes after the last step of an epoch."""

    def before_evaluation(self) -> None:
        """Make the classifiers ready for evaluation."""

    def telemetry(self, batch: Batch) -> dict[str, float | Tensor]:
        """Figures of a batch with hidden labels revealed, not minimised; leaves the run as it was."""
        return {}

    def infer(self, x: Tensor) -> Tensor | None:
        """z [B, latent] of images x [B, C, H, W] by its encoder; None where it has none."""
        return None

    def seed(self, seed: int, device: torch.device | str) -> None:
        """Make one random generator per purpose on the device."""
        self.generators = {p: purpose_generator(seed, p, device) for p in self.purposes}

    def descend(self, name: str, batch: Batch, t: int) -> Terms:
        """Step the optimizer of this name down the loss of this name in epoch t; its terms, detached."""
        terms = self.gradients(self, name, batch, t)
        self.optimizers[name].step()
        return terms
