"""The graph term of both families over all pairs against gathered pairs, which all other pairings take: value, gradient, draws."""

import pytest
import torch
from helpers.method_factories import made, prepared
from helpers.tiny import UnitRange64, gan, started, streams

from gan_sntg.graph.adjacency import TeacherGraph
from gan_sntg.graph.loss import Graph, pair_loss
from gan_sntg.graph.pairs import AllPairs, Pairs, all_pairs

BOTH_GRAPHS = pytest.mark.parametrize("kind", list(Graph))


def with_gradient(method, net, term):
    """The loss `term()`, its gradient in the net, and what the graph's generator draws next."""
    method.generators["graph"].manual_seed(3)
    loss = term()
    grads = torch.autograd.grad(loss, [p for p in net.parameters() if p.requires_grad], retain_graph=True, allow_unused=True)
    return loss.detach(), [g for g in grads if g is not None], method.generators["graph"].get_state()


@BOTH_GRAPHS
@pytest.mark.parametrize("stream", ["mixed", "two"])
def test_the_discriminative_graph_term_is_that_of_gathered_pairs_in_the_drawn_order(kind, stream):
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
def test_the_gans_graph_term_is_that_of_gathered_pairs_in_the_drawn_order(kind, labeled):
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
