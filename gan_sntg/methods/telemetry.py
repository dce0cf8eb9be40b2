"""Telemetry of a generator's health: diversity, rank, copies, classes, and whether it has collapsed."""

import torch
from torch import Tensor

FROZEN = 0.03  # diversity below it: healthy runs had 0.058 or more at every stage, the first steps too
COPY = 0.02  # copies are this near, in units of the gap between real images: a healthy run's median gap was 0.043 or more
MOST = 0.5  # shares above it
FEW_NEGATIVES = 0.05  # share of the negative pairs inside the margin, below which a graph hardly pushes apart
LOST_SHARE = 1 / 3  # of its prior, below which a class is being absorbed by others
FALLEN = {"graph/distance_positive": 0.2, "g/matching": 0.1}  # of their highest values: features are points, and G learns little
FEW_CLASSES = 10  # up to which each has a share of its own in the log


def diversity(h_fake: Tensor, h_real: Tensor) -> Tensor:
    """Mean |h_i - h_j| of generated pairs by that of real ones. h [B, D], [B', D] -> scalar.

    NaN where real ones do not differ. The measure of Zhu et al. 2017 (BicycleGAN), with D's features in place of LPIPS.
    """
    fake, real = torch.pdist(h_fake).mean(), torch.pdist(h_real).mean()
    return (fake / real).where(real > 0, torch.nan)


def effective_rank(h: Tensor) -> Tensor:
    """exp(-sum_k p_k log p_k), p = s / sum(s), s: singular values of h - mean(h) (Roy & Vetterli 2007).

    h [B, D] -> 1..min(B - 1, D), NaN where h is not finite. Singular values within rounding of |h| are 0; where all are, it is 1.
    """
    if not h.isfinite().all():
        return h.new_tensor(torch.nan)
    limits = torch.finfo(h.dtype)
    h = h / h.abs().max().clamp(min=limits.tiny)  # the rank is the same, and nothing overflows
    s = torch.linalg.svdvals(h - h.mean(0))
    s = s.where(s > max(h.shape) * limits.eps * torch.linalg.vector_norm(h), 0)
    return torch.special.entr(s / s.sum().clamp(min=limits.tiny)).sum().exp()


def nearest_share(h_fake: Tensor, h_real: Tensor) -> Tensor:
    """max_j #{i: argmin_k |h_fake_i - h_real_k| = j} / B, from 1 / B to 1. [B, D], [B', D] -> scalar.

    No source: it is the nearest-neighbour assignment of precision and coverage (Naeem et al. 2020), its largest cell.
    """
    nearest = torch.cdist(h_fake, h_real, compute_mode="donot_use_mm_for_euclid_dist").argmin(1)
    return torch.bincount(nearest).max() / len(h_fake)


def gaps(h: Tensor) -> Tensor:
    """min_{j != i} |h_i - h_j| of each image, infinite for a single one. h [B, D] -> [B]."""
    i, j = torch.triu_indices(len(h), len(h), 1, device=h.device)
    apart = h.new_full((len(h), len(h)), torch.inf)
    apart[i, j] = apart[j, i] = torch.pdist(h)
    return apart.amin(1)


def copies(h_fake: Tensor, h_real: Tensor) -> Tensor:
    """#{i: gap_i < COPY median_k(gap_k of real ones)} / B. h [B, D], [B', D] -> scalar.

    NaN where that median is 0 or there is a single real image. No source: it sees a collapse onto any number of images below B / 2.
    """
    between = gaps(h_real).median()
    return (gaps(h_fake) < COPY * between).float().mean().where((between > 0) & between.isfinite(), torch.nan)


def class_entropy(shares: Tensor) -> Tensor:
    """-sum_k q_k log q_k / log K, from 0 (one class) to 1; NaN for K = 1. shares q [K] -> scalar.

    1 - KL(q || uniform) / log K, the reverse KL of Metz et al. 2017 (Unrolled GAN), with D as the classifier.
    """
    entropy = torch.special.entr(shares).sum() / torch.tensor(float(len(shares)), device=shares.device).log()
    return entropy.clamp(max=1.0)  # rounded up, equal shares pass it


