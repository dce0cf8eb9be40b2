"""The classifiers: layer by layer those of the source, sized to the image; how they pass examples on, and start from data."""

import re
from math import prod

import pytest
import torch
from helpers.classifiers import ANY, EVERY, POOLED, K, made, outputs
from helpers.method_factories import ALL, prepared
from helpers.tiny import Squares
from torch import Tensor, nn

from gan_sntg.errors import InputError
from gan_sntg.graph.sntg import SNTG
from gan_sntg.networks.batch_norm import BatchNorm, frozen_statistics
from gan_sntg.networks.classifiers import ConvNet13, PatchConvNet, PlaneMLP, SmallConvNet, VATConvNet
from gan_sntg.networks.ema import Average
from gan_sntg.networks.noise import Dropout, GaussianNoise, Noise
from gan_sntg.networks.passes import drawing_from
from gan_sntg.networks.residual import ResidualDiscriminator
from gan_sntg.networks.weight_norm import MeanOnly, WeightNorm, data_dependent_init, starts_from_data
from gan_sntg.schedules import LinearTail, RampedWeight
from gan_sntg.training.term_check import examine

SIZES = pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
LAYERS = (MeanOnly, nn.Conv2d, nn.Linear)


def thirteen(channels: int, classes: int) -> list[tuple[int, ...]]:
    """Shapes of the weights of the 13-layer net."""
    blocks = [(128, channels, 3, 3), *[(128, 128, 3, 3)] * 2, (256, 128, 3, 3), *[(256, 256, 3, 3)] * 2]
    return [*blocks, (512, 256, 3, 3), (256, 512, 1, 1), (128, 256, 1, 1), (classes, 128)]


