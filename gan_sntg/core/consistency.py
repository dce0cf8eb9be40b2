"""What does a classifier lose against labels or against a teacher's targets? The supervised term, R_C's divergences, entropy."""

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_sntg.core.data.streams import UNLABELED


def supervised_loss(logits: Tensor, y: Tensor) -> Tensor:
    """-(1/|B|) sum over the known labels of log softmax(logits)_y (Alg. 1, line 8): divided by B, not by the number known.

    On a batch whose labels are all known it is the mean of Z(x) - l_y(x), the Improved GAN's supervised loss.
    logits [B, K], y [B] with UNLABELED where hidden -> scalar.
    """
    return F.cross_entropy(logits, y, ignore_index=UNLABELED, reduction="sum") / len(y)


def squared_error(targets: Tensor, logits: Tensor) -> Tensor:
    """d(f~, f) = |f~ - softmax(logits)|^2 / K (Eq. 2 with l2, its mean over classes as in the authors' code), a batch mean.

    targets, logits [B, K] -> scalar; gradient into both, so the caller detaches targets that are to be constant.
    """
    return (targets - logits.softmax(1)).square().mean()


def kl_divergence(targets: Tensor, logits: Tensor) -> Tensor:
    """KL(f~ || softmax(logits)) (Eq. 5), a batch mean. targets, logits [B, K] -> scalar; gradient into the logits alone."""
    p = targets.detach()
    return (torch.xlogy(p, p) - p * logits.log_softmax(1)).sum(1).mean()


def entropy(logits: Tensor) -> Tensor:
    """H(softmax(logits)) in nats (Grandvalet and Bengio; reference 4), a batch mean. logits [B, K] -> scalar."""
    return -(logits.softmax(1) * logits.log_softmax(1)).sum(1).mean()
