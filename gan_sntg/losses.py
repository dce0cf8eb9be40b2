"""Losses of both families: supervised term, consistency, entropy, and those of D and G.

D has K logits, the fake class's logit fixed to 0: D(x) = e^Z / (1 + e^Z), Z = logsumexp of the logits.
"""

from enum import member

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_sntg.configurable import Choice
from gan_sntg.data.loader import UNLABELED


def real_loss(logits: Tensor) -> Tensor:
    """-1/2 E log D(x) = 1/2 mean softplus(-Z(x)) on real images (reference 5). logits [B, K] -> scalar."""
    return 0.5 * F.softplus(-torch.logsumexp(logits, 1)).mean()


def fake_loss(logits: Tensor) -> Tensor:
    """-1/2 E log(1 - D(G(z))) = 1/2 mean softplus(Z(G(z))) (reference 5). logits [B, K] -> scalar."""
    return 0.5 * F.softplus(torch.logsumexp(logits, 1)).mean()


def matching_squared(h_real: Tensor, h_fake: Tensor) -> Tensor:
    """|E h(x) - E h(G(z))|^2 / D (Eq. 9; MNIST source). h [B, D]; gradient into `h_fake` alone."""
    return (h_real.detach().mean(0) - h_fake.mean(0)).square().mean()


def matching_absolute(h_real: Tensor, h_fake: Tensor) -> Tensor:
    """Mean over D of |E h(x) - E h(G(z))| (CIFAR-10, SVHN sources). Gradient into `h_fake` alone."""
    return (h_real.detach().mean(0) - h_fake.mean(0)).abs().mean()


class Matching(Choice):
    """G's loss: `squared` (Eq. 9) or `absolute` difference of the mean features."""

    squared = member(matching_squared)
    absolute = member(matching_absolute)


def supervised_loss(logits: Tensor, y: Tensor) -> Tensor:
    """-(1/B) sum over known labels of log softmax(logits)_y (Alg. 1, line 8): divided by the whole B.

    On a batch whose labels are all known it is the Improved GAN's supervised loss. logits [B, K], y [B], UNLABELED where hidden -> scalar.
    """
    return F.cross_entropy(logits, y, ignore_index=UNLABELED, reduction="sum") / len(y)


def squared_error(targets: Tensor, logits: Tensor) -> Tensor:
    """d(f~, f) = |f~ - softmax(logits)|^2 / K, a batch mean (Eq. 2, over K as in the authors' code).

    targets, logits [B, K] -> scalar; gradient into both, so the caller detaches targets that are to be constant.
    """
    return (targets - logits.softmax(1)).square().mean()


def kl_divergence(targets: Tensor, logits: Tensor) -> Tensor:
    """KL(f~ || softmax(logits)), a batch mean (Eq. 5). [B, K] -> scalar; gradient into the logits alone."""
    p = targets.detach()
    return (torch.xlogy(p, p) - p * logits.log_softmax(1)).sum(1).mean()


def entropy(logits: Tensor) -> Tensor:
    """H(softmax(logits)) in nats, a batch mean (reference 4). logits [B, K] -> scalar."""
    return -(logits.softmax(1) * logits.log_softmax(1)).sum(1).mean()
