"""Statistics over seeds: mean and deviation, paired differences and their intervals."""

import numpy as np
from scipy.stats import binomtest, bootstrap
from scipy.stats import t as student


def summary(values: list[float]) -> dict:
    """n, mean and sample standard deviation, None of a single value."""
    x = np.array(values, dtype=np.float64)
    return {"n": len(x), "mean": float(x.mean()), "std": float(x.std(ddof=1)) if len(x) > 1 else None}


def difference(without: dict[int, float], with_it: dict[int, float]) -> dict:
    """`with_it` - `without` at shared seeds: summary, `interval`, `better`, `worse`, `sign_p`.

    interval: 95 %, percentile bootstrap of the mean over seeds, from a fixed seed; None for fewer than two. sign_p: of the two-sided sign
    test; ties are left out, None where there is nothing else. Raises KeyError where no seed is shared.
    """
    seeds = sorted(without.keys() & with_it.keys())
    if not seeds:
        raise KeyError("no seed is shared")
    d = np.array([with_it[seed] - without[seed] for seed in seeds])
    better, worse = int((d < 0).sum()), int((d > 0).sum())
    sign = float(binomtest(better, better + worse).pvalue) if better + worse else None
    interval = None
    if len(d) > 1:
        found = bootstrap((d,), np.mean, method="percentile", rng=np.random.default_rng(0))
        interval = [float(end) for end in found.confidence_interval]
    return summary(d.tolist()) | {"interval": interval, "better": better, "worse": worse, "sign_p": sign, "seeds": seeds}


def student_difference(without: list[float], with_it: list[float]) -> dict:
    """Of `with_it` - `without` over pairs: summary, and Student's 95 % `interval` of the mean."""
    d = summary([b - a for a, b in zip(without, with_it, strict=True)])
    half = float(student.ppf(0.975, d["n"] - 1)) * d["std"] / d["n"] ** 0.5
    return d | {"interval": [d["mean"] - half, d["mean"] + half]}
