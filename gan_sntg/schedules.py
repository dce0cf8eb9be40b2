"""Ramps of weights, learning rates and Adam's betas: functions of the epoch t, counted from 0."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import exp

from gan_sntg.configurable import Configurable

Betas = tuple[float, float]


def ramp_up(t: float, ramp_epochs: float, start_epochs: float = 0) -> float:
    """w(t) = exp(-5 (1 - (t - start) / ramp)^2), 0 up to t = start, 1 from start + ramp (reference 1.4)."""
    if t <= start_epochs:  # the teacher of the first epoch knows nothing
        return 0.0
    done = (t - start_epochs) / ramp_epochs if ramp_epochs else 1.0
    return exp(-5 * (1 - min(done, 1.0)) ** 2)


def ramp_down(t: float, epochs: float, tail_epochs: float) -> float:
    """exp(-12.5 (1 - (epochs - t) / tail)^2) in the last `tail_epochs`, 1 before (reference 1.4)."""
    left = (epochs - t) / tail_epochs if tail_epochs else 1.0
    return exp(-12.5 * (1 - min(left, 1.0)) ** 2)


def ramp_up_down(t: float, ramp_epochs: float, start_epochs: float = 0, stop_epochs: float | None = None) -> float:
    """`ramp_up` from start on, times `ramp_down` over as many epochs before stop, from which on it is 0."""
    if stop_epochs is None:
        return ramp_up(t, ramp_epochs, start_epochs)
    return 0.0 if t >= stop_epochs else ramp_up(t, ramp_epochs, start_epochs) * ramp_down(t, stop_epochs, ramp_epochs)


def linear_tail(t: float, epochs: float | None) -> float:
    """min(3 (1 - t / epochs), 1), constant, then linear to 0 (reference 5); 1 where epochs is None."""
    return 1.0 if epochs is None else max(0.0, min(3 * (1 - t / epochs), 1.0))


@dataclass
class RampedWeight:
    """w(t) = max_weight (labels / images, if `scaled`) ramp_up(t) of Alg. 1; ramp_epochs null: no ramp."""

    max_weight: float = 1.0
    ramp_epochs: float | None = 80
    scaled: bool = True

    def at(self, t: float, share: float) -> float:
        """w(t); share: labels / images of the pool."""
        scale = share if self.scaled else 1.0
        return self.max_weight * scale * (1.0 if self.ramp_epochs is None else ramp_up(t, self.ramp_epochs))


class Schedule(Configurable, ABC):
    """Learning rate and Adam's betas by the epoch."""

    @abstractmethod
    def at(self, t: float) -> tuple[float, Betas]:
        """Factor of the learning rate, in 0..1, and (beta1, beta2) in epoch t."""


class LinearTail(Schedule):
    """`linear_tail`, as for the Improved GAN's networks; betas (beta1, 0.999) throughout (reference 5)."""

    def __init__(self, epochs: float | None = None, beta1: float = 0.5):
        """epochs: when the rate is 0; null: it stays; beta1: of Adam."""
        self.epochs, self.beta1 = epochs, beta1

    def at(self, t: float) -> tuple[float, Betas]:
        """1, then linear to 0."""
        return linear_tail(t, self.epochs), (self.beta1, 0.999)


class RampUpDown(Schedule):
    """exp(-5 (1 - t / up)^2) at the start, `ramp_down` at the end, beta1 from 0.9 to 0.5 (reference 1.4)."""

    def __init__(self, epochs: float, up_epochs: float = 80, down_epochs: float = 50, early_beta2: float = 0.999):
        """Take the lengths of the run and of its ends.

        epochs: of the run.
        up_epochs: of the rise at its start.
        down_epochs: of the fall at its end.
        early_beta2: beta2 of the rise (reference 3).
        """
        self.epochs, self.up_epochs, self.down_epochs, self.early_beta2 = epochs, up_epochs, down_epochs, early_beta2

    def at(self, t: float) -> tuple[float, Betas]:
        """Up times down, above 0 in the first epoch, unlike w(t); beta1 = 0.9 down + 0.5 (1 - down)."""
        up = exp(-5 * (1 - min(t / self.up_epochs, 1.0)) ** 2) if self.up_epochs else 1.0
        down = ramp_down(t, self.epochs, self.down_epochs)
        return up * down, (0.9 * down + 0.5 * (1 - down), 0.999 if t >= self.up_epochs else self.early_beta2)


class LinearDecay(Schedule):
    """1 until `start_epochs`, then linear to 0 at `epochs` with beta1 0.5, not 0.9: VAT (reference 4)."""

    def __init__(self, epochs: float, start_epochs: float):
        """epochs: when the rate is 0; start_epochs: when it begins to fall."""
        self.epochs, self.start_epochs = epochs, start_epochs

    def at(self, t: float) -> tuple[float, Betas]:
        """In the last epoch 1 / (epochs - start) of the rate is left; beta1 changes at once."""
        factor = min(1.0, max(0.0, (self.epochs - t) / (self.epochs - self.start_epochs)))
        return factor, (0.9 if t < self.start_epochs else 0.5, 0.999)


class ExponentialDecay(Schedule):
    """1, from `start_epochs` on times `factor` each epoch; beta1 0.5, before a fall 0.9 (Triple-GAN).

    In the first `early_epochs`, of pretraining, `early_factor` with beta1 0.9.
    """

    def __init__(
        self, start_epochs: float, factor: float = 0.995, fall_epochs: float = 0, early_epochs: float = 0, early_factor: float = 1.0
    ):
        """Take when the rate falls, and how fast.

        start_epochs: when the rate begins to fall.
        factor: of the rate, each epoch from then on.
        fall_epochs: before start_epochs, over which beta1 falls by `ramp_down`; 0: it is 0.5.
        early_epochs: of pretraining.
        early_factor: of the rate in these.
        """
        self.start_epochs, self.factor, self.fall_epochs = start_epochs, factor, fall_epochs
        self.early_epochs, self.early_factor = early_epochs, early_factor

    def at(self, t: float) -> tuple[float, Betas]:
        """The rate stays until `start_epochs`, whatever beta1 does."""
        if t < self.early_epochs:
            return self.early_factor, (0.9, 0.999)
        down = ramp_down(t, self.start_epochs, self.fall_epochs) if self.fall_epochs else 0.0
        return self.factor ** max(0.0, t - self.start_epochs), (0.9 * down + 0.5 * (1 - down), 0.999)
