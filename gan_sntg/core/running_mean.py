"""Which statistic does mean-only batch norm subtract? The batch's mean of each channel in training, a running one in evaluation."""

from math import log

import torch
from torch import Tensor, nn

from gan_sntg.core.ranks import ranks

MOMENTUM = 0.999  # of running means, per training-mode pass


class ChannelMean(torch.autograd.Function):
    """Mean over all dimensions of y [B, C, ...] but C, accumulated in the given dtype.

    torch's own derivative of a mean writes a tensor of y's size, and one more for bfloat16; here it stays C numbers, expanded.
    """

    @staticmethod
    def forward(ctx, y: Tensor, dtype: torch.dtype) -> Tensor:
        """-> [C]."""
        ctx.shape, ctx.dtype = y.shape, y.dtype
        return y.mean([d for d in range(y.dim()) if d != 1], dtype=dtype)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        """dL/dm [C] -> dL/dy, a view of C numbers."""
        each = (grad * (ctx.shape[1] / ctx.shape.numel())).to(ctx.dtype)
        return each.view(1, -1, *[1] * (len(ctx.shape) - 2)).expand(ctx.shape), None


class RunningMean(nn.Module):
    """m [C]: in training the mean of each channel over batch and space, with its gradient; in evaluation the running mean.

    Where ranks share their statistics, the batch is that of all of them.

    r_n = sum_i d^(n-i) m_i / sum_i d^(n-i), d = MOMENTUM: the source's r <- d r + (1 - d) m from 0 (reference 1.1), here divided
    by 1 - d^n, since the zero start means nothing in short runs; after ten epochs of 500 steps the two are within 1 %. Before
    the first update r is 0. Every training-mode pass updates it, with or without gradients, except within `frozen_statistics`.
    """

    def __init__(self, channels: int):
        """channels: size of dimension 1 of y."""
        super().__init__()
        self.register_buffer("running", torch.zeros(channels))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
        self.track_running_stats = True  # torch's name, so that one switch serves its batch norms and this

    def forward(self, y: Tensor) -> Tensor:
        """y [B, C, ...] -> m [C]."""
        if not self.training:
            return self.running
        mean = ChannelMean.apply(y, self.running.dtype)
        if ranks().shares_statistics:
            mean = ranks().mean(mean)
        if self.track_running_stats:
            self.updates += 1
            weight = (1 - MOMENTUM) / -torch.expm1(self.updates.to(mean.dtype) * log(MOMENTUM))
            self.running.lerp_(mean.detach(), weight)
        return mean
