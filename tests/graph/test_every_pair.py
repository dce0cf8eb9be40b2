"""The loss over all pairs against a naive double loop and against gathered pairs, which all other pairings take: value and gradient."""

from itertools import combinations
from math import hypot, sqrt

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gan_sntg.graph.loss import Distance, Graph, pair_loss
from gan_sntg.graph.pairs import Pairs, all_pairs

BOTH_GRAPHS = pytest.mark.parametrize("kind", list(Graph))
BOTH_DISTANCES = pytest.mark.parametrize("distance", list(Distance))
MARGIN = 1.3


def gathered(n: int) -> Pairs:
    """All pairs as any others."""
    return Pairs(*all_pairs(n))


def inputs(n: int, dtype=torch.float64):
    """h, of which the first two rows coincide, targets and labels."""
    g = torch.Generator().manual_seed(n)
    h = 0.7 * torch.randn(n, 5, generator=g, dtype=torch.float64)
    h[1] = h[0]
    return h.to(dtype).requires_grad_(), torch.rand(n, 3, generator=g).softmax(1), torch.randint(-1, 3, (n,), generator=g)


def of(h, pairs, w, distance):
    """The loss and its gradient."""
    loss = pair_loss(h, pairs, w, MARGIN, distance)
    return loss.detach(), *torch.autograd.grad(loss, h)


def naive(h, w, scale: float):
    """The same by a double loop; gradient 0 where rows coincide."""
    rows, pairs = h.tolist(), list(combinations(range(len(h)), 2))
    loss, grad = 0.0, torch.zeros_like(h)
    for (i, j), weight in zip(pairs, w.tolist(), strict=True):
        difference = [a - b for a, b in zip(rows[i], rows[j], strict=True)]
        d = hypot(*difference) / scale
        inside = max(0.0, MARGIN - d)
        loss += (weight * d**2 + (1 - weight) * inside**2) / len(pairs)
        slope = 2 * (weight * d - (1 - weight) * inside) / len(pairs)
        if d:
            step = torch.tensor(difference, dtype=h.dtype) * slope / (d * scale**2)
            grad[i], grad[j] = grad[i] + step, grad[j] - step
    return torch.tensor(loss, dtype=h.dtype), grad


@pytest.mark.parametrize("n", [2, 3, 8, 31])
@BOTH_DISTANCES
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_value_and_gradient_are_those_of_a_naive_double_loop(n, distance, share):
    h, _, _ = inputs(n)
    w = (torch.rand(n * (n - 1) // 2, generator=torch.Generator().manual_seed(0)) < share).double()  # 1: one class, 0: all apart
    torch.testing.assert_close(of(h, all_pairs(n), w, distance), naive(h.detach(), w, sqrt(5) if distance is Distance.rms else 1.0))


@pytest.mark.parametrize("n", [2, 3, 40])
@BOTH_GRAPHS
@BOTH_DISTANCES
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_value_and_gradient_are_those_of_gathered_pairs(n, kind, distance, dtype):
    h, targets, y = inputs(n, dtype)
    w = kind(targets.to(dtype), y, *all_pairs(n))
    torch.testing.assert_close(of(h, all_pairs(n), w, distance), of(h, gathered(n), w, distance))


@BOTH_DISTANCES
@pytest.mark.parametrize("pairs", [gathered, all_pairs])
def test_distances_of_bfloat16_features_are_float32_and_of_float64_features_float64(distance, pairs):
    h, _, _ = inputs(9, torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        found = distance(h, pairs(9))
    torch.testing.assert_close(found, distance(h.float(), gathered(9)))
    assert distance(h.double(), pairs(9)).dtype == torch.float64
    assert torch.autograd.grad(found.sum(), h)[0].isfinite().all()


@BOTH_DISTANCES
@pytest.mark.parametrize("w", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("n", [2, 6])
def test_the_gradient_is_zero_where_all_features_coincide(distance, w, n):
    h = torch.ones(n, 3, requires_grad=True)
    loss, grad = of(h, all_pairs(n), torch.full((n * (n - 1) // 2,), w), distance)
    torch.testing.assert_close(loss, torch.tensor((1 - w) * MARGIN**2))
    assert (grad == 0).all()


def test_gradient_flows_into_both_ends_and_not_into_the_weights():
    h, w = torch.tensor([[0.0, 0.0], [0.3, 0.4]], requires_grad=True), torch.ones(1, requires_grad=True)
    grad, none = torch.autograd.grad(pair_loss(h, all_pairs(2), w, MARGIN, Distance.euclidean), [h, w], allow_unused=True)
    torch.testing.assert_close(grad, torch.tensor([[-0.6, -0.8], [0.6, 0.8]]))
    assert none is None


class Largest(TorchDispatchMode):
    """Notes the number of elements of the largest tensor that any operation returns."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.elements = max([self.elements] + [part.numel() for part in tree_leaves(out) if isinstance(part, torch.Tensor)])
        return out


@BOTH_GRAPHS
def test_no_tensor_has_a_row_of_features_a_pair(kind):
    n, d = 20, 500
    h, w = torch.randn(n, d, requires_grad=True), kind(torch.rand(n, 3), torch.full((n,), -1), *all_pairs(n))
    with Largest() as seen:
        of(h, all_pairs(n), w, Distance.rms)
    assert seen.elements == n * d
    with Largest() as seen:
        of(h, gathered(n), w, Distance.rms)
    assert seen.elements == n * (n - 1) // 2 * d
