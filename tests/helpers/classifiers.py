"""Small forms of every classifier that tests share, and what their layers give."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from gan_sntg.networks.batch_norm import BatchNorm
from gan_sntg.networks.classifiers import Classifier, ConvNet13, PatchConvNet, PlaneMLP, SmallConvNet, VATConvNet
from gan_sntg.networks.gan import ConvDiscriminator, DenseDiscriminator
from gan_sntg.networks.residual import ResidualDiscriminator
from gan_sntg.networks.weight_norm import MeanOnlyLinear, SpectralNormConv

K = 4
NARROW = {"widths": (4, 6, 8)}
NETS = {
    "ConvNet13": (partial(ConvNet13, **NARROW), (3, 12, 16)),
    "SmallConvNet": (SmallConvNet, (1, 16, 16)),
    "VATConvNet": (partial(VATConvNet, **NARROW), (3, 12, 12)),
    "VATConvNet, top_bn": (partial(VATConvNet, **NARROW, top_bn=True), (1, 14, 12)),
    "PatchConvNet": (partial(PatchConvNet, widths=(4, 6)), (9, 5, 7)),
    "PlaneMLP": (PlaneMLP, (2,)),
}
CONV_D = {"ConvDiscriminator": (partial(ConvDiscriminator, widths=(4, 6)), (3, 28, 28))}
RESIDUAL_D = {"ResidualDiscriminator": (lambda *sizes: moved(ResidualDiscriminator(*sizes, width=16)), (2, 32, 32))}
DENSE_D = {"DenseDiscriminator": (partial(DenseDiscriminator, widths=(8, 6)), (1, 4, 4))}


def moved(net: nn.Module) -> nn.Module:
    """A network with numbers in place of all weights that start at 0."""
    for p in net.parameters():
        if not p.any():
            nn.init.normal_(p, std=0.1)
    return net


def nets(*kinds: dict):
    """Parameters of a test: the networks of these kinds."""
    every = {name: net for kind in kinds for name, net in kind.items()}
    return pytest.mark.parametrize(("make", "shape"), every.values(), ids=every.keys())


EVERY, POOLED, ANY = nets(NETS), nets(NETS, CONV_D, RESIDUAL_D), nets(NETS, CONV_D, RESIDUAL_D, DENSE_D)


def made(make, shape: tuple[int, ...]) -> tuple[nn.Module, Tensor]:
    """A network in double precision and twelve examples."""
    torch.manual_seed(0)
    return make(shape, K).double(), 0.5 + torch.randn(12, *shape, dtype=torch.float64)


def outputs(net: nn.Module, x: Tensor, kinds: tuple[type, ...]) -> list[Tensor]:
    """What every layer of the kinds gives in one pass, in order, whatever a next one does in its place."""
    found = []
    hooks = [m.register_forward_hook(lambda _, __, y: found.append(y.detach().clone())) for m in net.modules() if isinstance(m, kinds)]
    net(x)
    for hook in hooks:
        hook.remove()
    return found


class Normed(Classifier):
    """x [B, 1, 4, 4] -> (h [B, 8], logits [B, 3]), with every kind of norm that averages over a batch."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        layers = [MeanOnlyLinear(16, 12), nn.LeakyReLU(0.1), BatchNorm(12), nn.LeakyReLU(0.1), MeanOnlyLinear(12, 8), nn.LeakyReLU(0.1)]
        self.hidden, self.out = nn.Sequential(nn.Flatten(), *layers), nn.Linear(8, 3)

    def forward(self, x):
        h = self.hidden(x)
        return h, self.out(h)


def largest(w: Tensor) -> Tensor:
    """The largest singular value of the weights of a convolution, as rows of its outputs."""
    return torch.linalg.svdvals(w.detach().flatten(1))[0]


def spectrals(net: nn.Module) -> list[SpectralNormConv]:
    """Layers of a network with spectral norm."""
    return [m for m in net.modules() if isinstance(m, SpectralNormConv)]
