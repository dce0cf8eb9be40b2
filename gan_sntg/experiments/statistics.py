"""Statistics over seeds (means, paired differences, intervals) and over test images."""

from typing import Literal, TypeVar

import numpy as np
import scipy  # whose parts are loaded when they are first named

Interval = Literal["student", "bca"]
Seed = TypeVar("Seed", int, tuple[int, int])  # or seed and data seed
LEAST_RESAMPLED = 10  # pairs: of fewer a bootstrap's interval covers far less than it says


def summary(values: list[float]) -> dict:
    """n, mean and sample standard deviation, None of a single value."""
    x = np.array(values, dtype=np.float64)
    return {"n": len(x), "mean": float(x.mean()), "std": float(x.std(ddof=1)) if len(x) > 1 else None}


def difference(without: dict[Seed, float], with_it: dict[Seed, float], interval: Interval = "student") -> dict:
    """`with_it` - `without` at shared seeds: summary, `interval`, `better`, `worse`, `sign_p`, `seeds`.

    interval: `interval_of` the mean. sign_p: of the two-sided sign test; ties are left out, None where there is nothing else.
    Raises KeyError where no seed is shared.
    """
    seeds = sorted(without.keys() & with_it.keys())
    if not seeds:
        raise KeyError("no seed is shared")
    d = [with_it[seed] - without[seed] for seed in seeds]
    better, worse = sum(x < 0 for x in d), sum(x > 0 for x in d)
    sign = float(scipy.stats.binomtest(better, better + worse).pvalue) if better + worse else None
    return summary(d) | {"interval": interval_of(d, interval), "better": better, "worse": worse, "sign_p": sign, "seeds": seeds}


def interval_of(values: list[float], kind: Interval = "student") -> list[float] | None:
    """95 % interval [low, high] of the mean of n values, such as paired differences.

    student: mean +- t(0.975, n - 1) std / sqrt(n), None for n < 2. bca: bias-corrected and accelerated bootstrap from a fixed seed (Efron
    1987), None for n < LEAST_RESAMPLED. Where all values are one, it is that value.
    """
    x = np.array(values, dtype=np.float64)
    if len(x) < (LEAST_RESAMPLED if kind == "bca" else 2):
        return None
    if np.ptp(x) == 0:
        return [float(x[0])] * 2
    if kind == "bca":
        drawn = scipy.stats.bootstrap((x,), np.mean, method="BCa", rng=np.random.default_rng(0))
        return [float(end) for end in drawn.confidence_interval]
    return [float(end) for end in scipy.stats.t.interval(0.95, len(x) - 1, x.mean(), x.std(ddof=1) / len(x) ** 0.5)]


def mcnemar(first: np.ndarray, other: np.ndarray) -> dict:
    """McNemar's exact two-sided test of two classifiers on N images, by where each is wrong, bool [N].

    b, c: images that only the first, or only the other, has wrong. p: of b or what is as unlikely in b + c fair draws, 1 where b + c = 0.
    """
    b, c = int((first & ~other).sum()), int((other & ~first).sum())
    return {"b": b, "c": c, "p": float(scipy.stats.binomtest(b, b + c).pvalue) if b + c else 1.0}
