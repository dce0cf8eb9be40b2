"""SNTG's loss in both families: the teacher's graph W (Eq. 6), contrastive loss on it (Eqs. 7, 8)."""

from collections.abc import Callable
from enum import member

import torch
from torch import Tensor

from gan_sntg.configurable import Choice
from gan_sntg.data.loader import UNLABELED
from gan_sntg.graph.pairs import Pairs, halves, rms


def teacher_classes(targets: Tensor, y: Tensor) -> Tensor:
    """y~_i = argmax_k f~(x_i)_k (Eq. 6); a known label overrides the teacher (the authors' `merge`).

    targets [B, K]: the teacher's probabilities; y [B]: labels, UNLABELED where hidden -> [B] int64, no gradient.
    """
    return torch.where(y == UNLABELED, targets.argmax(1), y)


def same_class(classes: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """Whether y~_i = y~_j. classes [B], i and j [S] -> [S] bool."""
    return classes.index_select(0, i) == classes.index_select(0, j)


def hard_weights(targets: Tensor, y: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """W_ij = 1 if y~_i = y~_j else 0 (Eq. 6). targets [B, K], y [B], i and j [S] -> [S], no gradient."""
    return same_class(teacher_classes(targets, y), i, j).to(targets.dtype)


def with_labels(targets: Tensor, y: Tensor) -> Tensor:
    """The targets [B, K], detached, with one-hot rows where y [B] is known."""
    one_hot = (y.unsqueeze(1) == torch.arange(targets.shape[1], device=y.device)).to(targets.dtype)
    return torch.where((y != UNLABELED).unsqueeze(1), one_hot, targets.detach())


def soft_weights(targets: Tensor, y: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """W_ij = exp(-KL(f~_i || f~_j)), known labels as one-hot rows (Sec. 4.1 names KL; the exp is ours).

    targets [B, K], y [B], i and j [S] -> [S] in [0, 1], no gradient into the targets.
    """
    p = with_labels(targets, y)
    divergence = (torch.xlogy(p[i], p[i]) - torch.xlogy(p[i], p[j])).sum(1)
    return torch.exp(-divergence.clamp(min=0))


def agreement_weights(targets: Tensor, y: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """W_ij = sum_k f~_ik f~_jk, the probability of one class for both (Li et al. 2021, CoMatch).

    Known labels as one-hot rows. targets [B, K], y [B], i and j [S] -> [S] in [0, 1], no gradient into the targets.
    """
    p = with_labels(targets, y)
    return (p[i] * p[j]).sum(1)


class Graph(Choice):
    """Which W: `hard`, the 0-1 graph of Eq. 6, `soft`, exp(-KL), or `agreement`, sum_k f~_ik f~_jk."""

    hard = member(hard_weights)
    soft = member(soft_weights)
    agreement = member(agreement_weights)


PairDistance = Callable[[Tensor, Pairs], Tensor]  # features h [B, D], pairs -> [S]


def contrastive(distance: Tensor, w: Tensor, margin: float, attraction_margin: float = 0.0, repulsion: float = 1.0) -> Tensor:
    """l_G = w max(0, d - m_pos)^2 + repulsion (1 - w) max(0, m - d)^2; with the defaults Eq. 8.

    distance d and w in [0, 1]: [S] -> [S]. attraction_margin: m_pos, a distance within which neighbours are left alone, so that a class
    keeps its extent.
    """
    away = torch.relu(margin - distance).square()
    near = (torch.relu(distance - attraction_margin) if attraction_margin else distance).square()
    return torch.lerp(away if repulsion == 1 else repulsion * away, near, w)


def pair_loss(
    h: Tensor,
    pairs: Pairs,
    w: Tensor,
    margin: float,
    distance: PairDistance,
    attraction_margin: float = 0.0,
    repulsion: float = 1.0,
    kept: Tensor | None = None,
) -> Tensor:
    """Mean of l_G (`contrastive`) over all pairs, a scalar; gradient into h alone.

    h [B, D], w [S]; kept [S]: 0 for a pair whose loss counts as 0, else 1.
    """
    found = contrastive(distance(h, pairs), w.detach(), margin, attraction_margin, repulsion)
    return found.mean() if kept is None else (found * kept).mean()


def graph_loss(
    h: Tensor, classes: Tensor, margin: float = 1.0, pairing: Callable[[int], Pairs] = halves, distance: PairDistance = rms
) -> Tensor:
    """R_S (Eq. 7), a mean over pairing(n). h [B, D], classes [B] -> scalar; gradient into h."""
    pairs = pairing(len(h)).to(h.device)
    return pair_loss(h, pairs, same_class(classes, *pairs).to(h.dtype), margin, distance)
