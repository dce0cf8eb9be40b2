"""How good and how varied are a generator's images? IS, FID, KID, precision and recall by torch-fidelity, each with an interval."""

from importlib.metadata import version

import numpy as np
import torch
from scipy.stats import t as student
from torch import Tensor
from torch_fidelity.feature_extractor_base import FeatureExtractorBase
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, isc_features_to_metric
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric
from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

from gan_sntg.core.errors import InputError
from gan_sntg.core.fingerprint import tensor_sha256
from gan_sntg.extracting import SEED, Extracted
from gan_sntg.provenance import Score
from gan_sntg.samples import BANK_SIZE

FEWEST = 100  # samples
HALVES = 10  # random halves of the samples that make the interval
SUBSETS, SUBSET_SIZE = 100, 1000  # KID's
MOST_PAIRED, NEIGHBORS = 10_000, 3  # images of each kind, and k, of precision and recall


def scores(fake: Extracted, real: Extracted, statistics: dict, subset: int) -> dict[str, float]:
    """IS, FID, KID, precision and recall of `fake` against `real`, whose FID statistics are given; KID on subsets of that size."""
    settings = {"kid_subsets": SUBSETS, "kid_subset_size": subset, "rng_seed": SEED, "verbose": False}
    paired = {"prc_neighborhood": NEIGHBORS, "prc_batch_size": 2000, "save_cpu_ram": True, "verbose": False}
    chosen = torch.randperm(len(real.h), generator=torch.Generator().manual_seed(SEED))[:MOST_PAIRED]  # data sets may be sorted
    prc = prc_features_to_metric(fake.h[:MOST_PAIRED], real.h[chosen], **paired)
    fid = fid_statistics_to_metric(fid_features_to_statistics(fake.h), statistics, False)
    return {
        "inception_score": isc_features_to_metric(fake.logits, rng_seed=SEED)[KEY_METRIC_ISC_MEAN],
        "fid": fid[KEY_METRIC_FID],
        "kid": kid_features_to_metric(fake.h, real.h, **settings)[KEY_METRIC_KID_MEAN],
        "precision": prc[KEY_METRIC_PRECISION],
        "recall": prc[KEY_METRIC_RECALL],
    }


def with_intervals(fake: Extracted, real: Extracted) -> dict[str, Score]:
    """The scores, each +- Student's 97.5 % quantile times the deviation over HALVES random halves of the samples.

    The deviation over halves without replacement estimates that of the whole (a jackknife that deletes half); a half's own bias, such as
    that of FID with fewer samples, is the same for each and does not enter. What training would do with another seed is not in it.
    Raises InputError for fewer than FEWEST images of a kind.
    """
    if min(len(fake.h), len(real.h)) < FEWEST:
        raise InputError(f"{len(fake.h)} samples and {len(real.h)} real images are too few to score; give {FEWEST} or more of each")
    statistics, subset = fid_features_to_statistics(real.h), subset_size(len(fake.h), len(real.h))
    whole = scores(fake, real, statistics, subset)
    generator = torch.Generator().manual_seed(SEED)
    drawn = [torch.randperm(len(fake.h), generator=generator)[: len(fake.h) // 2] for _ in range(HALVES)]
    halves = [scores(Extracted(fake.h[half], fake.logits[half]), real, statistics, subset) for half in drawn]
    quantile = float(student.ppf(0.975, HALVES - 1))
    spread = {name: quantile * float(np.std([half[name] for half in halves], ddof=1)) for name in whole}
    return {name: Score(value, value - spread[name], value + spread[name]) for name, value in whole.items()}


def subset_size(samples: int, real: int) -> int:
    """KID's: SUBSET_SIZE, or what half of the samples and the real images allow."""
    return min(SUBSET_SIZE, samples // 2, real)


def named(found: dict[str, Score], suffix: str | None) -> dict[str, Score]:
    """The scores under the names that they may bear: only Inception's are FID and Inception Score."""
    short = {"inception_score": "is"}
    return {name if suffix is None else f"{short.get(name, name)}_{suffix}": score for name, score in found.items()}


def provenance(extractor: FeatureExtractorBase, samples: int, reference: str, x: Tensor) -> dict:
    """How the scores of so many samples against the images x of the split `reference` are measured."""
    settings = f"{SUBSETS} subsets of {subset_size(samples, len(x))}", f"{min(MOST_PAIRED, samples)} and {min(MOST_PAIRED, len(x))} images"
    return extractor.identity | {
        "samples": samples,
        "z": f"uniform in [0, 1], torch-fidelity's draws from seed {SEED}",
        "generator_weights": "last",
        "generator_statistics": f"fixed on a bank of {BANK_SIZE} z",
        "quantisation": "uint8 RGB",
        "dtype": "float32",
        "reference": reference,
        "reference_images": len(x),
        "reference_sha256": tensor_sha256(x),
        "kid": settings[0],
        "precision_recall": f"{settings[1]}, {NEIGHBORS} neighbours",
        "interval": f"95 %, from {HALVES} random halves of the samples",
        **{name: version(name) for name in ("torch", "torch-fidelity", "numpy")},
    }
