"""Mean-only batch norm with weight norm, against loops in double precision."""

from itertools import product

import pytest
import torch
from torch import Tensor, nn

from gan_sntg.networks.batch_norm import RunningMean
from gan_sntg.networks.ema import Average
from gan_sntg.networks.weight_norm import MeanOnlyConv, MeanOnlyLinear

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
    """W*x with W = g V / |V|, by loops over units, places and inputs. [B, units, H', W'], 1 x 1 for dense layers."""
    v, padding = layer.v.detach(), getattr(layer, "padding", 0)
    v, x = (t.reshape(*t.shape, *[1] * (4 - t.dim())) for t in (v, x))
    x = nn.functional.pad(x, [padding] * 4)
    units, inputs, k, _ = v.shape
    y = torch.zeros(len(x), units, x.shape[2] - k + 1, x.shape[3] - k + 1, dtype=torch.float64)
    for n, u, row, column in product(*map(range, y.shape)):
        norm = sum(float(value) ** 2 for value in v[u].flatten()) ** 0.5
        for c, i, j in product(range(inputs), range(k), range(k)):
            y[n, u, row, column] += float(layer.g.detach()[u]) * v[u, c, i, j] / norm * x[n, c, row + i, column + j]
    return y


def naive_means(y: Tensor) -> list[float]:
    """The mean of each unit over images and places. y [B, units, H, W]."""
    return [sum(float(value) for value in y[:, u].flatten()) / y[:, u].numel() for u in range(y.shape[1])]


def naive(layer, x: Tensor, means: list[float]) -> Tensor:
    """W*x - m + b."""
    y = naive_weighted(layer, x)
    for u, m in enumerate(means):
        y[:, u] += float(layer.b.detach()[u]) - m
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


@EVERY
def test_before_the_first_batch_evaluation_subtracts_nothing(case):
    layer, x = case()
    torch.testing.assert_close(layer.eval()(x).detach(), naive(layer, x, [0.0] * 3))


@EVERY
def test_a_pass_without_gradients_moves_the_running_mean_too(case):
    layer, x = case()
    with torch.no_grad():
        layer(x)
    assert layer.mean.updates == 1 and (layer.mean.running != 0).all()


@EVERY
def test_the_norm_has_no_epsilon(case):
    layer, _ = case()
    layer.v.data *= 1e-6
    norms = torch.stack([w.square().sum().sqrt() for w in layer.weight().detach()])
    torch.testing.assert_close(norms, layer.g.detach())


@EVERY
def test_nothing_is_divided_by_a_deviation(case):
    layer, x = case()
    layer.b.data.zero_()
    torch.testing.assert_close(layer(7 * x), 7 * layer(x))


@EVERY
def test_v_g_and_b_are_trained_and_there_is_no_other_bias(case):
    layer, x = case()
    assert [name for name, p in layer.named_parameters() if p.requires_grad] == ["v", "g", "b"] == [n for n, _ in layer.named_parameters()]
    assert torch.autograd.gradcheck(
        lambda v, g, b: torch.func.functional_call(layer, {"v": v, "g": g, "b": b}, (x,)), (layer.v, layer.g, layer.b)
    )
    layer(x).square().sum().backward()
    assert all((p.grad != 0).all() for p in layer.parameters())


@EVERY
def test_the_gradient_goes_through_the_batchs_mean(case):
    layer, x = case()
    x.requires_grad_()
    layer(x).sum().backward()  # sum over a batch of what is centred is a constant
    torch.testing.assert_close(x.grad, torch.zeros_like(x))


def test_averaged_weights_are_evaluated_with_the_running_means_of_the_network_itself():
    layer, x = convolution()
    average = Average(layer, 0.5)
    for k in range(3):
        layer((k + 1) * x)
        for p in layer.parameters():
            p.data += 0.1
        average.update(layer)
    averaged = average.net
    assert torch.equal(averaged.mean.running, layer.mean.running) and averaged.mean.updates == 3
    assert not torch.equal(averaged.v, layer.v)
    expected = naive(averaged, x[:2], layer.mean.running.tolist())
    torch.testing.assert_close(averaged(x[:2]).detach(), expected)
