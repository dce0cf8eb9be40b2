"""Batch norms over several ranks, mean-only statistics, and statistics that can be frozen."""

from contextlib import AbstractContextManager
from math import log

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gan_sntg.distributed import all_mean, world_size
from gan_sntg.networks.passes import at_least_float32, attribute, mode

MOMENTUM = 0.999  # of running means, per training-mode pass


def other_dims(y: Tensor, dim: int = 1) -> list[int]:
    """All dimensions of y but one: batch and space where it is that of the channels."""
    return [d for d in range(y.dim()) if d != dim]


def per_channel(v: Tensor, y: Tensor) -> Tensor:
    """v [C] as [C, 1, ...], which broadcasts over y [B, C, ...]."""
    return v.view(-1, *[1] * (y.dim() - 2))


class Statistics(nn.Module):
    """A layer that every training-mode pass moves statistics of, except within `frozen_statistics`."""

    track_running_stats = True  # torch's name, so that one switch serves its batch norms and these


class RunningMean(Statistics):
    """Channel means m [C]: of the batch with gradient in training, the running ones in evaluation.

    r_n = sum_i d^(n-i) m_i / sum_i d^(n-i), d = MOMENTUM: the source's r <- d r + (1 - d) m from 0 (reference 1.1), divided by 1 - d^n,
    since the zero start means nothing in short runs; r_0 = 0. Every training-mode pass updates it, except within `frozen_statistics`.
    """

    running: Tensor
    updates: Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("running", torch.zeros(channels))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    def forward(self, y: Tensor) -> Tensor:
        """y [B, C, ...] -> m [C], over the examples of all ranks."""
        if not self.training:
            return self.running
        total = y.sum(other_dims(y))  # unlike a mean's, its derivative is a view, not a tensor of y's size
        mean = all_mean(total.to(self.running.dtype) / (y.numel() // y.shape[1]))
        if self.track_running_stats:
            self.updates += 1
            weight = (1 - MOMENTUM) / -torch.expm1(self.updates.to(mean.dtype) * log(MOMENTUM))
            self.running.lerp_(mean.detach(), weight)
        return mean


def channels_last(x: Tensor) -> Tensor:
    """x [B, C, H, W] with channels innermost in memory, and marked so even for one channel."""
    x = x.contiguous(memory_format=torch.channels_last)
    return rearrange(rearrange(x, "b 1 h w -> b h w 1"), "b h w c -> b c h w") if x.shape[1] == 1 else x


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance [C] of x [B, C, ...] over the examples of all ranks, with gradients."""
    mean = all_mean(x.mean(other_dims(x)))
    return mean, all_mean((x - per_channel(mean, x)).square().mean(other_dims(x)))


def normalized(x: Tensor, mean: Tensor, var: Tensor, eps: float) -> Tensor:
    """(x - mean) / sqrt(var + eps) of each channel. x [B, C, ...], mean, var [C]."""
    return (x - per_channel(mean, x)) * per_channel(torch.rsqrt(var + eps), x)


class BatchNorm(_BatchNorm):
    """torch's batch norm, over the examples of all ranks (`nn.SyncBatchNorm` is for GPUs alone)."""

    def _check_input_dim(self, x: Tensor) -> None:
        """Any number of dimensions."""

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, ...] -> the same shape; running statistics move as torch's, by all ranks' examples."""
        if not self.training or world_size() == 1:
            return super().forward(x)
        wide = at_least_float32(x)
        mean, var = moments(wide)
        if self.track_running_stats and self.running_mean is not None and self.running_var is not None:
            n, momentum = world_size() * x.numel() // x.shape[1], self.momentum or 0.0
            self.num_batches_tracked += 1  # pyright: ignore[reportOperatorIssue]
            self.running_mean.lerp_(mean.detach(), momentum)
            self.running_var.lerp_(var.detach() * (n / (n - 1)), momentum)
        y = normalized(wide, mean, var, self.eps)
        return (y * per_channel(self.weight, y) + per_channel(self.bias, y)).to(x.dtype)


class BatchNormBias(nn.Module):
    """(x - mean) / sqrt(var + 1e-6) + bias, as in the Improved GAN's generator (reference 5).

    In training it always uses the batch's statistics and keeps none. In evaluation it uses those that `fix_statistics`
    stored last; before that they are NaN, so that images made without them cannot pass for images.
    """

    mean: Tensor
    var: Tensor

    def __init__(self, features: int):
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
            var, mean = torch.var_mean(x, dim=other_dims(x), correction=0)
            self.mean.copy_(mean)
            self.var.copy_(var)
        if world_size() > 1:
            return normalized(x, *moments(x), 1e-6) + per_channel(self.bias, x)
        scale = torch.ones_like(self.bias) if x.is_cuda else None  # without a scale CUDA's backward pass gives the bias no gradient
        return F.batch_norm(x, None, None, scale, self.bias, training=True, eps=1e-6)


@torch.no_grad()
def fix_statistics(net: nn.Module, inputs: Tensor) -> None:
    """Store the batch statistics of one pass over `inputs` (a fixed z bank) for evaluation mode."""
    with attribute(net, BatchNormBias, "fixing", True), mode(net, True):
        net(inputs)


def frozen_statistics(net: nn.Module) -> AbstractContextManager[None]:
    """Within it, training-mode passes of `net` update no running statistics, ours or torch's."""
    return attribute(net, (Statistics, _BatchNorm), "track_running_stats", False)
