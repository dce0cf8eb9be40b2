"""Losses of both families: supervised term, consistency, entropy, and those of D and G.

D has K logits, the fake class's logit fixed to 0: D(x) = e^Z / (1 + e^Z), Z = logsumexp of the logits.
"""

from enum import member

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_sntg.configurable import Choice
from gan_sntg.data.loader import UNLABELED
from gan_sntg.networks.batch_norm import normalized


def real_loss(logits: Tensor) -> Tensor:
    """-1/2 E log D(x) = 1/2 mean softplus(-Z(x)) on real images (reference 5). logits [B, K] -> scalar."""
    return 0.5 * F.softplus(-torch.logsumexp(logits, 1)).mean()


def fake_loss(logits: Tensor) -> Tensor:
    """-1/2 E log(1 - D(G(z))) = 1/2 mean softplus(Z(G(z))) (reference 5). logits [B, K] -> scalar."""
    return 0.5 * F.softplus(torch.logsumexp(logits, 1)).mean()


def mean_distance(h: Tensor, h_fake: Tensor) -> Tensor:
    """Mean over D of |E h(x, E(x)) - E h(G(z), z)| (ALI with feature matching).

    h, h_fake [B, D] -> scalar; gradient into both, unlike `matching_absolute`.
    """
    return (h.mean(0) - h_fake.mean(0)).abs().mean()


def matching_squared(h_real: Tensor, h_fake: Tensor) -> Tensor:
    """|E h(x) - E h(G(z))|^2 / D (Eq. 9; MNIST source). h [B, D]; gradient into `h_fake` alone."""
    return (h_real.detach().mean(0) - h_fake.mean(0)).square().mean()


def matching_absolute(h_real: Tensor, h_fake: Tensor) -> Tensor:
    """Mean over D of |E h(x) - E h(G(z))| (CIFAR-10, SVHN sources). Gradient into `h_fake` alone."""
    return mean_distance(h_real.detach(), h_fake)


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


def pull_away(h: Tensor) -> Tensor:
    """Mean over pairs i != j of cos^2(h_i, h_j), from 0 to 1 (Zhao et al. 2017; PT of Dai et al. 2017).

    h [B, D] -> scalar, 0 for B = 1; a row of zeros counts cos 0 and has no gradient.
    """
    i, j = torch.triu_indices(len(h), len(h), 1, device=h.device)
    return F.cosine_similarity(h[i], h[j]).square().sum() / max(len(i), 1)


def variational_entropy(z: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """-log N(z; mean, std^2) without log 2 pi, summed over z, a batch mean (VI of Dai et al. 2017).

    log std + ((z - mean) / (1e-8 + std))^2 / 2, an upper bound of -H(G(z)) but for a constant. z, mean, log_std [B, latent] -> scalar.
    """
    return (log_std + 0.5 * ((z - mean) / (1e-8 + log_std.exp())).square()).sum(1).mean()


def low_density(log_density: Tensor, threshold: Tensor | float) -> Tensor:
    """Mean of log p - threshold over images above it, 0 if there are none (LD of Dai et al. 2017).

    log_density [B], threshold: a scalar -> scalar; images below have no gradient.
    """
    excess = F.relu(log_density - threshold)
    return excess.sum() / (excess > 0).sum().clamp(min=1)


def marginal_entropy(p: Tensor) -> Tensor:
    """H[p] = -sum_k p_k log p_k in nats, of the mean prediction of a batch (CatGAN). p [K] -> scalar.

    p_k below the smallest normal number counts as that, so that the gradient is finite at p_k = 0.
    """
    return -(p * p.clamp(min=torch.finfo(p.dtype).tiny).log()).sum()


def prior_cross_entropy(prior: Tensor, p: Tensor) -> Tensor:
    """-sum_k prior_k log p_k in nats, least at p = prior. prior, p [K] -> scalar; gradient into p alone."""
    return -(prior.detach() * p.clamp(min=torch.finfo(p.dtype).tiny).log()).sum()


def uniform_cross_entropy(p: Tensor) -> Tensor:
    """-mean_k log p_k in nats, least at p = 1 / K: the prior is uniform. p [K] -> scalar."""
    return prior_cross_entropy(torch.full_like(p, 1 / len(p)), p)


def absolute_change(logits: Tensor, moved: Tensor) -> Tensor:
    """sum_k sqrt((l_k - l'_k)^2 + 1e-8), a batch mean (Lecouat, Foo et al. 2018).

    logits, moved [B, K] -> scalar; gradient into both, 0 where they are equal.
    """
    return ((logits - moved).square() + 1e-8).sqrt().sum(1).mean()


def squared_change(logits: Tensor, moved: Tensor) -> Tensor:
    """sum_k (l_k - l'_k)^2, a batch mean, of the authors' first version. [B, K] -> scalar, as above."""
    return (logits - moved).square().sum(1).mean()


class LogitChange(Choice):
    """How far logits are from others: `absolute`, or `squared`."""

    absolute = member(absolute_change)
    squared = member(squared_change)


def denoising_loss(reconstruction: Tensor, z: Tensor, mean: Tensor | None = None, var: Tensor | None = None) -> Tensor:
    """C = mean [(z^ - mean) / sqrt(var + 1e-10) - z]^2 over batch and units (Ladder network).

    reconstruction z^, z of the clean path [B, C, ...]; mean, var [C] of the clean path before its norm, None for the input, which has
    no norm -> scalar; gradient into all of them.
    """
    if mean is not None and var is not None:
        reconstruction = normalized(reconstruction, mean, var, 1e-10)
    return (reconstruction - z).square().mean()


def true_pair_loss(scores: Tensor) -> Tensor:
    """-E log D(x, y) = mean softplus(-s) (Triple-GAN). scores s [B]: logits of D's sigmoid -> scalar."""
    return F.softplus(-scores).mean()


def false_pair_loss(scores: Tensor) -> Tensor:
    """-E log(1 - D(x, y)) = mean softplus(s) (Triple-GAN). scores s [B] -> scalar."""
    return F.softplus(scores).mean()


def pair_cost(logits: Tensor, y: Tensor, scores: Tensor) -> Tensor:
    """sum_m p_y_m(x) softplus(-s_m), a batch mean, over M classes that are tried (Triple-GAN's C).

    logits [B, K] of p, y [B, M] the classes, scores s [B, M]: D's logits of (x, y_m) -> scalar; gradient into the logits alone.
    """
    return (logits.softmax(1).gather(1, y) * F.softplus(-scores.detach())).sum(1).mean()
