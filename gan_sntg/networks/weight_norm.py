"""Layers with weight norm, started from data or with mean-only batch norm, and with spectral norm."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_sntg.networks.batch_norm import RunningMean, Statistics, channels_last, frozen_statistics, other_dims, per_channel
from gan_sntg.networks.passes import attribute


class WeightNorm(nn.Module):
    """W = g V / sqrt(1e-6 + |V|^2), the norm over the inputs of one output unit, and a bias b.

    V ~ N(0, v_std^2), g = 1, b = 0 until `data_dependent_init` gives each unit's output mean 0 and standard deviation `init_std`
    (None: it leaves them). `train_scale=False` keeps g as initialised, as the source does in hidden layers.
    """

    unit_dim = 0  # the dimension of V that counts output units
    eps = 1e-6
    initializing = False
    fixed: Tensor | None = None  # W, within `fixed_weights`
    linear: Callable  # of x [B, inputs, ...], W and b -> [B, units, ...]; no argument, or a configuration could name it

    def __init__(self, *shape: int, train_scale: bool = False, init_std: float | None = 1.0, v_std: float = 0.05):
        """shape: of V."""
        super().__init__()
        self.v = nn.Parameter(v_std * torch.randn(shape))
        self.g = nn.Parameter(torch.ones(shape[self.unit_dim]), requires_grad=train_scale)
        self.b = nn.Parameter(torch.zeros(shape[self.unit_dim]))
        self.init_std = init_std

    def weight(self) -> Tensor:
        """W, of V's shape; within `fixed_weights` that of its beginning, without gradient."""
        if self.fixed is not None:
            return self.fixed
        # of the root its derivative is one pass over V, of a sum of squares three
        square = torch.linalg.vector_norm(self.v, dim=other_dims(self.v, self.unit_dim), keepdim=True).square()
        return self.v * (self.g.view_as(square) / torch.sqrt(self.eps + square))

    def forward(self, x: Tensor) -> Tensor:
        """x [B, inputs, ...] -> [B, units, ...]."""
        y = self.linear(x, self.weight(), self.b)
        return self.standardized(y, self.init_std) if self.initializing and self.init_std is not None else y

    def standardized(self, y: Tensor, std: float) -> Tensor:
        """y with mean 0 and deviation `std` of each unit, as g and b make it from now on."""
        scale = std / torch.sqrt(1e-10 + y.var(other_dims(y), correction=0))
        shift = -y.mean(other_dims(y)) * scale
        self.g.data.mul_(scale)
        self.b.data.mul_(scale).add_(shift)
        return y * per_channel(scale, y) + per_channel(shift, y)


class WeightNormLinear(WeightNorm):
    """Dense: y = x W^T + b, V [outputs, inputs]; options: see `WeightNorm`."""

    def __init__(self, inputs: int, outputs: int, v_std: float = 0.1, **options):
        super().__init__(outputs, inputs, v_std=v_std, **options)
        self.linear = F.linear


