"""Sample quality by torch-fidelity: IS, FID, KID, precision and recall, each with an interval."""

from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from math import inf
from typing import NamedTuple

import numpy as np
import torch
from einops import repeat
from scipy.stats import t as student
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from torch.utils.data import Subset
from torch_fidelity.generative_model_modulewrapper import GenerativeModelModuleWrapper
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, isc_features_to_metric
from torch_fidelity.metric_prc import calc_cdist_part
from torch_fidelity.utils import get_featuresdict_from_dataset, get_featuresdict_from_generative_model
from torchvision.transforms.v2 import Lambda

from gan_sntg.data.normalization import Normalization
from gan_sntg.errors import InputError
from gan_sntg.evaluation.feature_extractors import Features
from gan_sntg.evaluation.fidelity_records import Score
from gan_sntg.evaluation.samples import BANK_SIZE, fix_on_bank
from gan_sntg.files.array_files import cached, key_of, tensor_sha256
from gan_sntg.networks.gan import Generator
from gan_sntg.networks.passes import mode

SEED = 0  # of z, and of all that is drawn for a score
FEWEST = 100  # samples
HALVES = 10  # random halves of the samples that make the interval
SUBSETS, SUBSET_SIZE = 100, 1000  # KID's
BOUNDS = {"inception_score": (1.0, inf), "fid": (0.0, inf), "precision": (0.0, 1.0), "recall": (0.0, 1.0)}  # KID is unbiased: below 0 too
MOST_PAIRED, NEIGHBORS = 10_000, 3  # images of each kind, and k, of precision and recall
AT_ONCE = 2000  # images of a kind whose distances are held


class Extracted(NamedTuple):
    """Features [n, D] and logits [n, K] of n images, float32 on the CPU."""

    h: Tensor
    logits: Tensor


def rgb(x: Tensor) -> Tensor:
    """Grey images [..., 1, H, W] with their channel repeated to three; colour ones as they are."""
    return x if x.shape[-3] == 3 else repeat(x, "... 1 h w -> ... rgb h w", rgb=3)


def generator_features(
    generator: Generator, normalization: Normalization, extractor: Features, n: int, batch_size: int = 100, verbose: bool = False
) -> Extracted:
    """Features of n images of uniform z, which torch-fidelity draws from SEED; G is fixed on the bank."""
    device = next(generator.parameters()).device
    fix_on_bank(generator, device)
    images = nn.Sequential(generator, Lambda(normalization.images), Lambda(normalization.pixels.shown), Lambda(rgb))
    with mode(generator, training=False):
        model = GenerativeModelModuleWrapper(images, generator.latent, "uniform_0_1", 0)
        found = get_featuresdict_from_generative_model(model, extractor, n, batch_size, device.type == "cuda", SEED, verbose)
    return Extracted(*(found[layer] for layer in extractor.features_list))


def image_features(x: Tensor, extractor: Features, cuda: bool = False, batch_size: int = 100, verbose: bool = False) -> Extracted:
    """Features of images x uint8 [N, C, H, W], from the cache if this extractor has seen them before."""
    key = key_of(f"{str(extractor.identity['weights_sha256'])[:16]}-{extractor.identity['resize']}".replace(" ", ""), x)
    with torch.no_grad():
        shapes = {name: (len(x), one.shape[1]) for name, one in zip(Extracted._fields, extractor(rgb(x[:1])), strict=True)}

    def found() -> dict[str, Tensor]:
        images = Subset(rgb(x), range(len(x)))  # pyright: ignore[reportArgumentType] a tensor is indexed as a data set is
        layers = get_featuresdict_from_dataset(images, extractor, batch_size, cuda, True, verbose)
        return {name: layers[layer] for name, layer in zip(Extracted._fields, extractor.features_list, strict=True)}

    return Extracted(**cached(key, shapes, found))


class Reference:
    """Real images as samples are compared with them: what is the same for all sets of samples."""

    def __init__(self, real: Extracted):
        chosen = torch.randperm(len(real.h), generator=torch.Generator().manual_seed(SEED))[:MOST_PAIRED]  # data sets may be sorted
        self.h, self.paired = real.h, real.h[chosen]
        self.radii, self.statistics = radii(self.paired), fid_features_to_statistics(real.h)


def scores(fakes: list[Extracted], real: Reference, subset: int) -> list[dict[str, float]]:
    """IS, FID, KID, precision and recall of each of several sets of as many samples, as torch-fidelity's."""
    return [
        {
            "inception_score": isc_features_to_metric(fake.logits, rng_seed=SEED)[KEY_METRIC_ISC_MEAN],
            "fid": fid_statistics_to_metric(fid_features_to_statistics(fake.h), real.statistics, False)[KEY_METRIC_FID],
            "kid": kid,
            "precision": share_within(fake.h[:MOST_PAIRED], real.paired, real.radii),
            "recall": share_within(real.paired, fake.h[:MOST_PAIRED], radii(fake.h[:MOST_PAIRED])),
        }
        for fake, kid in zip(fakes, kids([fake.h for fake in fakes], real.h, subset), strict=True)
    ]


