"""Error rates, confusion matrices and calibration of a classifier."""

import math
from collections.abc import Callable, Sequence
from enum import member
from itertools import chain
from typing import NamedTuple

import numpy as np
import scipy  # whose parts are loaded when they are first named
import torch
from torch import Tensor, nn
from torch.distributions import Categorical

from gan_sntg.configurable import Choice
from gan_sntg.data.normalization import Normalization
from gan_sntg.networks.passes import mode
from gan_sntg.rng import purpose_generator

BINS = 15  # of confidence, equally wide
RESAMPLES = 2000  # of groups


@torch.no_grad()
def outputs_of(
    net: nn.Module, x: Tensor, normalize: Callable[[Tensor], Tensor], batch_size: int = 250, keep: bool = True
) -> tuple[Tensor, Tensor]:
    """h [N, D] and logits [N, K] of x [N, ...] in evaluation mode; keep: see `Normalization.prepare`."""
    if isinstance(normalize, Normalization):
        x = normalize.prepare(x, keep)
    device = next(chain(net.parameters(), net.buffers()), x).device  # of images that stay elsewhere, a part after another
    with mode(net, training=False):
        h, logits = zip(*(net(normalize(part.to(device))) for part in x.split(batch_size)), strict=True)
    return torch.cat(h), torch.cat(logits)


def logits_of(net: nn.Module, x: Tensor, normalize: Callable[[Tensor], Tensor], batch_size: int = 250) -> Tensor:
    """Logits [N, K], the second of `outputs_of`."""
    return outputs_of(net, x, normalize, batch_size)[1]


def percent_wrong(logits: Tensor, y: Tensor) -> float:
    """Percent of rows whose arg max logit is not the label. logits [N, K], y [N]."""
    return 100 * int((logits.argmax(1) != y).sum()) / len(y)