class WeightNormConv(WeightNorm):
    """Convolution: V [outputs, inputs, kernel, kernel]; options: see `WeightNorm`."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0, **options):
        super().__init__(outputs, inputs, kernel, kernel, **options)
        self.linear = partial(F.conv2d, stride=stride, padding=padding)


class WeightNormConvTranspose(WeightNorm):
    """Transposed convolution that doubles both sides: V [inputs, outputs, kernel, kernel], kernel odd."""

    unit_dim = 1

    def __init__(self, inputs: int, outputs: int, kernel: int, **options):
        super().__init__(inputs, outputs, kernel, kernel, **options)
        self.linear = partial(F.conv_transpose2d, stride=2, padding=kernel // 2, output_padding=1)


@contextmanager
def fixed_weights(net: nn.Module) -> Iterator[None]:
    """Within it, W of `net` is made (and by autocast rounded) once; no gradient reaches V and g.

    Spectral norms keep their estimate of sigma.
    """
    with ExitStack() as stack:
        stack.enter_context(attribute(net, SpectralNormConv, "track_running_stats", False))
        for layer in net.modules():
            if isinstance(layer, WeightNorm):
                with torch.no_grad():
                    w, kind = layer.weight(), layer.v.device.type
                    w = w.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else w
                stack.enter_context(attribute(layer, WeightNorm, "fixed", w))
        yield


def starts_from_data(net: nn.Module) -> list[WeightNorm]:
    """The layers of `net` that `data_dependent_init` sets."""
    return [m for m in net.modules() if isinstance(m, WeightNorm) and m.init_std is not None]


@torch.no_grad()
def data_dependent_init(net: nn.Module, x: Tensor) -> None:
    """Set g and b from one training-mode pass over x [B, ...]; running statistics stay (reference 5)."""
    with attribute(net, WeightNorm, "initializing", True), frozen_statistics(net):
        net.train()(x)


class MeanOnly(WeightNorm):
    """y = W*x - m + b, W = g V / |V|: mean-only batch norm with weight norm (reference 1.1).

    m [units]: `RunningMean` of W*x. V ~ N(0, 0.05^2), g = 1, b = 0, all three trained. `data_dependent_init` divides g by the deviation
    of W*x, leaves b 0 and passes (W*x - m) / deviation on; to the variance 1e-10 is added, unlike in the source, so that a unit that is
    constant on the batch stays finite.
    """

    eps = 0.0

    def __init__(self, *shape: int):
        super().__init__(*shape, train_scale=True)
        self.mean = RunningMean(len(self.b))

    def forward(self, x: Tensor) -> Tensor:
        """x [B, inputs, ...] -> [B, units, ...]."""
        y = self.linear(x, self.weight())
        if not self.initializing:
            return y.add_(per_channel((self.b - self.mean(y)).to(y.dtype), y))  # y is new, and nothing keeps it
        y = self.standardized(y, 1.0)
        self.b.data.zero_()
        return y


class MeanOnlyLinear(MeanOnly):
    """Dense: W*x = x W^T, V [outputs, inputs]."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(outputs, inputs)
        self.linear = F.linear


class MeanOnlyConv(MeanOnly):
    """Convolution of stride 1: V [outputs, inputs, kernel, kernel]; x and W*x are stored channels last."""

    layout = staticmethod(channels_last)

    def __init__(self, inputs: int, outputs: int, kernel: int, padding: int = 0):
        super().__init__(outputs, inputs, kernel, kernel)
        self.linear = partial(F.conv2d, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, inputs, H, W] -> [B, outputs, H', W']."""
        return super().forward(self.layout(x))


class SpectralNormConv(nn.Conv2d, Statistics):
    """Convolution by W / sigma that keeps the size of maps; sigma is W's largest singular value.

    W [outputs, inputs kernel^2], sigma = u^T W v (Miyato et al. 2018): no gradient flows into u and v, which every training-mode pass moves
    by one step of power iteration, in float32 under autocast too (torch's parametrization cannot be frozen, and moves them whenever the
    weight is read). The estimate is from below: while W moves, the norm may exceed 1 by some percent. W starts orthogonal, so that sigma
    is 1 and maps keep their size (Brock et al. 2019), and biases are 0.
    """

    u: Tensor
    v: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int):
        """kernel: odd."""
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        nn.init.orthogonal_(self.weight)
        nn.init.zeros_(self.bias)  # pyright: ignore[reportArgumentType]
        self.register_buffer("u", torch.zeros(outputs))
        self.register_buffer("v", F.normalize(torch.randn(inputs * kernel**2), dim=0))
        self.iterate()

    @torch.no_grad()
    def iterate(self) -> None:
        """u <- W v / |W v|, v <- W^T u / |W^T u|."""
        w = self.weight.flatten(1)
        self.u.copy_(F.normalize(w @ self.v, dim=0))
        self.v.copy_(F.normalize(self.u @ w, dim=0))

    def bounded(self) -> Tensor:
        """W / sigma, of W's shape."""
        with torch.autocast(self.weight.device.type, enabled=False):
            if self.training and self.track_running_stats:
                self.iterate()
            u, v = self.u.clone(), self.v.clone()  # a later pass moves them before this one's backward pass
            return self.weight / (u @ self.weight.flatten(1) @ v)

    def forward(self, input: Tensor) -> Tensor:
        """x [B, inputs, H, W] -> [B, outputs, H, W]."""
        return self._conv_forward(input, self.bounded(), self.bias)
