"""Pairs, and the SNTG loss on them against naive double loops in float64: value and gradient of every distance and graph."""

from itertools import combinations
from math import exp, hypot, inf, log, sqrt

import pytest
import torch
from helpers.method_factories import made, prepared
from helpers.tiny import UnitRange64, gan, started, streams
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gan_sntg.errors import InputError
from gan_sntg.graph.adjacency import TeacherGraph
from gan_sntg.graph.loss import Graph, graph_loss, pair_loss, teacher_classes
from gan_sntg.graph.pairs import AllPairs, Distance, EveryPair, Pairs, all_pairs, halves, sampled

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
    return h.to(dtype).requires_grad_(), torch.rand(n, 3, generator=g).to(dtype).softmax(1), torch.randint(-1, 3, (n,), generator=g)


def of(h, pairs, w, distance):
    """The loss and its gradient."""
    loss = pair_loss(h, pairs, w, MARGIN, distance)
    return loss.detach(), *torch.autograd.grad(loss, h)


# --- pairs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 7, 20])
def test_all_pairs_are_every_pair_once(n):
    i, j = all_pairs(n)
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == list(combinations(range(n), 2))


def test_sampled_pairs_never_join_an_example_with_itself_and_are_uniform():
    i, j = sampled(4, 120_000, torch.Generator().manual_seed(0))
    counts = torch.bincount(4 * i + j, minlength=16).reshape(4, 4)
    assert counts.diagonal().sum() == 0
    off = counts[~torch.eye(4, dtype=torch.bool)].double()
    assert ((off - 10_000).abs() < 5 * 10_000**0.5).all()


@pytest.mark.parametrize("call", [lambda: halves(5), lambda: halves(0), lambda: all_pairs(1), lambda: sampled(1, 3, torch.Generator())])
def test_a_batch_that_cannot_be_paired_is_refused(call):
    with pytest.raises(InputError, match="batch|pair"):
        call()


def test_the_indices_are_made_once_for_a_batch_size_and_stay_all_pairs_on_another_device():
    generator = torch.Generator()
    assert AllPairs()(7, generator) is AllPairs()(7, generator) is all_pairs(7, generator.device)
    assert len(all_pairs(8, generator.device).i) == 28 and isinstance(all_pairs(7).to("meta"), EveryPair)


# --- against loops ----------------------------------------------------------------------------------------------------


def naive(h, pairs, w, distance, margin: float = MARGIN, end: float = 0.0, repulsion: float = 1.0, kept=None):
    """The loss and its gradient by a loop; gradient 0 where rows coincide."""
    rows, scale, count = h.tolist(), sqrt(h.shape[1]) if distance is Distance.rms else 1.0, len(w)
    loss, grad = 0.0, torch.zeros_like(h)
    for k, (i, j, weight) in enumerate(zip(pairs.i.tolist(), pairs.j.tolist(), w.tolist(), strict=True)):
        if kept is not None and not kept[k]:
            continue
        difference = [a - b for a, b in zip(rows[i], rows[j], strict=True)]
        d = hypot(*difference) / scale
        inside, beyond = max(0.0, margin - d), max(0.0, d - end)
        loss += (weight * beyond**2 + repulsion * (1 - weight) * inside**2) / count
        slope = 2 * (weight * beyond - repulsion * (1 - weight) * inside) / count
        if d:
            step = torch.tensor(difference, dtype=h.dtype) * slope / (d * scale**2)
            grad[i], grad[j] = grad[i] + step, grad[j] - step
    return torch.tensor(loss, dtype=h.dtype), grad


def naive_classes(targets, y) -> list[int]:
    return [int(y[i]) if y[i] >= 0 else max(range(targets.shape[1]), key=lambda k: float(targets[i, k])) for i in range(len(y))]