def error_interval(percent: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval, in percent, of an error in percent on n independent examples."""
    interval = scipy.stats.binomtest(round(percent * n / 100), n).proportion_ci(method="wilson")
    return 100 * interval.low, 100 * interval.high


def error_rate(net: nn.Module, x: Tensor, y: Tensor, normalize: Callable[[Tensor], Tensor], batch_size: int = 250) -> float:
    """Percent of examples x [N, ...] whose arg max logit is not the label y [N], in evaluation mode."""
    return percent_wrong(logits_of(net, x, normalize, batch_size), y)


def confusion_matrix(logits: Tensor, y: Tensor) -> Tensor:
    """Counts int64 [K, K]: row = label, column = arg max logit. logits [N, K], y [N]."""
    k = logits.shape[1]
    return torch.bincount(y * k + logits.argmax(1), minlength=k * k).view(k, k)


def class_errors(confusion: Tensor) -> Tensor:
    """Percent wrong of each label [K]; NaN for one without images. confusion [K, K]."""
    images = confusion.sum(1)
    return 100 * (images - confusion.diagonal()).double() / images


def class_means(logits: Tensor, y: Tensor) -> dict[str, float]:
    """Balanced accuracy (mean recall) and macro F1 in 0..1, over the classes in y. logits [N, K], y [N]."""
    from sklearn.metrics import f1_score, recall_score  # noqa: PLC0415  slow to import

    y, classes = y.cpu(), logits.argmax(1).cpu()
    scores = {"balanced_accuracy": recall_score, "macro_f1": f1_score}
    return {name: float(score(y, classes, average="macro", labels=y.unique())) for name, score in scores.items()}


def balanced_error(logits: Tensor, y: Tensor) -> float:
    """100 (1 - balanced accuracy): the mean of the classes' errors in percent. logits [N, K], y [N]."""
    return 100 * (1 - class_means(logits, y)["balanced_accuracy"])


def f1_error(logits: Tensor, y: Tensor) -> float:
    """100 (1 - macro F1). logits [N, K], y [N]."""
    return 100 * (1 - class_means(logits, y)["macro_f1"])


class Metric(Choice):
    """Figures in percent, less being better, by which validation chooses: of logits [N, K] and y [N]."""

    error = member(percent_wrong)
    balanced_error = member(balanced_error)
    f1_error = member(f1_error)


def worst_class_error(logits: Tensor, y: Tensor) -> float:
    """Largest percent wrong of a label that has images. logits [N, K], y [N]."""
    errors = class_errors(confusion_matrix(logits, y))
    return float(errors[~errors.isnan()].max())


def rare_class_scores(logits: Tensor, y: Tensor) -> dict[str, float | list[float]]:
    """Figures in 0..1 that rare classes count in as much as common ones. logits [N, K], y [N].

    balanced_accuracy, macro_f1: means over the classes that there are. auroc, auprc: of each class [K] against the others, by its
    softmax; auprc is the average precision. NaN for a class without images, auroc also without others, and where a logit is none.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score  # noqa: PLC0415  slow to import

    p = logits.double().softmax(1).numpy()
    own, ranked = [(y == c).numpy() for c in range(logits.shape[1])], not np.isnan(p).any()
    return {
        **class_means(logits, y),
        "auroc": [float(roc_auc_score(c, p[:, j])) if ranked and 0 < c.sum() < len(c) else math.nan for j, c in enumerate(own)],
        "auprc": [float(average_precision_score(c, p[:, j])) if ranked and c.any() else math.nan for j, c in enumerate(own)],
    }


class GroupErrors(NamedTuple):
    """Errors in percent of images in groups: that of the worst group, and a 95 % interval over groups.

    Of one group alone there is no interval.
    """

    groups: int
    worst: str
    worst_images: int
    worst_error: float
    error_interval: tuple[float, float] | None


def group_errors(logits: Tensor, y: Tensor, groups: Sequence[str]) -> GroupErrors:
    """Worst group, the first of equal ones, and the interval by drawing groups with replacement.

    It is that of percentiles 2.5 and 97.5. logits [N, K], y [N], groups [N]. An image of a large group counts as one of a small one.
    """
    names, index = np.unique(np.array(groups), return_inverse=True)
    wrong, images = np.bincount(index, (logits.argmax(1) != y).cpu().numpy()), np.bincount(index)
    worst, n, generator = int((wrong / images).argmax()), len(names), purpose_generator(0, "groups")
    drawn = (torch.randint(n, (n,), generator=generator).numpy() for _ in range(RESAMPLES))
    low, high = np.percentile([100 * wrong[i].sum() / images[i].sum() for i in drawn], (2.5, 97.5))
    interval = (float(low), float(high)) if n > 1 else None
    return GroupErrors(n, str(names[worst]), int(images[worst]), float(100 * wrong[worst] / images[worst]), interval)


def entropy_of(logits: Tensor) -> Tensor:
    """Entropy [N] of the softmax in nats. logits [N, K]."""
    return Categorical(logits=logits.double(), validate_args=False).entropy()


def realness(logits: Tensor) -> Tensor:
    """log sum_k exp(logit_k) [N] of logits [N, K].

    Of a discriminator it is the logit of real against generated (Salimans et al. 2016).
    """
    return logits.double().logsumexp(1)


def most_wanted(logits: Tensor, h: Tensor, n: int) -> Tensor:
    """Indices [n] of the examples whose labels say most, the first first. logits [N, K], h [N, D].

    Greedy: each has the largest entropy times the distance in h to the nearest that was taken before; the first, the largest entropy.
    """
    h, entropy = h.double(), entropy_of(logits).clamp_min(1e-12)  # among sure ones distance decides
    wanted, nearest, taken = entropy.clone(), torch.full_like(entropy, math.inf), []
    for _ in range(min(n, len(h))):
        taken.append(int(wanted.argmax()))
        nearest = torch.minimum(nearest, torch.linalg.vector_norm(h - h[taken[-1]], dim=1))
        wanted = entropy * nearest
        wanted[taken] = -1
    return torch.tensor(taken, dtype=torch.int64)


class Reliability(NamedTuple):
    """Images, mean confidence and share right [BINS] by confidence in (k, k + 1] / BINS; NaN where empty."""

    count: Tensor
    confidence: Tensor
    accuracy: Tensor

    @property
    def calibration_error(self) -> float:
        """ECE = sum_bins count / N |accuracy - confidence|, in 0..1."""
        gaps = (self.accuracy - self.confidence).abs()
        return float((self.count * gaps).nansum() / self.count.sum())


def reliability(logits: Tensor, y: Tensor) -> Reliability:
    """How often a classifier is right by its confidence, the largest softmax. logits [N, K], y [N]."""
    confidence, classes = logits.double().softmax(1).max(1)
    k = (confidence * BINS).ceil().long().clamp(1, BINS) - 1
    count, total, right = (torch.bincount(k, weights, BINS) for weights in (None, confidence, (classes == y).double()))
    return Reliability(count, total / count, right / count)