def numbers(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


@SIZES
def test_the_13_layer_convnet_is_that_of_the_source(shape):
    net, shapes = ConvNet13(shape, 10), thirteen(shape[0], 10)
    assert [tuple(m.v.shape) for m in net.modules() if isinstance(m, MeanOnly)] == shapes
    assert numbers(net) == sum(prod(s) + 2 * s[0] for s in shapes)  # V, g and b
    maps = outputs(net, torch.rand(2, *shape), (MeanOnly, nn.MaxPool2d))
    a = shape[1]
    assert [y.shape[2] for y in maps[:-1]] == [a, a, a, a // 2, a // 2, a // 2, a // 2, a // 4, a // 4 - 2, a // 4 - 2, a // 4 - 2]
    assert [y.shape[1] for y in maps] == [128] * 4 + [256] * 4 + [512, 256, 128, 10]


@SIZES
def test_the_small_convnet_is_that_of_the_source(shape):
    net = SmallConvNet(shape, 10)
    shapes = [(32, shape[0], 5, 5), (64, 32, 3, 3), (64, 64, 3, 3), (128, 64, 3, 3), (128, 128, 1, 1), (10, 128)]
    assert [tuple(m.v.shape) for m in net.modules() if isinstance(m, MeanOnly)] == shapes
    assert numbers(net) == sum(prod(s) + 2 * s[0] for s in shapes)
    maps = outputs(net, torch.rand(2, *shape), (MeanOnly, nn.MaxPool2d))
    assert [y.shape[2] for y in maps[:-1]] == ([24, 12, 12, 12, 6, 4, 4] if shape[1] == 28 else [28, 14, 14, 14, 7, 5, 5])


@SIZES
@pytest.mark.parametrize("top_bn", [False, True])
def test_vats_convnet_is_that_of_the_source(shape, top_bn):
    net, shapes = VATConvNet(shape, 10, top_bn=top_bn), thirteen(shape[0], 10)
    weighted = [m for m in net.modules() if isinstance(m, LAYERS)]
    norms = [m for m in net.modules() if isinstance(m, BatchNorm)]
    assert [tuple(m.weight.shape) for m in weighted] == shapes
    assert [m.num_features for m in norms] == [s[0] for s in (shapes if top_bn else shapes[:-1])]
    assert {(m.eps, m.momentum, m.affine) for m in norms} == {(1e-6, 0.01, True)}
    assert numbers(net) == sum(map(prod, shapes)) + sum(2 * s[0] for s in shapes[:-1]) + (20 if top_bn else 10)
    for m in weighted[1:-1]:
        deviation = (2 / m.weight[0].numel()) ** 0.5
        torch.testing.assert_close(m.weight.detach().std(), torch.tensor(deviation), rtol=0.02, atol=0)


def test_the_mlp_for_points_has_three_hidden_layers_of_100():
    net = PlaneMLP((2,), 3)
    assert [tuple(m.v.shape) for m in net.modules() if isinstance(m, MeanOnly)] == [(100, 2), (100, 100), (100, 100), (3, 100)]
    assert numbers(net) == 200 + 10_000 + 10_000 + 300 + 2 * 303


@EVERY
def test_every_layer_but_the_last_is_followed_by_a_leaky_relu_of_a_tenth(make, shape):
    net, _ = made(make, shape)
    slopes = [m.negative_slope for m in net.modules() if isinstance(m, nn.LeakyReLU)]
    assert slopes == [0.1] * (len([m for m in net.modules() if isinstance(m, LAYERS)]) - 1)


@EVERY
def test_noise_is_that_of_the_source(make, shape):
    net, _ = made(make, shape)
    noise = [m.std for m in net.modules() if isinstance(m, GaussianNoise)]
    assert noise == ([] if isinstance(net, VATConvNet) else [0.15])
    assert [m.p for m in net.modules() if isinstance(m, Dropout)] == ([] if shape == (2,) else [0.5, 0.5])
    if noise:
        assert isinstance(next(m for m in net.modules() if not list(m.children())), GaussianNoise)  # of the input
        assert [m.std for m in make(shape, K, noise=0.3).modules() if isinstance(m, GaussianNoise)] == [0.3]


@POOLED
def test_h_is_the_pool_of_the_last_maps_and_the_logits_are_dense_on_it(make, shape):
    net, x = made(make, shape)
    last = outputs(net.eval(), x, (nn.LeakyReLU,))[-1]
    h, logits = net(x)
    torch.testing.assert_close(h, last.flatten(2).mean(2) if last.dim() == 4 else last)
    torch.testing.assert_close(logits, net.out(h))
    assert logits.shape == (12, K)


def test_other_widths_narrow_every_block():
    for net in (ConvNet13((3, 32, 32), 10, (4, 6, 8)), VATConvNet((3, 32, 32), 10, (4, 6, 8))):
        weights = [m.weight() if isinstance(m, MeanOnly) else m.weight for m in net.modules() if isinstance(m, LAYERS)]
        assert [len(w) for w in weights] == [4, 4, 4, 6, 6, 6, 8, 6, 4, 10]


@pytest.mark.parametrize(("make", "side"), [(ConvNet13, 12), (VATConvNet, 12), (SmallConvNet, 16), (PatchConvNet, 3)])
def test_images_whose_last_map_would_be_empty_are_refused(make, side):
    net = make((1, side, side + 3), K)
    assert net.eval()(torch.rand(2, 1, side, side + 3))[1].shape == (2, K)
    for shape in ((1, side - 1, 40), (1, 40, side - 1), (2,)):
        with pytest.raises(
            InputError, match=f"{make.__name__} needs images.* {side} or more pixels a side, but .* shape {re.escape(str(list(shape)))}"
        ):
            make(shape, K)


@pytest.mark.parametrize(("side", "channels"), [(5, 200), (9, 13), (3, 1)])
def test_patches_are_classified_without_pooling(side, channels):
    net = PatchConvNet((channels, side, side), K)
    maps = [tuple(y.shape[1:]) for y in outputs(net, torch.rand(2, channels, side, side), LAYERS)]
    assert maps == [*[(64, side, side)] * 2, *[(128, side - 2, side - 2)] * 2, (K,)]


class Patches(Squares):
    """The squares as patches of 5 x 5 pixels and 200 channels."""

    def __init__(self):
        super().__init__()
        self.train_x, self.test_x = (x.repeat(1, 200, 2, 2)[..., :5, :5] for x in (self.train_x, self.test_x))


@pytest.mark.parametrize(("kind", "options"), [ALL["pi"], ALL["vat"]], ids=["pi", "vat"])
def test_every_term_of_pi_and_vat_is_alive_on_patches_of_200_channels(kind, options):
    torch.manual_seed(0)
    method = kind(
        net=PatchConvNet((200, 5, 5), 3, widths=(8, 6)),
        w=RampedWeight(1.0, 0),
        schedule=LinearTail(),
        sntg=SNTG(0.5),
        learning_rate=1e-2,
        **options,
    )
    found = examine(method, prepared(method, source=Patches()), t=1, steps=2)
    assert found.faults == {} and {"net/consistency", "net/graph"} <= set(found.terms)


def test_the_mlp_for_points_refuses_images():
    with pytest.raises(InputError, match=r"points of 2 coordinates, but an example has shape \[1, 8, 8\]"):
        PlaneMLP((1, 8, 8), K)


@pytest.mark.parametrize("make", [ConvNet13, VATConvNet])
def test_a_layer_without_a_channel_is_refused(make):
    with pytest.raises(InputError, match=r"widths is \[4, 0, 8\]; give three numbers of channels, each 1 or more"):
        make((1, 28, 28), K, (4, 0, 8))
    with pytest.raises(InputError, match=r"widths is \[4, 0\]; give two numbers of channels"):
        PatchConvNet((1, 5, 5), K, (4, 0))


# --- passes -------------------------------------------------------------------------------------------------------------


def seeded(net: nn.Module, x: Tensor, seed: int) -> Tensor:
    """The logits of a pass whose noise is drawn from a generator of the seed."""
    with drawing_from(net, torch.Generator().manual_seed(seed)):
        return net(x)[1]


def buffers(net: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in net.named_buffers()}


def counts(net: nn.Module) -> set[int]:
    """How many passes the running statistics have heard: those of mean-only and of ordinary batch norm."""
    return {int(value) for value in net.buffers() if value.dtype == torch.int64}


@ANY
def test_evaluation_is_deterministic_and_no_example_hears_of_another(make, shape):
    net, x = made(make, shape)
    net(2 * x)  # statistics to evaluate with
    expected = net.eval()(x)
    torch.testing.assert_close(net(x), expected, rtol=0, atol=0)
    for other in (x[:1], x[:5], torch.cat([x[:5], 9 * x])):
        for found, whole in zip(net(other), expected, strict=True):
            torch.testing.assert_close(found[:1], whole[:1])


@EVERY
def test_in_training_every_example_hears_of_the_batch(make, shape):
    net, x = made(make, shape)
    passes = [seeded(net, batch, 1)[:2] for batch in (x, torch.cat([x[:2], 9 * x[2:]]))]
    assert not torch.isclose(*passes).any()


@EVERY
def test_training_passes_alone_update_the_running_statistics_and_not_if_frozen(make, shape):
    net, x = made(make, shape)
    net(x)
    with torch.no_grad():
        net(x)
    assert counts(net) == {2}
    before = buffers(net)
    with frozen_statistics(net):
        net(3 * x)
    net.eval()(3 * x)
    data_dependent_init(net, 3 * x)
    torch.testing.assert_close(buffers(net), before, rtol=0, atol=0)


@EVERY
def test_averaged_weights_are_evaluated_with_the_networks_own_running_statistics(make, shape):
    net, x = made(make, shape)
    average = Average(net, 0.5)
    for _ in range(3):
        net(x)
        for p in net.parameters():
            p.data.mul_(1.1)
        average.update(net)
    torch.testing.assert_close(buffers(average.net), buffers(net), rtol=0, atol=0)
    expected = make(shape, K).double().eval()
    expected.load_state_dict(dict(net.state_dict()) | dict(average.net.named_parameters()))
    torch.testing.assert_close(average.net(x), expected(x), rtol=0, atol=0)
    assert not torch.isclose(average.net(x)[1], net.eval()(x)[1]).any()


@ANY
def test_noise_comes_from_the_named_generator(make, shape):
    net, x = made(make, shape)
    before = torch.get_rng_state()
    passes = [seeded(net, x, seed) for seed in (1, 1, 2)]
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(passes[0], passes[1]) and not torch.isclose(passes[0], passes[2]).any()
    assert {layer.generator for layer in net.modules() if isinstance(layer, Noise)} == {None}


@ANY
def test_gradient_reaches_every_parameter_and_the_input(make, shape):
    net, x = made(make, shape)
    x.requires_grad_()
    h, logits = net(x)
    nn.functional.cross_entropy(logits, torch.arange(12) % K).backward()
    trained = {name: p.grad for name, p in net.named_parameters() if p.requires_grad}
    assert [name for name, grad in trained.items() if grad is None or float(grad.abs().max()) < 1e-8] == []
    assert x.grad.isfinite().all() and (x.grad.flatten(1).abs().sum(1) > 0).all()


@ANY
def test_the_first_pass_standardises_every_weight_norm_layer_under_its_own_noise(make, shape):
    net, x = made(make, shape)
    with drawing_from(net, torch.Generator().manual_seed(1)):
        data_dependent_init(net, x)
    with drawing_from(net, torch.Generator().manual_seed(1)):
        found = outputs(net, x, (WeightNorm,))  # the logits are the last
    assert (len(found) > 0) != isinstance(net, VATConvNet | ResidualDiscriminator)
    for layer, y in zip(starts_from_data(net), found, strict=True):
        values = y.transpose(0, 1).flatten(1)
        torch.testing.assert_close(values.mean(1), torch.zeros(len(values)).double(), atol=1e-9, rtol=0)
        torch.testing.assert_close(values.std(1, correction=0), torch.full((len(values),), layer.init_std).double(), atol=1e-5, rtol=0)
        assert not isinstance(layer, MeanOnly) or (layer.b == 0).all()


@ANY
def test_images_are_stored_channels_last_inside_and_that_changes_nothing(make, shape):
    net, x = made(make, shape)
    net(x)
    maps = outputs(net.eval(), x, (nn.LeakyReLU,))
    if x.dim() == 4:
        assert all(y.is_contiguous(memory_format=torch.channels_last) for y in maps)
        torch.testing.assert_close(net(x.contiguous(memory_format=torch.channels_last)), net(x))
    torch.testing.assert_close(net(x.transpose(0, -1).contiguous().transpose(0, -1)), net(x))


@EVERY
def test_one_backward_goes_through_two_passes_and_a_frozen_one(make, shape):
    net, x = made(make, shape)
    passes = [seeded(net, x, 1), seeded(net, 2 * x, 2)]
    with frozen_statistics(net):
        passes.append(seeded(net, 3 * x, 3))
    expected = [torch.autograd.grad(y[0, 0], list(net.parameters())[0], retain_graph=True)[0] for y in passes]
    sum(y[0, 0] for y in passes).backward()
    torch.testing.assert_close(next(net.parameters()).grad, sum(expected))