def naive_weights(kind, targets, y, pairs) -> list[float]:
    pairs = list(zip(pairs.i.tolist(), pairs.j.tolist(), strict=True))
    if kind is Graph.hard:
        classes = naive_classes(targets, y)
        return [float(classes[i] == classes[j]) for i, j in pairs]
    known = zip(targets.tolist(), y.tolist(), strict=True)
    rows = [row if label < 0 else [float(c == label) for c in range(len(row))] for row, label in known]
    if kind is Graph.agreement:
        return [sum(p * q for p, q in zip(rows[i], rows[j], strict=True)) for i, j in pairs]
    ratios = [[(p, q) for p, q in zip(rows[i], rows[j], strict=True) if p] for i, j in pairs]
    return [exp(-sum(p * log(p / q) if q else inf for p, q in row)) for row in ratios]


PAIRINGS = {
    "halves": halves,
    "all": all_pairs,
    "gathered": gathered,
    "sampled": lambda n: sampled(n, 3 * n, torch.Generator().manual_seed(n)),
}
CASES = [(pairing, n) for pairing in PAIRINGS for n in (2, 3, 8, 31, 64) if pairing != "halves" or n % 2 == 0]


@pytest.mark.parametrize(("pairing", "n"), CASES)
@BOTH_DISTANCES
@pytest.mark.parametrize("kind", [*Graph, torch.ones, torch.zeros], ids=["hard", "soft", "agreement", "one class", "all apart"])
def test_value_and_gradient_are_those_of_a_naive_loop(pairing, n, distance, kind):
    (h, targets, y), pairs = inputs(n), PAIRINGS[pairing](n)
    if kind in list(Graph):
        w = kind(targets, y, *pairs)
        torch.testing.assert_close(w, torch.tensor(naive_weights(kind, targets, y, pairs), dtype=w.dtype), rtol=0, atol=1e-12)
    else:
        w = kind(len(pairs.i), dtype=torch.float64)
    torch.testing.assert_close(of(h, pairs, w, distance), naive(h.detach(), pairs, w, distance), rtol=0, atol=1e-12)


