"""The graph loss against naive double loops in float64, over sizes, pairings, distances, hard and soft weights."""

from math import exp, log, sqrt

import pytest
import torch

from gan_sntg.graph import loss
from gan_sntg.graph.pairs import Pairs, all_pairs, halves, sampled

SIZES = range(2, 65)


def example(n: int, d: int = 5, k: int = 3, seed: int = 0):
    g = torch.Generator().manual_seed(seed)
    h = torch.randn(n, d, generator=g, dtype=torch.float64)
    targets = torch.rand(n, k, generator=g, dtype=torch.float64).softmax(1)
    y = torch.randint(-1, k, (n,), generator=g)
    return h, targets, y


def naive_classes(targets, y):
    return [int(y[i]) if y[i] >= 0 else max(range(targets.shape[1]), key=lambda k: float(targets[i, k])) for i in range(len(y))]


def naive_weights(kind, targets, y, pairs):
    classes, k = naive_classes(targets, y), targets.shape[1]
    if kind == "hard":
        return [float(classes[i] == classes[j]) for i, j in pairs]
    rows = [[float(c == label) for c in range(k)] if label >= 0 else row for row, label in zip(targets.tolist(), y.tolist(), strict=True)]
    kl = [
        sum(0.0 if p == 0 else float("inf") if q == 0 else p * log(p / q) for p, q in zip(rows[i], rows[j], strict=True)) for i, j in pairs
    ]
    return [exp(-d) for d in kl]


def naive_loss(h, weights, pairs, margin, kind):
    h, total = h.tolist(), 0.0
    for (i, j), w in zip(pairs, weights, strict=True):
        d = sqrt(sum((a - b) ** 2 for a, b in zip(h[i], h[j], strict=True)))
        d = d / sqrt(len(h[i])) if kind == "rms" else d
        total += w * d**2 + (1 - w) * max(0.0, margin - d) ** 2
    return total / len(pairs)


PAIRINGS = {
    "halves": halves,
    "all_pairs": all_pairs,
    "sampled": lambda n: sampled(n, 3 * n, torch.Generator().manual_seed(n)),
}


@pytest.mark.parametrize(("pairing", "n"), [(pairing, n) for pairing in PAIRINGS for n in SIZES if pairing != "halves" or n % 2 == 0])
@pytest.mark.parametrize("distance", ["rms", "euclidean"])
@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_pair_loss_equals_a_naive_double_loop(pairing, n, distance, kind):
    h, targets, y = example(n, seed=n)
    chosen = PAIRINGS[pairing](n)
    w = loss.Graph[kind](targets, y, *chosen)
    pairs = list(zip(chosen.i.tolist(), chosen.j.tolist(), strict=True))
    weights = naive_weights(kind, targets, y, pairs)
    torch.testing.assert_close(w, torch.tensor(weights, dtype=torch.float64), rtol=0, atol=1e-12)
    found = loss.pair_loss(h, chosen, w, 1.3, loss.Distance[distance])
    assert abs(float(found) - naive_loss(h, weights, pairs, 1.3, distance)) < 1e-12


@pytest.mark.parametrize("n", range(2, 65, 2))
def test_graph_loss_is_the_hard_graph_over_the_pairing(n):
    h, targets, y = example(n, seed=100 + n)
    classes = loss.teacher_classes(targets, y)
    assert classes.tolist() == naive_classes(targets, y)
    pairs = [(i, i + n // 2) for i in range(n // 2)]
    weights = [float(classes[i] == classes[j]) for i, j in pairs]
    assert abs(float(loss.graph_loss(h, classes)) - naive_loss(h, weights, pairs, 1.0, "rms")) < 1e-12


def test_a_known_label_overrides_the_teacher():
    targets = torch.tensor([[0.9, 0.1], [0.9, 0.1]])
    assert loss.teacher_classes(targets, torch.tensor([1, -1])).tolist() == [1, 0]


def test_the_mean_of_sampled_draws_is_within_its_standard_error_of_all_pairs():
    h, targets, y = example(20, seed=3)
    classes = loss.teacher_classes(targets, y)
    whole = loss.graph_loss(h, classes, pairing=all_pairs)
    generator = torch.Generator().manual_seed(5)
    draws = torch.stack([loss.graph_loss(h, classes, pairing=lambda n: sampled(n, 50, generator)) for _ in range(2000)])
    assert abs(float(draws.mean() - whole)) < 3 * float(draws.std()) / len(draws) ** 0.5


@pytest.mark.parametrize("distance", ["rms", "euclidean"])
@pytest.mark.parametrize("w", [0.0, 0.5, 1.0])
def test_gradients_are_finite_where_features_coincide(distance, w):
    h = torch.ones(4, 3, dtype=torch.float64, requires_grad=True)
    loss.pair_loss(h, halves(4), torch.full((2,), w, dtype=torch.float64), 1.0, loss.Distance[distance]).backward()
    assert h.grad.isfinite().all()


def test_neighbours_attract_and_others_repel_only_inside_the_margin():
    h = torch.tensor([[0.0], [0.4], [5.0]], requires_grad=True)
    pair = Pairs(torch.tensor([0]), torch.tensor([1]))
    (attract,) = torch.autograd.grad(loss.pair_loss(h, pair, torch.ones(1), 1.0, loss.rms), h)
    assert attract[0, 0] < 0 < attract[1, 0]
    (repel,) = torch.autograd.grad(loss.pair_loss(h, pair, torch.zeros(1), 1.0, loss.rms), h)
    assert repel[1, 0] < 0 < repel[0, 0]
    far = Pairs(torch.tensor([0]), torch.tensor([2]))
    (none,) = torch.autograd.grad(loss.pair_loss(h, far, torch.zeros(1), 1.0, loss.rms), h)
    assert (none == 0).all()


def test_no_gradient_reaches_the_teacher_through_either_graph():
    h, targets, y = example(8)
    targets.requires_grad_()
    i, j = halves(8)
    for kind in loss.Graph:
        assert not kind(targets, y, i, j).requires_grad


def test_a_soft_weight_is_one_between_equal_rows_and_zero_between_known_classes():
    targets = torch.tensor([[0.5, 0.5], [0.5, 0.5], [0.1, 0.9], [0.1, 0.9]])
    w = loss.soft_weights(targets, torch.tensor([-1, -1, 0, 1]), torch.tensor([0, 2]), torch.tensor([1, 3]))
    assert w.tolist() == [1.0, 0.0]


def test_rms_is_the_euclidean_distance_over_the_root_of_the_features():
    h = torch.randn(12, 128, dtype=torch.float64)
    torch.testing.assert_close(loss.rms(h, halves(12)) * 128**0.5, loss.euclidean(h, halves(12)))
