"""Error rates, confusion matrices and calibration of a classifier."""

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

import torch
from torch import Tensor, nn

BINS = 15  # of confidence, equally wide


@torch.no_grad()
def outputs_of(net: nn.Module, x: Tensor, normalize: Callable[[Tensor], Tensor], batch_size: int = 250) -> tuple[Tensor, Tensor]:
    """h [N, D] and logits [N, K] of x as the data set holds them, [N, ...], all; evaluation mode, and the mode is left as it was."""
    training = net.training
    net.eval()
    h, logits = zip(*(net(normalize(part)) for part in x.split(batch_size)), strict=True)
    net.train(training)
    return torch.cat(h), torch.cat(logits)


def logits_of(net: nn.Module, x: Tensor, normalize: Callable[[Tensor], Tensor], batch_size: int = 250) -> Tensor:
    """The second of `outputs_of`."""
    return outputs_of(net, x, normalize, batch_size)[1]


def percent_wrong(logits: Tensor, y: Tensor) -> float:
    """Percent of rows whose arg max logit is not the label. logits [N, K], y [N]."""
    return 100 * int((logits.argmax(1) != y).sum()) / len(y)


def error_rate(net: nn.Module, x: Tensor, y: Tensor, normalize: Callable[[Tensor], Tensor], batch_size: int = 250) -> float:
    """Percent of examples whose arg max logit is not the label. x [N, ...] as the data set holds them, y [N], all; evaluation mode."""
    return percent_wrong(logits_of(net, x, normalize, batch_size), y)


def wilson(wrong: int, n: int) -> tuple[float, float]:
    """The 95 % interval (Wilson, 1927), in percent, for `wrong` of n images: what chance in the choice of the images allows."""
    z, p = NormalDist().inv_cdf(0.975), wrong / n
    center, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + (z / (2 * n)) ** 2)
    low, high = (100 * (center + side * half) / (1 + z * z / n) for side in (-1, 1))
    return max(0.0, low), min(100.0, high)


def confusion_matrix(logits: Tensor, y: Tensor) -> Tensor:
    """Counts int64 [K, K]: row = label, column = arg max logit. logits [N, K], y [N]."""
    k = logits.shape[1]
    return torch.bincount(y * k + logits.argmax(1), minlength=k * k).view(k, k)


def class_errors(confusion: Tensor) -> Tensor:
    """Percent wrong of each label [K]; NaN for one without images. confusion [K, K]."""
    images = confusion.sum(1)
    return 100 * (images - confusion.diagonal()).double() / images


class Reliability(NamedTuple):
    """Of each bin ((k, k + 1] / BINS of confidence): images, their mean confidence and the share that is right, NaN where empty. [BINS]."""

    count: Tensor
    confidence: Tensor
    accuracy: Tensor

    @property
    def calibration_error(self) -> float:
        """ECE = sum_bins count / N |accuracy - confidence|, in 0..1."""
        gaps = (self.accuracy - self.confidence).abs()
        return float((self.count * gaps).nansum() / self.count.sum())


def reliability(logits: Tensor, y: Tensor) -> Reliability:
    """How often the classifier is right where it is so confident; confidence is the largest softmax. logits [N, K], y [N]."""
    confidence, classes = logits.double().softmax(1).max(1)
    k = (confidence * BINS).ceil().long().clamp(1, BINS) - 1
    count, total, right = (torch.bincount(k, weights, BINS) for weights in (None, confidence, (classes == y).double()))
    return Reliability(count, total / count, right / count)
