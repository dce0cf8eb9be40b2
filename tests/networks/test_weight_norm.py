"""Weight norm, plain and with mean-only batch norm, against loops in double precision, and its start from data."""

import inspect
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from gan_sntg.networks.batch_norm import RunningMean
from gan_sntg.networks.passes import Precision
from gan_sntg.networks.weight_norm import (
    MeanOnly,
    MeanOnlyConv,
    MeanOnlyLinear,
    WeightNorm,
    WeightNormConv,
    WeightNormConvTranspose,
    WeightNormLinear,
    data_dependent_init,
    fixed_weights,
    starts_from_data,
)

# --- plain --------------------------------------------------------------------------------------------------------------

LAYERS = [WeightNormLinear(5, 3), WeightNormConv(5, 3, 3), WeightNormConvTranspose(5, 3, 5)]


def test_no_layer_takes_a_function_which_a_configuration_or_card_could_name():
    kinds = [WeightNorm, *WeightNorm.__subclasses__(), *MeanOnly.__subclasses__()]
    assert len(kinds) == 7 and not any("Callable" in str(inspect.signature(kind)) for kind in kinds)


def statistics(y: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of every unit, over the batch and over space."""
    values = y.detach().transpose(0, 1).flatten(1)
    return values.mean(1), values.std(1, correction=0)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_weight_norm_gives_every_output_unit_the_norm_g(layer):
    layer.double().g.data = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    units = layer.v.detach().movedim(1, 0) if isinstance(layer, WeightNormConvTranspose) else layer.v.detach()
    assert len(units) == 3
    found = layer.weight().movedim(1, 0) if isinstance(layer, WeightNormConvTranspose) else layer.weight()
    for k in range(3):
        torch.testing.assert_close(found[k], layer.g[k] * units[k] / (1e-6 + (units[k] ** 2).sum()).sqrt())
    x = torch.randn(2, 5, *[3] * (layer.v.dim() - 2), dtype=torch.float64)
    passed = partial(torch.func.functional_call, layer, args=(x,))
    assert torch.autograd.gradcheck(lambda v, g: passed({"v": v, "g": g}), (layer.v, layer.g.requires_grad_()))


@pytest.mark.parametrize("precision", Precision)
def test_fixed_weights_are_those_of_now_without_gradient_and_end_with_the_context(precision):
    torch.manual_seed(0)
    net = nn.Sequential(WeightNormConv(2, 4, 3, train_scale=True), nn.Flatten(), WeightNormLinear(36, 3))
    x = torch.randn(3, 2, 5, 5, requires_grad=True)
    with precision("cpu"):
        expected = net(x)
        with fixed_weights(net):
            found = net(x)
            found.sum().backward()
            with torch.no_grad():
                net[0].v.add_(1)
            assert torch.equal(net(x), found)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 if precision is Precision.float32 else 0.02)
        assert not torch.equal(net(x), found)
    assert x.grad is not None and net[0].v.grad is None and net[0].g.grad is None and net[2].v.grad is None


PLAIN = [(WeightNormConv(2, 4, 3, *geometry), nn.Conv2d(2, 4, 3, *geometry), size) for *geometry, size in ((1, 0, 5), (1, 1, 7), (2, 1, 4))]
PLAIN += [(WeightNormConvTranspose(2, 4, k), nn.ConvTranspose2d(2, 4, k, 2, k // 2, output_padding=1), 14) for k in (3, 5)]


@pytest.mark.parametrize(("layer", "plain", "size"), [*PLAIN, (WeightNormLinear(7, 4), nn.Linear(7, 4), None)])
def test_a_layer_is_torchs_with_the_normed_weight(layer, plain, size):
    x = torch.randn(3, 2, 7, 7) if size else torch.randn(3, 7)
    layer.b.data.normal_()
    plain.weight.data, plain.bias.data = layer.weight().detach(), layer.b.detach()
    torch.testing.assert_close(layer(x), plain(x))
    assert layer(x).shape == ((3, 4, size, size) if size else (3, 4))


def test_data_dependent_init_gives_each_units_output_mean_0_and_the_asked_std_over_batch_and_space():
    torch.manual_seed(0)
    net = nn.Sequential(
        WeightNormConvTranspose(2, 6, 5),
        nn.LeakyReLU(0.2),
        WeightNormConv(6, 4, 3, stride=2, init_std=0.5),
        nn.Flatten(),
        WeightNormLinear(36, 3, init_std=0.1),
    ).double()
    x = 5 + 3 * torch.randn(50, 2, 4, 4, dtype=torch.float64)
    x[:, :, :2] *= 4  # space matters: one place is unlike another
    data_dependent_init(net, -1 - x)  # whatever g and b were before
    data_dependent_init(net, x)
    for k, std in ((0, 1.0), (2, 0.5), (4, 0.1)):
        mean, deviation = statistics(net[: k + 1](x))
        torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-9, rtol=0)
        torch.testing.assert_close(deviation, torch.full_like(mean, std), atol=1e-6, rtol=0)
        assert not net[k].initializing


def test_a_layer_without_an_initial_std_is_left_as_it_was_drawn():
    net = nn.Sequential(WeightNormLinear(6, 4), WeightNormLinear(4, 3, init_std=None))
    assert starts_from_data(net) == [net[0]]
    data_dependent_init(net, 5 + torch.randn(20, 6))
    assert (net[0].g != 1).all() and torch.equal(net[1].g.detach(), torch.ones(3)) and torch.equal(net[1].b.detach(), torch.zeros(3))


@pytest.mark.parametrize(
    ("kind", "sizes", "std"),
    [
        (WeightNormConv, (40, 40, 5), 0.05),
        (WeightNormConvTranspose, (40, 40, 5), 0.05),
        (WeightNormLinear, (200, 200), 0.1),
        (MeanOnlyConv, (40, 40, 5), 0.05),
        (MeanOnlyLinear, (200, 200), 0.05),
    ],
)
def test_a_layer_begins_as_in_the_source(kind, sizes, std):
    layer = kind(*sizes)
    assert abs(float(layer.v.detach().std()) - std) < 2e-3 and abs(float(layer.v.detach().mean())) < 2e-3
    assert (layer.g == 1).all() and (layer.b == 0).all()


@pytest.mark.parametrize("kind", [WeightNormConv, WeightNormConvTranspose])
def test_hidden_scales_are_frozen_by_default(kind):
    assert not kind(2, 2, 3).g.requires_grad and not WeightNormLinear(2, 2).g.requires_grad
    assert kind(2, 2, 3, train_scale=True).g.requires_grad and WeightNormLinear(2, 2, train_scale=True).g.requires_grad


# --- with mean-only batch norm ------------------------------------------------------------------------------------------

D = 0.999  # the source's momentum


def dense() -> tuple[MeanOnlyLinear, Tensor]:
    torch.manual_seed(0)
    return drawn(MeanOnlyLinear(5, 3)), 2 + torch.randn(4, 5, dtype=torch.float64)


def convolution(kernel: int = 3, padding: int = 1) -> tuple[MeanOnlyConv, Tensor]:
    torch.manual_seed(0)
    return drawn(MeanOnlyConv(2, 3, kernel, padding)), 2 + torch.randn(4, 2, 5, 4, dtype=torch.float64)


def drawn(layer):
    """The layer in double precision with g and b that are not their first values."""
    layer.double()
    layer.g.data.uniform_(0.5, 2)
    layer.b.data.normal_()
    return layer


CASES = {"dense": dense, "3x3": convolution, "3x3 valid": lambda: convolution(3, 0), "1x1": lambda: convolution(1, 0)}
EVERY = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def naive_weighted(layer, x: Tensor) -> Tensor:
    """W*x with W = g V / |V|, unit by unit. [B, units, H', W'], 1 x 1 for dense layers."""
    w = torch.stack(
        [g * v / sum(float(value) ** 2 for value in v.flatten()) ** 0.5 for g, v in zip(layer.g, layer.v, strict=True)]
    ).detach()
    w, x = (t.reshape(*t.shape, *[1] * (4 - t.dim())) for t in (w, x))
    return nn.functional.conv2d(x, w, **getattr(layer.linear, "keywords", {}))


def naive_means(y: Tensor) -> list[float]:
    """The mean of each unit over images and places. y [B, units, H, W]."""
    return [sum(float(value) for value in y[:, u].flatten()) / y[:, u].numel() for u in range(y.shape[1])]


def naive(layer, x: Tensor, means: list[float]) -> Tensor:
    """W*x - m + b."""
    y = naive_weighted(layer, x) + (layer.b.detach() - torch.tensor(means, dtype=torch.float64)).view(-1, 1, 1)
    return y if x.dim() == 4 else y.flatten(1)


@EVERY
@pytest.mark.parametrize("n", [1, 4])
def test_training_subtracts_the_batchs_mean_and_adds_b(case, n):
    layer, x = case()
    torch.testing.assert_close(layer(x[:n]).detach(), naive(layer, x[:n], naive_means(naive_weighted(layer, x[:n]))))


@EVERY
def test_evaluation_subtracts_the_debiased_mean_of_five_batches(case):
    layer, x = case()
    seen = []
    for k in range(5):
        layer((k + 1) * x)
        seen.append(naive_means(naive_weighted(layer, (k + 1) * x)))
    shares = [D ** (4 - k) for k in range(5)]
    expected = [sum(s * m[u] for s, m in zip(shares, seen, strict=True)) / sum(shares) for u in range(3)]
    torch.testing.assert_close(layer.mean.running, torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(layer.eval()(x).detach(), naive(layer, x, expected))
    assert layer.mean.updates == 5  # the evaluation was not counted


def test_the_running_mean_is_the_sources_divided_by_what_its_zero_start_lacks():
    means, r = RunningMean(2).double(), torch.zeros(2, dtype=torch.float64)
    for n in range(1, 31):
        y = torch.randn(6, 2, dtype=torch.float64) + n
        means(y)
        r = D * r + (1 - D) * y.mean(0)
        torch.testing.assert_close(means.running, r / (1 - D**n))


def test_the_first_running_mean_in_single_precision_is_the_first_batchs():
    means, y = RunningMean(3), 100 + torch.randn(50, 3, 2, 2)
    means(y)
    torch.testing.assert_close(means.running, y.mean((0, 2, 3)))


def test_the_mean_of_short_numbers_is_summed_in_long_ones():
    y = torch.full((1000, 1), 1.0, dtype=torch.bfloat16).requires_grad_()
    mean = RunningMean(1)(y)
    mean.sum().backward()
    assert mean.dtype == torch.float32 and mean.item() == 1
    assert torch.equal(y.grad, torch.full_like(y, 0.001))


@EVERY
def test_before_the_first_batch_evaluation_subtracts_nothing(case):
    layer, x = case()
    torch.testing.assert_close(layer.eval()(x).detach(), naive(layer, x, [0.0] * 3))


@EVERY
def test_the_norm_has_no_epsilon(case):
    layer, _ = case()
    layer.v.data *= 1e-6
    norms = torch.stack([w.square().sum().sqrt() for w in layer.weight().detach()])
    torch.testing.assert_close(norms, layer.g.detach())


@EVERY
def test_v_g_and_b_are_trained_and_there_is_no_other_bias(case):
    layer, x = case()
    assert [name for name, p in layer.named_parameters() if p.requires_grad] == ["v", "g", "b"] == [n for n, _ in layer.named_parameters()]
    assert torch.autograd.gradcheck(  # also through the batch's mean
        lambda v, g, b, x: torch.func.functional_call(layer, {"v": v, "g": g, "b": b}, (x,)),
        (layer.v, layer.g, layer.b, x.requires_grad_()),
    )
    layer(x).square().sum().backward()
    assert all((p.grad != 0).all() for p in layer.parameters())


def test_a_unit_that_is_constant_on_the_batch_stays_finite():
    layer = MeanOnlyLinear(4, 3)
    data_dependent_init(layer, torch.ones(10, 4))
    assert layer.g.isfinite().all() and layer(torch.ones(10, 4)).isfinite().all()