def collapsed(diversity: Tensor, share: Tensor, copies: Tensor) -> Tensor:
    """1 where G is frozen on one image or most of its images are copies, else 0; NaN speaks for neither.

    Frozen: diversity < FROZEN and nearest_share > MOST, which alone is usual early in training, as are few classes and a low rank.
    """
    return ((diversity < FROZEN) & (share > MOST) | (copies > MOST)).float()


def health_telemetry(h_fake: Tensor, h_real: Tensor, logits_fake: Tensor) -> dict[str, Tensor]:
    """All figures by their names in the log, of D without noise; all NaN where an argument is not finite."""
    shares = torch.bincount(logits_fake.argmax(1), minlength=logits_fake.shape[1]) / len(logits_fake)
    figures = {
        "gan/diversity": diversity(h_fake, h_real),
        "gan/effective_rank": effective_rank(h_fake),
        "gan/effective_rank_real": effective_rank(h_real),
        "gan/nearest_share": nearest_share(h_fake, h_real),
        "gan/copies": copies(h_fake, h_real),
        "gan/class_entropy": class_entropy(shares),
        "gan/largest_class": shares.max(),
    } | {f"gan/class_{k}": q for k, q in enumerate(shares) if len(shares) <= FEW_CLASSES}
    finite = torch.stack([values.isfinite().all() for values in (h_fake, h_real, logits_fake)]).all()
    figures = {name: value.where(finite & value.isfinite(), torch.nan) for name, value in figures.items()}
    return figures | {"gan/collapsed": collapsed(*(figures[f"gan/{name}"] for name in ("diversity", "nearest_share", "copies")))}


ALARMS = "graph/absorbed", "graph/drawn_together"  # what `graph_alarms` may give


def graph_alarms(rows: list[dict], row: dict[str, float]) -> dict[str, float]:
    """Whether SNTG absorbs a class or draws classes to points: 1 or 0, found without labels.

    rows: of the log so far; row: the next. graph/absorbed: a class has under a third of its prior under the teacher, before balancing;
    graph/drawn_together, of GANs: positive pairs are under a fifth as far apart as they were at most, and feature matching, G's one
    signal, is under a tenth. {} where the weight is 0.
    """
    if not row.get("weight/graph"):
        return {}
    found = {"graph/absorbed": float(row.get("graph/least_share", 1.0) < LOST_SHARE)}
    if all(name in row for name in FALLEN):
        highest = {name: max((earlier.get(name) or 0.0 for earlier in rows), default=0.0) for name in FALLEN}
        found["graph/drawn_together"] = float(all(row[name] < share * highest[name] for name, share in FALLEN.items()))
    return found


def telemetry_warnings(telemetry: dict[str, float]) -> dict[str, str]:
    """Warnings by subject: what is wrong and what to try."""
    found = {}
    inside = telemetry.get("graph/negatives_inside_margin", 1.0)
    if telemetry.get("weight/graph") and inside < FEW_NEGATIVES:
        found["margin"] = (
            f"{inside:.1%} of the negative pairs are inside the margin, so the graph hardly pushes apart. Try a larger --method.sntg.margin"
        )
    if telemetry.get("graph/absorbed"):
        found["absorbed"] = (
            f"a class has {telemetry['graph/least_share']:.0%} of the images that its prior gives it under the teacher: others absorb it, "
            "unless it is as rare in the data. Try --method.sntg.balance DistributionAlignment, or a smaller --method.sntg.weight"
        )
    if telemetry.get("graph/drawn_together"):
        found["drawn together"] = (
            "the graph has drawn the features of classes to points, and feature matching, from which the generator learns, has fallen to "
            "less than a tenth. Try an --method.sntg.attraction_margin, or a smaller --method.sntg.weight"
        )
    if telemetry.get("gan/collapsed"):
        found["collapse"] = (
            "the generator has collapsed: in D's features its images are {gan/diversity:.1%} as far apart as real ones, {gan/copies:.0%} "
            "of them repeat another, {gan/nearest_share:.0%} have one real image nearest, and their effective rank is "
            "{gan/effective_rank:.1f} (real: {gan/effective_rank_real:.1f}). Look at its images, in samples/ of the run; if gan/collapsed "
            "stays 1, try a smaller --method.learning_rate or another --seed"
        ).format_map(telemetry)
    return found
