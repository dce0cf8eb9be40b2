"""Statistics over seeds: mean and deviation, paired differences and their intervals."""

import numpy as np
from scipy.stats import binomtest
from scipy.stats import t as student

RESAMPLES = 9999


def summary(values: list[float]) -> dict:
    """n, mean and sample standard deviation, None of a single value."""
    x = np.array(values, dtype=np.float64)
    return {"n": len(x), "mean": float(x.mean()), "std": float(x.std(ddof=1)) if len(x) > 1 else None}


def difference(without: dict[int, float], with_it: dict[int, float]) -> dict:
    """`with_it` - `without` at shared seeds: summary, `interval`, `better`, `worse`, `sign_p`.

    interval: 95 %, percentile bootstrap of the mean over seeds, resamples from a fixed seed; None for fewer than two. sign_p: two-sided
    p of as uneven a split of better and worse seeds, where each is as likely; ties are left out, None where there is nothing else.
    Raises KeyError where no seed is shared.
    """
    seeds = sorted(without.keys() & with_it.keys())
    if not seeds:
        raise KeyError("no seed is shared")
    d = np.array([with_it[seed] - without[seed] for seed in seeds])
    better, worse = int((d < 0).sum()), int((d > 0).sum())
    sign = float(binomtest(better, better + worse).pvalue) if better + worse else None
    return summary(d.tolist()) | {"interval": bootstrap(d), "better": better, "worse": worse, "sign_p": sign, "seeds": seeds}


def bootstrap(d: np.ndarray) -> list[float] | None:
    """95 % of the mean of d [n], by resampling."""
    if len(d) < 2:
        return None
    drawn = np.random.default_rng(0).integers(len(d), size=(RESAMPLES, len(d)))
    return np.quantile(d[drawn].mean(1), [0.025, 0.975]).tolist()


def student_difference(without: list[float], with_it: list[float]) -> dict:
    """Of `with_it` - `without` over pairs: summary, and Student's 95 % `interval` of the mean."""
    d = summary([b - a for a, b in zip(without, with_it, strict=True)])
    half = float(student.ppf(0.975, d["n"] - 1)) * d["std"] / d["n"] ** 0.5
    return d | {"interval": [d["mean"] - half, d["mean"] + half]}
