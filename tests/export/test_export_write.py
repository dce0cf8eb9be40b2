"""Every network and normalization makes a program that does what they do, at any size of batch."""

import io

import pytest
import torch

from gan_sntg.data.normalization import AsIs, ContrastZCA, PerImage, Symmetric, UnitRange, UnregularizedZCA
from gan_sntg.export.load import Classifier
from gan_sntg.export.write import program_of
from gan_sntg.networks.classifiers import ConvNet13, PlaneMLP, SmallConvNet, VATConvNet
from gan_sntg.networks.conv_gan import ConvDiscriminator
from gan_sntg.networks.dense_gan import DenseDiscriminator

KINDS = [
    (DenseDiscriminator, (1, 4, 4), {"widths": (6, 5)}, ContrastZCA),
    (ConvDiscriminator, (3, 28, 28), {"widths": (4, 6)}, Symmetric),
    (ConvNet13, (1, 12, 12), {"widths": (4, 5, 6)}, PerImage),
    (SmallConvNet, (1, 16, 16), {}, UnitRange),
    (VATConvNet, (3, 12, 12), {"widths": (4, 5, 6), "top_bn": True}, UnregularizedZCA),
    (PlaneMLP, (2,), {}, AsIs),
]


@pytest.mark.parametrize(("kind", "shape", "options", "normalization"), KINDS, ids=lambda value: getattr(value, "__name__", ""))
def test_the_program_is_the_classifier(kind, shape, options, normalization):
    generator = torch.Generator().manual_seed(0)
    points = len(shape) == 1
    x = torch.randn(500, *shape, generator=generator)
    x = x if points else (40 * x + 128).clamp(0, 255).to(torch.uint8)
    normalize = normalization()
    normalize.fit(x)
    torch.manual_seed(0)
    net = kind(shape, 3, **options)
    net.train()(normalize(x[:20]))
    classifier = Classifier(net, normalize, shape, x.dtype, ["a", "b", "c"])
    program = torch.export.load(io.BytesIO(program_of(classifier))).module()
    for n in 1, 7:
        torch.testing.assert_close(program(x[:n]), classifier(x[:n]), atol=1e-5, rtol=1e-5)
        assert program(x[:n]).shape == (n, 3)