@BOTH_DISTANCES
@pytest.mark.parametrize("repulsion", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("end", [0.0, 0.6])
@pytest.mark.parametrize("pairing", ["halves", "all", "gathered"])
def test_so_are_they_with_an_end_of_attraction_a_weight_of_repulsion_and_pairs_that_count_for_nothing(pairing, end, repulsion, distance):
    (h, targets, y), pairs = inputs(12), PAIRINGS[pairing](12)
    kept = torch.rand(len(pairs.i), generator=torch.Generator().manual_seed(0)) < 0.6
    w = Graph.agreement(targets, y, *pairs)
    loss = pair_loss(h, pairs, w, MARGIN, distance, end, repulsion, kept.double())
    expected = naive(h.detach(), pairs, w, distance, MARGIN, end, repulsion, kept.tolist())
    torch.testing.assert_close((loss.detach(), *torch.autograd.grad(loss, h)), expected, rtol=0, atol=1e-12)
    assert 0 < kept.sum() < len(kept)


@pytest.mark.parametrize("n", [2, 8, 34, 64])
def test_graph_loss_is_the_hard_graph_over_the_pairing(n):
    h, targets, y = inputs(n)
    classes = teacher_classes(targets, y)
    assert classes.tolist() == naive_classes(targets, y)
    w = torch.tensor(naive_weights(Graph.hard, targets, y, halves(n)))
    torch.testing.assert_close(graph_loss(h, classes), naive(h.detach(), halves(n), w, Distance.rms, 1.0)[0], rtol=0, atol=1e-12)


# --- numbers and gradients --------------------------------------------------------------------------------------------


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
@pytest.mark.parametrize("pairing", ["halves", "all", "gathered"])
@pytest.mark.parametrize("n", [2, 6])
def test_the_gradient_is_zero_where_all_features_coincide(distance, w, pairing, n):
    h, pairs = torch.ones(n, 3, requires_grad=True), PAIRINGS[pairing](n)
    loss, grad = of(h, pairs, torch.full((len(pairs.i),), w), distance)
    torch.testing.assert_close(loss, torch.tensor((1 - w) * MARGIN**2))
    assert (grad == 0).all()


def test_gradient_flows_into_both_ends_and_not_into_the_weights():
    h, w = torch.tensor([[0.0, 0.0], [0.3, 0.4]], requires_grad=True), torch.ones(1, requires_grad=True)
    grad, none = torch.autograd.grad(pair_loss(h, all_pairs(2), w, MARGIN, Distance.euclidean), [h, w], allow_unused=True)
    torch.testing.assert_close(grad, torch.tensor([[-0.6, -0.8], [0.6, 0.8]]))
    assert none is None


def test_the_mean_of_sampled_draws_is_within_its_standard_error_of_all_pairs():
    h, targets, y = inputs(20)
    h, classes, generator = h.detach(), teacher_classes(targets, y), torch.Generator().manual_seed(5)
    draws = torch.stack([graph_loss(h, classes, pairing=lambda n: sampled(n, 50, generator)) for _ in range(2000)])
    assert abs(float(draws.mean() - graph_loss(h, classes, pairing=all_pairs))) < 3 * float(draws.std()) / len(draws) ** 0.5


class Largest(TorchDispatchMode):
    """Notes the number of elements of the largest tensor that any operation returns."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.elements = max([self.elements] + [part.numel() for part in tree_leaves(out) if isinstance(part, torch.Tensor)])
        return out


@BOTH_GRAPHS
def test_over_all_pairs_no_tensor_has_a_row_of_features_a_pair(kind):
    n, d = 20, 500
    h, w = torch.randn(n, d, requires_grad=True), kind(torch.rand(n, 3), torch.full((n,), -1), *all_pairs(n))
    for pairs, elements in (all_pairs(n), n * d), (gathered(n), n * (n - 1) // 2 * d):
        with Largest() as seen:
            of(h, pairs, w, Distance.rms)
        assert seen.elements == elements


# --- the term of each family, over all pairs in the drawn order -------------------------------------------------------


def with_gradient(method, net, term):
    """The loss `term()`, its gradient in the net, and what the graph's generator draws next."""
    method.generators["graph"].manual_seed(3)
    loss = term()
    grads = torch.autograd.grad(loss, [p for p in net.parameters() if p.requires_grad], retain_graph=True, allow_unused=True)
    return loss.detach(), [g for g in grads if g is not None], method.generators["graph"].get_state()


@BOTH_GRAPHS
@pytest.mark.parametrize("stream", ["mixed", "two"])
def test_the_discriminative_graph_term_is_that_of_gathered_pairs(kind, stream):
    method = made("pi", pairing=AllPairs(), graph=TeacherGraph(kind), stream=stream)
    found = method.passes(next(iter(prepared(method, labels=30, dtype=torch.float64).epoch())))

    def expected():
        order = torch.randperm(len(found.h), generator=method.generators["graph"])
        i, j = (order[end] for end in all_pairs(len(order)))
        return pair_loss(found.h, Pairs(i, j), kind(found.targets, found.view.y, i, j), method.sntg.margin, method.sntg.distance)

    torch.testing.assert_close(
        with_gradient(method, method.net, lambda: method.graph_term(found)), with_gradient(method, method.net, expected)
    )


@BOTH_GRAPHS
@pytest.mark.parametrize("labeled", [False, True])
def test_the_gans_graph_term_is_that_of_gathered_pairs(kind, labeled):
    s = streams(labels=30, normalization=UnitRange64)
    method = started(gan(dtype=torch.float64, pairing=AllPairs(), graph=kind, labeled=labeled, weight=1.0), s)
    batch, d = next(iter(s.epoch())), method.discriminator
    views = [(view, *method.discriminate(view.x)) for view in (batch.unlabeled, batch.labeled)[: 1 + labeled]]

    def expected():
        generator = method.generators["graph"]
        targets = torch.cat([method.teacher.targets(d, view, logits, generator) for view, _, logits in views])
        h, y = torch.cat([h for _, h, _ in views]), torch.cat([view.y for view, _, _ in views])
        order = torch.randperm(len(h), generator=generator) if labeled else torch.arange(len(h))
        i, j = (order[end] for end in all_pairs(len(h)))
        return pair_loss(h, Pairs(i, j), kind(targets, y, i, j), method.sntg.margin, method.sntg.distance)

    torch.testing.assert_close(with_gradient(method, d, lambda: method.graph_term(views, 1)["d/graph"]), with_gradient(method, d, expected))
