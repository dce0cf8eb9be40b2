"""Which layers does torch not have? Batch norms over the examples of several ranks, statistics that can be fixed or frozen."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # what all of torch's batch norms are

from gan_sntg.core.precision import at_least_float32
from gan_sntg.core.ranks import ranks
from gan_sntg.core.running_mean import RunningMean


def channels_last(x: Tensor) -> Tensor:
    """x [B, C, H, W] with the channels innermost in memory; said so even for one channel, which convolutions otherwise take for first."""
    x = x.contiguous(memory_format=torch.channels_last)
    return x.squeeze(1).unsqueeze(-1).permute(0, 3, 1, 2) if x.shape[1] == 1 else x


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance [C] of each channel of x [B, C, ...], with their gradients, over the examples of all ranks in a step of several.

    From mean m_r and variance v_r of each rank: mean_r m_r, and mean_r v_r + mean_r (m_r - mean)^2, which cancels nothing.
    """
    var, mean = torch.var_mean(x, dim=[d for d in range(x.dim()) if d != 1], correction=0)
    means, variances = ranks().gathered(torch.stack([mean, var]).unsqueeze(0)).unbind(1)
    mean = means.mean(0)
    return mean, variances.mean(0) + (means - mean).square().mean(0)


def normalized(x: Tensor, mean: Tensor, var: Tensor, eps: float) -> Tensor:
    """(x - mean) / sqrt(var + eps) of each channel. x [B, C, ...], mean, var [C]."""
    of_channel = 1, -1, *[1] * (x.dim() - 2)
    return (x - mean.view(of_channel)) * torch.rsqrt(var + eps).view(of_channel)


class BatchNorm(_BatchNorm):
    """torch's batch norm of [B, C] or [B, C, H, W]; in a step of ranks that share their statistics, over the examples of all of them."""

    def _check_input_dim(self, x: Tensor) -> None:
        """Any number of dimensions."""

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, ...] -> the same shape; running statistics as torch moves them, by the examples of all ranks."""
        if not (self.training and ranks().shares_statistics):
            return super().forward(x)
        wide = at_least_float32(x)
        mean, var = moments(wide)
        if self.track_running_stats:
            n = ranks().world * x.numel() // x.shape[1]
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean.detach(), self.momentum)
            self.running_var.lerp_(var.detach() * (n / (n - 1)), self.momentum)
        of_channel = 1, -1, *[1] * (x.dim() - 2)
        y = normalized(wide, mean, var, self.eps)
        return (y * self.weight.view(of_channel) + self.bias.view(of_channel)).to(x.dtype)


class BatchNormBias(nn.Module):
    """(x - mean) / sqrt(var + 1e-6) + bias over the batch, with no scale, as in the Improved GAN's generator (reference 5).

    In training it always uses the batch's statistics and keeps none. In evaluation it uses those that `fix_statistics`
    stored last; before that they are NaN, so that images made without them cannot pass for images. Where ranks share their
    statistics, the batch is that of all of them.
    """

    def __init__(self, features: int):
        """features: size of dimension 1 of x."""
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(features))
        self.register_buffer("mean", torch.full((features,), torch.nan))
        self.register_buffer("var", torch.full((features,), torch.nan))
        self.fixing = False

    def forward(self, x: Tensor) -> Tensor:
        """x [B, features, ...] -> the same shape, float32 at the least."""
        x = at_least_float32(x)
        if not self.training:
            return F.batch_norm(x, self.mean, self.var, None, self.bias, eps=1e-6)
        if self.fixing:
            var, mean = torch.var_mean(x, dim=[d for d in range(x.dim()) if d != 1], correction=0)
            self.mean.copy_(mean)
            self.var.copy_(var)
        if ranks().shares_statistics:
            return normalized(x, *moments(x), 1e-6) + self.bias.view(1, -1, *[1] * (x.dim() - 2))
        scale = torch.ones_like(self.bias) if x.is_cuda else None  # without a scale CUDA's backward pass gives the bias no gradient
        return F.batch_norm(x, None, None, scale, self.bias, training=True, eps=1e-6)


@torch.no_grad()
def fix_statistics(net: nn.Module, inputs: Tensor) -> None:
    """Store the batch statistics of one pass over `inputs` (a fixed z bank) for use in evaluation mode; training is unaffected."""
    layers = [m for m in net.modules() if isinstance(m, BatchNormBias)]
    training = net.training
    for m in layers:
        m.fixing = True
    net.train()(inputs)
    for m in layers:
        m.fixing = False
    net.train(training)


@contextmanager
def frozen_statistics(net: nn.Module) -> Iterator[None]:
    """Within it, training-mode passes of `net` normalise by batch statistics as ever but update no running ones, ours or torch's."""
    layers = [m for m in net.modules() if isinstance(m, RunningMean | _BatchNorm)]
    before = [m.track_running_stats for m in layers]
    try:
        for m in layers:
            m.track_running_stats = False
        yield
    finally:
        for m, previous in zip(layers, before, strict=True):
            m.track_running_stats = previous