def kids(fakes: list[Tensor], real: Tensor, size: int) -> list[float]:
    """KID of each of several sets of as many samples [n, D] against real images [N, D].

    The mean over SUBSETS of the unbiased MMD^2 of `size` of each kind, drawn from SEED, by the kernel (x.y / D + 1)^3: torch-fidelity's to
    the last bit. What is drawn of the real images is the same for all sets, so that its kernel is computed once.
    """
    x, y, generator = [fake.numpy() for fake in fakes], real.numpy(), np.random.RandomState(SEED)
    drawn = [[generator.choice(n, size, replace=False) for n in (len(x[0]), len(y))] for _ in range(SUBSETS)]

    def estimates(places: list[np.ndarray]) -> list[np.floating]:
        r = y[places[1]]
        reals, found = unequal_sum(cubic_kernel(r, r)), []
        for g in (h[places[0]] for h in x):
            own, crossed = unequal_sum(cubic_kernel(g, g)), cubic_kernel(g, r).sum(0).sum()
            found.append((own + reals) / (size * (size - 1)) - 2 * crossed / (size * size))
        return found

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(torch.get_num_threads()) as pool:
        found = np.array([*pool.map(estimates, drawn)], np.float64)
    return [float(np.mean(own)) for own in found.T.copy()]


def cubic_kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(x.y / D + 1)^3 [n, m] of each pair of x [n, D] and y [m, D]."""
    k = np.matmul(x, y.T)  # changed in place: fresh memory takes as long as the products
    k *= 1 / x.shape[1]
    k += 1
    k **= 3
    return k


def unequal_sum(k: np.ndarray) -> np.floating:
    """Sum over all i and j != i of k [n, n]."""
    return (k.sum(1) - k.diagonal()).sum()


def radii(h: Tensor) -> Tensor:
    """Distance [N] of each of h [N, D] to the nearest other but NEIGHBORS - 1."""
    nearest = [calc_cdist_part(part, h, AT_ONCE).topk(NEIGHBORS + 1, largest=False).values for part in h.split(AT_ONCE)]
    return torch.cat(nearest)[:, -1]  # among them is the image itself


def share_within(h: Tensor, centers: Tensor, radii: Tensor) -> float:
    """Share of h [n, D] within the ball of any of centers [N, D], whose radii are [N]."""
    return torch.cat([(calc_cdist_part(part, centers, AT_ONCE) <= radii).any(1) for part in h.split(AT_ONCE)]).float().mean().item()


def scores_with_intervals(fake: Extracted, real: Extracted) -> dict[str, Score]:
    """The scores +- Student's 97.5 % quantile times the deviation over HALVES halves of the samples.

    A jackknife that deletes half, without replacement: a half's own bias, as of FID with fewer samples, is the same for each and does not
    enter. What training would do with another seed is not in it. Raises InputError for fewer than FEWEST images of a kind.
    """
    if min(len(fake.h), len(real.h)) < FEWEST:
        raise InputError(f"{len(fake.h)} samples and {len(real.h)} real images are too few to score; give {FEWEST} or more of each")
    reference, subset = Reference(real), subset_size(len(fake.h), len(real.h))
    (whole,) = scores([fake], reference, subset)
    generator = torch.Generator().manual_seed(SEED)
    order = [torch.randperm(len(fake.h), generator=generator)[: len(fake.h) // 2] for _ in range(HALVES)]
    halves = scores([Extracted(fake.h[half], fake.logits[half]) for half in order], reference, subset)
    quantile = float(student.ppf(0.975, HALVES - 1))
    spread = {name: quantile * float(np.std([half[name] for half in halves], ddof=1)) for name in whole}
    return {name: within_bounds(name, value, spread[name]) for name, value in whole.items()}


def within_bounds(name: str, value: float, spread: float) -> Score:
    """value +- spread, whose ends are values that the score can have."""
    least, most = BOUNDS.get(name, (-inf, inf))
    return Score(value, min(value, max(least, value - spread)), max(value, min(most, value + spread)))


def few_images_note(samples: int, real: int, features: int) -> str | None:
    """What is said of a FID of no more samples, or real images, than features; None of more."""
    few = [f"{n} {kind}" for kind, n in (("samples", samples), ("real images", real)) if n <= features]
    if not few:
        return None
    what = f"{' and '.join(few)} are no more than the extractor has features ({features})"
    return f"{what}: FID is far too high then, whatever its interval, and says something only beside others of as many images"


def subset_size(samples: int, real: int) -> int:
    """KID's: SUBSET_SIZE, or what half of the samples and the real images allow."""
    return min(SUBSET_SIZE, samples // 2, real)


def suffixed(found: dict[str, Score], suffix: str | None) -> dict[str, Score]:
    """The scores under the names that they may bear: only Inception's are FID and Inception Score."""
    short = {"inception_score": "is"}
    return {name if suffix is None else f"{short.get(name, name)}_{suffix}": score for name, score in found.items()}


def fidelity_provenance(extractor: Features, samples: int, reference: str, x: Tensor) -> dict[str, str | int | float]:
    """How the scores of so many samples against the images x of the split `reference` are measured."""
    paired = f"{min(MOST_PAIRED, samples)} and {min(MOST_PAIRED, len(x))} images"
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
        "kid": f"{SUBSETS} subsets of {subset_size(samples, len(x))}",
        "precision_recall": f"{paired}, {NEIGHBORS} neighbours",
        "interval": f"95 %, from {HALVES} random halves of the samples",
        **{name: version(name) for name in ("torch", "torch-fidelity", "numpy")},
    }
