"""Which layers does torch not have? Noise and dropout from a named generator, and statistics that can be fixed or frozen."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # what all of torch's batch norms are

from gan_sntg.core.precision import at_least_float32
from gan_sntg.core.running_mean import RunningMean


class Noise(nn.Module):
    """A layer that disturbs x at random in training and passes it on in evaluation; draws from `generator` (set by `drawing_from`)."""

    def __init__(self):
        """Without a generator of its own the layer draws from torch's global one."""
        super().__init__()
        self.generator: torch.Generator | None = None


class GaussianNoise(Noise):
    """x + std * N(0, 1) in training, x in evaluation, any shape."""

    def __init__(self, std: float):
        """std: in units of x."""
        super().__init__()
        self.std = std

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as x; the gradient passes unchanged."""
        if not self.training or self.std == 0:
            return x
        drawn = at_least_float32(torch.empty_like(x)).normal_(generator=self.generator)  # the same numbers whatever the precision
        return x + (self.std * drawn).to(x.dtype)


class Dropout(Noise):
    """Each element of x is 0 with probability p, else x / (1 - p), in training; x in evaluation. Any shape, never whole channels."""

    def __init__(self, p: float):
        """p: in [0, 1)."""
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as x; the gradient is masked alike."""
        if not self.training or self.p == 0:
            return x
        # uniform numbers are four times as fast as bernoulli_ on a CPU; drawn in float32, for those of bfloat16 are too coarse
        u = torch.empty_like(x, dtype=torch.promote_types(x.dtype, torch.float32)).uniform_(generator=self.generator)
        return x * (u >= self.p).to(x.dtype).div_(1 - self.p)


def channels_last(x: Tensor) -> Tensor:
    """x [B, C, H, W] with the channels innermost in memory; said so even for one channel, which convolutions otherwise take for first."""
    x = x.contiguous(memory_format=torch.channels_last)
    return x.squeeze(1).unsqueeze(-1).permute(0, 3, 1, 2) if x.shape[1] == 1 else x


@contextmanager
def drawing_from(net: nn.Module, generator: torch.Generator) -> Iterator[None]:
    """Within it, every `Noise` layer of `net` draws from `generator`."""
    layers = [m for m in net.modules() if isinstance(m, Noise)]
    before = [m.generator for m in layers]
    try:
        for m in layers:
            m.generator = generator
        yield
    finally:
        for m, previous in zip(layers, before, strict=True):
            m.generator = previous


class BatchNormBias(nn.Module):
    """(x - mean) / sqrt(var + 1e-6) + bias over the batch, with no scale, as in the Improved GAN's generator (reference 5).

    In training it always uses the batch's statistics and keeps none. In evaluation it uses those that `fix_statistics`
    stored last; before that they are NaN, so that images made without them cannot pass for images.
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
        x, mean, var = at_least_float32(x), self.mean, self.var
        if self.training:
            var, mean = torch.var_mean(x, dim=[d for d in range(x.dim()) if d != 1], correction=0)
            if self.fixing:
                self.mean.copy_(mean)
                self.var.copy_(var)
        mean, scale, bias = (v.view(1, -1, *[1] * (x.dim() - 2)) for v in (mean, torch.rsqrt(var + 1e-6), self.bias))
        return (x - mean) * scale + bias


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
