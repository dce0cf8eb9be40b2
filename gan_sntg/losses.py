"""What do D and G minimise? K logits, the fake class's logit fixed to 0: D(x) = e^Z / (1 + e^Z), Z = logsumexp of the logits."""

from enum import Enum, member

import torch
import torch.nn.functional as F
from torch import Tensor


def real_loss(logits: Tensor) -> Tensor:
    """-1/2 E log D(x) = 1/2 mean softplus(-Z(x)) on real images (reference 5). logits [B, K] -> scalar."""
    return 0.5 * F.softplus(-torch.logsumexp(logits, 1)).mean()


def fake_loss(logits: Tensor) -> Tensor:
    """-1/2 E log(1 - D(G(z))) = 1/2 mean softplus(Z(G(z))) on generated images (reference 5). logits [B, K] -> scalar."""
    return 0.5 * F.softplus(torch.logsumexp(logits, 1)).mean()


def matching_squared(h_real: Tensor, h_fake: Tensor) -> Tensor:
    """|E h(x) - E h(G(z))|^2 / D (Eq. 9, a mean over features as in the MNIST source). h [B, D]; gradient into `h_fake` only."""
    return (h_real.detach().mean(0) - h_fake.mean(0)).square().mean()


def matching_absolute(h_real: Tensor, h_fake: Tensor) -> Tensor:
    """mean over features of |E h(x) - E h(G(z))|, as in the CIFAR-10 and SVHN sources. h [B, D]; gradient into `h_fake` only."""
    return (h_real.detach().mean(0) - h_fake.mean(0)).abs().mean()


class Matching(Enum):
    """G's loss: `squared` (Eq. 9) or `absolute` difference of the mean features."""

    squared = member(matching_squared)
    absolute = member(matching_absolute)

    def __call__(self, h_real: Tensor, h_fake: Tensor) -> Tensor:
        """The loss, as the function of the same name."""
        return self.value(h_real, h_fake)
