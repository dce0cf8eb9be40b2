"""What are weights and learning rates at epoch t (counted from 0)? Pure functions of t."""

from math import exp


def ramp_up(t: float, ramp_epochs: float, start_epochs: float = 0) -> float:
    """w(t) = exp(-5 (1 - (t - start) / ramp)^2), rising to 1 at t = start + ramp (reference 1.4).

    0 up to and including t = start, so that the first epoch, whose teacher knows nothing, has no weight.
    """
    if t <= start_epochs:
        return 0.0
    done = (t - start_epochs) / ramp_epochs if ramp_epochs else 1.0
    return exp(-5 * (1 - min(done, 1.0)) ** 2)


def linear_tail(t: float, epochs: float | None) -> float:
    """min(3 (1 - t / epochs), 1): constant for two thirds, then linear to 0 (reference 5); None: constant throughout."""
    return 1.0 if epochs is None else max(0.0, min(3 * (1 - t / epochs), 1.0))
