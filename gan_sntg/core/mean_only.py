"""Which layers have weight norm and mean-only batch norm? The dense layer and the convolution of the discriminative family."""

import torch.nn.functional as F
from torch import Tensor

from gan_sntg.core.layers import channels_last
from gan_sntg.core.running_mean import RunningMean
from gan_sntg.core.weight_norm import WeightNorm


class MeanOnly(WeightNorm):
    """y = W*x - m + b with W = g V / |V|, the norm over all inputs of one output unit; never divided by a deviation (reference 1.1).

    m [units]: the batch's mean of W*x in training, the running mean in evaluation (`RunningMean`, de-biased unlike the source's).
    V ~ N(0, 0.05^2), g = 1, b = 0, all three trained; there is no other bias. `data_dependent_init` divides g by the deviation of
    W*x, sets b to 0 and passes (W*x - m) / deviation on; the running mean hears nothing of that pass. (1e-10 is added to the
    variance, which the source does not: a unit that is constant on the batch stays finite.)
    An average of such a network (`Average`) is evaluated with the running means of the network itself, which it copies.
    """

    eps = 0.0

    def __init__(self, shape: tuple[int, ...]):
        """shape: of V."""
        super().__init__(shape, train_scale=True, init_std=1.0, v_std=0.05)
        self.mean = RunningMean(shape[self.unit_dim])

    def forward(self, x: Tensor) -> Tensor:
        """x [B, inputs, ...] -> [B, units, ...]."""
        y = self.linear(x, self.weight())
        if self.initializing:
            return self._standardize(y)
        return y + (self.b - self.mean(y)).to(y.dtype).view(1, -1, *[1] * (y.dim() - 2))

    def _standardize(self, y: Tensor) -> Tensor:
        y = super()._standardize(y)
        self.b.data.zero_()
        return y


class MeanOnlyLinear(MeanOnly):
    """Dense: W*x = x W^T, V [outputs, inputs]."""

    def __init__(self, inputs: int, outputs: int):
        """inputs, outputs: features of x and y."""
        super().__init__((outputs, inputs))

    def linear(self, x: Tensor, weight: Tensor) -> Tensor:
        """x [B, inputs] -> [B, outputs], without b."""
        return F.linear(x, weight)


class MeanOnlyConv(MeanOnly):
    """Convolution of stride 1: V [outputs, inputs, kernel, kernel]."""

    def __init__(self, inputs: int, outputs: int, kernel: int, padding: int = 0):
        """inputs, outputs: channels; kernel, padding: pixels, the same both ways."""
        super().__init__((outputs, inputs, kernel, kernel))
        self.padding = padding

    def linear(self, x: Tensor, weight: Tensor) -> Tensor:
        """x [B, inputs, H, W] -> [B, outputs, H', W'], without b; both channels last."""
        return F.conv2d(channels_last(x), weight, padding=self.padding)
