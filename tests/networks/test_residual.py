"""The residual pair: its blocks against naive references, its sizes, and what a run does to it."""

import copy
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from helpers.classifiers import largest, moved, outputs, spectrals
from helpers.tiny import Squares, assert_same, started, streams
from jsonargparse import Namespace
from torch import Tensor, nn

from gan_sntg.configurable import configuration
from gan_sntg.errors import InputError
from gan_sntg.graph.sntg import SNTG
from gan_sntg.graph.teachers import Averaged
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.networks.gan import Maps
from gan_sntg.networks.noise import Dropout
from gan_sntg.networks.passes import Precision
from gan_sntg.networks.residual import SIZES, Convolution, ResidualBlock, ResidualDiscriminator, ResidualGenerator
from gan_sntg.networks.weight_norm import data_dependent_init, starts_from_data
from gan_sntg.runs.build import build, parse_run
from gan_sntg.training import checkpoint
from gan_sntg.training.loop import Progress
from gan_sntg.training.term_check import examine

EACH = pytest.mark.parametrize("convolution", Convolution)


def leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x)


def convolved(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """A padded 3 x 3 convolution as a sum over its nine places."""
    padded, (height, width) = F.pad(x, (1, 1, 1, 1)), x.shape[2:]
    places = [torch.einsum("oi,bihw->bohw", w[:, :, i, j], padded[:, :, i : i + height, j : j + width]) for i in range(3) for j in range(3)]
    return torch.stack(places).sum(0) + b.view(-1, 1, 1)


# --- a block ------------------------------------------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize("shape", [(2, 5, 4, 4), (3, 1, 7, 6)])
def test_a_block_adds_two_convolutions_of_rectified_maps(convolution, shape):
    torch.manual_seed(0)
    block = moved(ResidualBlock(shape[1], blocks=3, dropout=0.5, convolution=convolution)).double().eval()
    first, second = (m for m in block.modules() if isinstance(m, nn.Conv2d))
    weights = [m.weight / (largest(m.weight) if convolution is Convolution.spectral else 1) for m in (first, second)]
    x = torch.randn(shape, dtype=torch.float64)
    expected = x + convolved(leaky(convolved(leaky(x), weights[0], first.bias)), weights[1], second.bias)
    torch.testing.assert_close(block(x), expected, rtol=1e-5, atol=1e-5)


def test_a_block_begins_as_the_identity_with_weights_that_shrink_with_depth():
    torch.manual_seed(0)
    x = torch.randn(2, 32, 4, 4)
    for blocks in (1, 4, 9):
        block = ResidualBlock(32, blocks)
        assert torch.equal(block(x), x)
        expected = torch.tensor(2 / (1 + 0.2**2) / (32 * 9) / blocks)
        torch.testing.assert_close(block.branch[1].weight.var().detach(), expected, rtol=0.1, atol=0)


# --- spectral norm ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "channels"), [(32, 1), (40, 13), (56, 6), (64, 3), (80, 2), (96, 200), (128, 3)])
def test_every_size_is_halved_to_4_to_7_pixels_and_drawn_from_as_many(size, channels):
    width, halvings = 32, 3 if size < 64 else 4 if size < 128 else 5
    sides, widths = [size // 2**k for k in range(halvings + 1)], [width // 2**k for k in reversed(range(halvings + 1))]
    assert 4 <= sides[-1] <= 7
    generator = ResidualGenerator((channels, size, size), latent=7, width=width)
    maps = [tuple(y.shape[1:]) for y in outputs(generator, torch.rand(2, 7), (ResidualBlock,))]
    assert maps == [(c, s, s) for c, s in zip(reversed(widths), reversed(sides), strict=True)]
    images = generator(torch.rand(2, 7))
    assert images.shape == (2, channels, size, size) and 0 < images.abs().max() <= 1 and generator.symmetric
    net = ResidualDiscriminator((channels, size, size), 5, width=width)
    maps = [tuple(y.shape[1:]) for y in outputs(net, images, (Dropout, ResidualBlock)) if len(y) == 2]
    stages = [maps[0], *(m for m, after in zip(maps[1:], maps[2:] + [None], strict=True) if m != after)]
    assert stages == [(channels, size, size), *((c, s, s) for c, s in zip(widths[1:], sides[1:], strict=True))]
    h, logits = net(images)
    assert h.shape == (2, width) and logits.shape == (2, 5)


@pytest.mark.parametrize("network", [lambda shape: ResidualDiscriminator(shape, 10), ResidualGenerator])
def test_other_images_are_refused_with_the_sizes_that_there_are(network):
    assert SIZES == (32, 40, 48, 56, 64, 80, 96, 112, 128)
    for shape in ((3, 28, 28), (3, 72, 72), (3, 256, 256), (3, 64, 32), (0, 64, 64), (257, 64, 64)):
        said = f"images of {' x '.join(map(str, shape))}, .* give square images of 32, 40, .* 128 pixels with 1 to 256 channels"
        with pytest.raises(InputError, match=said):
            network(shape)
    with pytest.raises(InputError, match=re.escape("an example is [64]; use a dense network")):
        network((64,))


@pytest.mark.parametrize(
    "network",
    [
        lambda size, width: ResidualDiscriminator((3, size, size), 4, width),
        lambda size, width: ResidualGenerator((3, size, size), 7, width),
    ],
)
def test_a_width_that_cannot_be_halved_to_the_largest_maps_is_refused(network):
    with pytest.raises(InputError, match="width is 8, which cannot be halved 4 times; give a multiple of 16"):
        network(64, 8)


@EACH
def test_the_start_from_data_leaves_the_pair_as_it_is(convolution):
    net, generator = ResidualDiscriminator((1, 32, 32), 3, width=8, convolution=convolution), ResidualGenerator((1, 32, 32), width=8)
    before = copy.deepcopy(net.state_dict())
    data_dependent_init(net, torch.randn(4, 1, 32, 32))
    assert_same(net.state_dict(), before)
    assert starts_from_data(net) == starts_from_data(generator) == []


def test_an_image_hears_nothing_of_its_batch():
    torch.manual_seed(0)
    generator, z = moved(ResidualGenerator((3, 32, 32), latent=7, width=16)).double(), torch.rand(4, 7, dtype=torch.float64)
    torch.testing.assert_close(generator(z)[:1], generator(z[:1]))
    torch.testing.assert_close(generator.train()(z), generator.eval()(z))


def test_maps_begin_with_the_same_variance_whatever_z_is_centred_on():
    torch.manual_seed(0)
    maps = outputs(ResidualGenerator((3, 32, 32), latent=50, width=64), torch.rand(200, 50), (Maps,))[0]
    torch.testing.assert_close(maps.var(0).mean(), torch.tensor(1.0), rtol=0.1, atol=0)
    assert maps.mean(0).abs().mean() < 0.1  # without centring: 1.7


@EACH
def test_bfloat16_gives_float32_near_those_of_float32(convolution):
    torch.manual_seed(0)
    net = moved(ResidualDiscriminator((3, 32, 32), 4, width=16, convolution=convolution)).eval()
    generator, z = moved(ResidualGenerator((3, 32, 32), width=16)), torch.rand(6, 100)
    exact = generator(z), *net(generator(z))
    with Precision.bfloat16("cpu"):
        images = generator(z)
        found = images, *net(images)
    assert {y.dtype for y in found} == {torch.float32}
    for rounded, expected in zip(found, exact, strict=True):
        assert (rounded - expected).norm() < 0.03 * expected.norm()


# --- in a run -----------------------------------------------------------------------------------------------------------


class LargeSquares(Squares):
    """The squares at 32 x 32 pixels."""

    def __init__(self):
        super().__init__()
        self.train_x, self.test_x = (x.repeat_interleave(8, 2).repeat_interleave(8, 3) for x in (self.train_x, self.test_x))


def gan(convolution: Convolution, **options):
    """A method of a small residual pair, prepared and seeded, and its streams."""
    torch.manual_seed(0)
    nets = ResidualDiscriminator((1, 32, 32), 3, width=16, convolution=convolution), ResidualGenerator((1, 32, 32), latent=5, width=16)
    method = FeatureMatchingGAN(discriminator=nets[0], generator=nets[1], teacher=Averaged(0.9), sntg=SNTG(1.0, ramp_epochs=0), **options)
    own = streams(source=(data := LargeSquares()))
    method.prepare(data, own.pool)
    method.seed(0, "cpu")
    return method, own


@EACH
@pytest.mark.parametrize("precision", Precision)
def test_every_term_is_alive_and_moves_its_network_alone(convolution, precision):
    method, own = gan(convolution)
    assert examine(copy.deepcopy(method), own, t=1, steps=2, precision=precision).faults == {}


@EACH
def test_a_resumed_run_is_the_same_to_the_bit(convolution, tmp_path):
    method, own = gan(convolution)
    started(method, own)
    batches = iter(own.epoch())
    for _ in range(2):
        method.step(seen := next(batches), 1)
    checkpoint.save(tmp_path / "last.pt", method, own, Progress())
    judged = method.discriminator.eval()(seen.unlabeled.x)
    method.train()
    expected = [method.step(next(batches), 1) for _ in range(2)], method.state_dict()
    again, streams_again = gan(convolution, learning_rate=1.0)
    state = checkpoint.read(tmp_path / "last.pt", "cpu")
    checkpoint.put_back(state, tmp_path / "last.pt", again, streams_again, Progress())
    torch.testing.assert_close(again.discriminator.eval()(seen.unlabeled.x), judged, rtol=0, atol=0)
    again.train()
    batches = iter(streams_again.epoch(2))
    again.learning_rate = method.learning_rate
    assert_same([again.step(next(batches), 1) for _ in range(2)], expected[0])
    assert_same(again.state_dict(), expected[1])


def test_a_copy_goes_its_own_way():
    net, x = ResidualDiscriminator((1, 32, 32), 3, width=8, convolution=Convolution.spectral), torch.randn(2, 1, 32, 32)
    moved_weights = copy.deepcopy(net)
    for conv in spectrals(moved_weights):
        nn.init.normal_(conv.weight)
    before = copy.deepcopy(net.state_dict())
    moved_weights(x)
    assert_same(net.state_dict(), before)
    assert not any(torch.equal(a.u, b.u) for a, b in zip(spectrals(net), spectrals(moved_weights), strict=True) if len(a.u) > 1)


def test_spectral_norm_is_chosen_by_name():
    config = str(Path(__file__).parents[2] / "configs/folder_64/fm_gan.yaml")
    words = "--batch_size 4 --method.discriminator.convolution spectral --method.discriminator.width 16 --method.generator.width 16".split()
    found = build(*parse_run(Namespace(device="cpu", synthetic=True, root=None), config, words)).method.discriminator
    assert len(spectrals(found)) == 1 + 4 * 3
    assert configuration(found, ("image_shape", "num_classes"))["init_args"] == {"width": 16, "dropout": 0.2, "convolution": "spectral"}
