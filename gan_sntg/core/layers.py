"""Which layers does torch not have? Noise from a named generator, weight norm that starts from data, batch statistics that can be fixed."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GaussianNoise(nn.Module):
    """x + std * N(0, 1) in training, x in evaluation. Draws from `generator` (set by `drawing_from`), any shape."""

    def __init__(self, std: float):
        """std: in units of x."""
        super().__init__()
        self.std = std
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as x; the gradient passes unchanged."""
        if not self.training or self.std == 0:
            return x
        return x + self.std * torch.empty_like(x).normal_(generator=self.generator)


@contextmanager
def drawing_from(net: nn.Module, generator: torch.Generator) -> Iterator[None]:
    """Within it, every noise layer of `net` draws from `generator`."""
    layers = [m for m in net.modules() if isinstance(m, GaussianNoise)]
    before = [m.generator for m in layers]
    try:
        for m in layers:
            m.generator = generator
        yield
    finally:
        for m, previous in zip(layers, before, strict=True):
            m.generator = previous


class WeightNormLinear(nn.Module):
    """y = x W^T + b with W = g V / sqrt(1e-6 + |V|^2), the norm over the inputs of each unit (reference 5).

    V ~ N(0, v_std^2), g = 1, b = 0 until `data_dependent_init` sets g and b so that each unit's output has mean 0 and
    standard deviation `init_std`. `train_scale=False` keeps g as initialised, as the source does in hidden layers.
    """

    def __init__(self, inputs: int, outputs: int, train_scale: bool = False, init_std: float = 1.0, v_std: float = 0.1):
        """inputs, outputs: features of x and y."""
        super().__init__()
        self.v = nn.Parameter(v_std * torch.randn(outputs, inputs))
        self.g = nn.Parameter(torch.ones(outputs), requires_grad=train_scale)
        self.b = nn.Parameter(torch.zeros(outputs))
        self.init_std = init_std
        self.initializing = False

    def weight(self) -> Tensor:
        """W [outputs, inputs]."""
        return self.v * (self.g / torch.sqrt(1e-6 + self.v.square().sum(1))).unsqueeze(1)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, inputs] -> [B, outputs]."""
        y = F.linear(x, self.weight(), self.b)
        return self._standardize(y) if self.initializing else y

    def _standardize(self, y: Tensor) -> Tensor:
        scale = self.init_std / torch.sqrt(1e-10 + y.var(0, correction=0))
        shift = -y.mean(0) * scale
        self.g.data.mul_(scale)
        self.b.data.mul_(scale).add_(shift)
        return y * scale + shift


@torch.no_grad()
def data_dependent_init(net: nn.Module, x: Tensor) -> None:
    """Set g and b of every weight-norm layer from one training-mode pass over x [B, ...], layer by layer (reference 5)."""
    layers = [m for m in net.modules() if isinstance(m, WeightNormLinear)]
    for m in layers:
        m.initializing = True
    net.train()(x)
    for m in layers:
        m.initializing = False


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
        """x [B, features, ...] -> the same shape."""
        mean, var = self.mean, self.var
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
