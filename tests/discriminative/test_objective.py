"""Alg. 1 for all discriminative methods: what weights are, and what a step's images are; terms that move: test_term_check.py."""

import pytest
import torch
from helpers.method_factories import ALL, made, prepared
from helpers.tiny import assert_same

from discriminative.objective import Divisor
from gan_sntg.data.augmentation import Augmentation
from gan_sntg.data.loader import UNLABELED
from gan_sntg.errors import InputError
from gan_sntg.graph.adjacency import TeacherGraph
from gan_sntg.graph.balance import DistributionAlignment
from gan_sntg.graph.loss import Graph, graph_loss, teacher_classes
from gan_sntg.graph.pairs import AllPairs, Sampled
from gan_sntg.losses import kl_divergence, squared_error, supervised_loss

EVERY = pytest.mark.parametrize("name", ALL)


def trained(name: str, steps: int = 8, streams_options: dict | None = None, **options) -> tuple[dict, list[dict]]:
    method, log = made(name, **options), []
    s = prepared(method, **(streams_options or {}))
    while len(log) < steps:
        for batch in s.epoch():
            log.append(method.step(batch, 1 + len(log)))
        method.end_epoch()
    return method.state_dict(), log


@EVERY
def test_the_first_epoch_has_the_labels_alone(name):
    method = made(name, weight=1.0)
    s = prepared(method)
    expected = {"net/labeled"} if name != "vat" else {"net/labeled", "net/entropy"}
    assert set(method.terms(next(iter(s.epoch())), 0)) == expected


@EVERY
def test_a_graph_weight_of_zero_is_the_method_without_sntg_bit_for_bit(name):
    plain, log = trained(name, weight=0.0)
    assert all("net/graph" not in terms for terms in log)
    assert_same(trained(name, weight=0.0, pairing=Sampled(7))[0], plain)
    assert not torch.equal(trained(name, weight=1.0)[0]["net.out.v"], plain["net.out.v"])


@EVERY
def test_telemetry_leaves_the_run_as_it_was(name):
    def run(watched: bool) -> dict:
        method = made(name, augmentation=Augmentation(1, True), pairing=Sampled(9))
        s = prepared(method)
        for batch in s.epoch():
            method.step(batch, 1)
            if watched:
                seen = method.telemetry(s.example(20, "telemetry", revealed=True))
                assert {"weight/graph", "weight/consistency", "graph/precision", "learning_rate"} <= set(seen)
        method.end_epoch()
        return method.state_dict() | {n: g.get_state() for n, g in method.generators.items()}

    assert_same(run(False), run(True))


@EVERY
def test_it_learns_three_brightnesses(name):
    average = {} if name == "mean_teacher" else {"average_decay": 0.9}
    stream = {} if name == "vat" else {"stream": "two", "divisor": "labeled"}
    method = made(name, weight=0.1, ramp_epochs=10, margin=2.0, max_weight=0.3, **average, **stream)
    s = prepared(method, labels=24)
    for t in range(30):
        for batch in s.epoch():
            method.step(batch, t)
        method.end_epoch()
    method.before_evaluation()
    x, y = s.pool.normalize(s.pool.x), s.pool.truth
    for net in method.classifiers.values():
        assert (net.eval()(x)[1].argmax(1) == y).float().mean() > 0.9


def test_the_terms_are_those_of_alg_1():
    method = made("pi", noise=0.0, max_weight=10.0, scaled=True, consistency_weight=0.7, pairing=AllPairs())
    s = prepared(method, labels=30, dtype=torch.float64)
    batch = next(iter(s.epoch()))
    (h, logits), y = method.net(batch.unlabeled.x), batch.unlabeled.y
    w = 10 * 30 / 60
    expected = {
        "net/labeled": supervised_loss(logits, y),
        "net/consistency": w * 0.7 * squared_error(logits.softmax(1), logits),
        "net/graph": w * 0.5 * graph_loss(h, teacher_classes(logits.softmax(1), y), pairing=lambda n: AllPairs()(n, torch.Generator())),
    }
    torch.testing.assert_close(method.terms(batch, 1), expected)


@pytest.mark.parametrize(("scaled", "labels", "factor"), [(True, 6, 0.1), (True, 60, 1.0), (False, 6, 1.0)])
def test_weights_are_scaled_by_the_share_of_labels_where_asked(scaled, labels, factor):
    method = made("pi", scaled=scaled, max_weight=100.0, ramp_epochs=80)
    prepared(method, labels=labels)
    assert [method.consistency_weight_at(t) for t in (0, 80, 200)] == [0, 100 * factor, 100 * factor]
    assert method.graph_weight_at(40) == pytest.approx(100 * factor * 0.5 * 0.2865048)


def test_without_a_ramp_consistency_is_there_from_the_start_and_the_graph_from_the_second_epoch():
    method = made("vat", ramp_epochs=None, sntg_ramp=4)
    prepared(method)
    assert [method.consistency_weight_at(t) for t in (0, 1, 9)] == [1, 1, 1]
    assert method.graph_weight_at(0) == 0 < method.graph_weight_at(1) < method.graph_weight_at(4) == 0.5


def test_of_two_streams_the_labelled_come_first_without_consistency_and_the_others_labels_are_hidden():
    method = made("pi", stream="two")
    s = prepared(method, labels=60, labeled_batch_size=4)
    batch = next(iter(s.epoch()))
    found = method.passes(batch)
    assert torch.equal(found.view.y[:4], batch.labeled.y) and (found.view.y[4:] == UNLABELED).all() and (batch.unlabeled.y >= 0).all()
    assert torch.equal(found.view.index, torch.cat([batch.labeled.index, batch.unlabeled.index]))
    assert [len(part) for part in found.consistency] == [10, 10] and len(found.h) == len(found.targets) == 14


@pytest.mark.parametrize("name", ["pi", "mean_teacher", "tempens"])
@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ({}, 10),
        ({"graph": TeacherGraph(Graph.agreement), "confidence": 0.5}, 10),
        ({"graph": TeacherGraph(merge=False)}, 14),
        ({"balance": DistributionAlignment()}, 14),
        ({"balance": DistributionAlignment(), "weight": 0.0}, 10),
        ({"targets_for": "all"}, 14),
    ],
)
def test_labelled_images_get_a_target_only_where_it_is_needed(name, options, rows, monkeypatch):
    method = made(name, stream="two", noise=0.0, pairing=AllPairs(), **({"targets_for": "needed"} | options))
    batch = next(iter(prepared(method, dtype=torch.float64, labeled_batch_size=4).epoch()))
    asked, targets = [], method.targets
    monkeypatch.setattr(method, "targets", lambda view, logits: asked.append((len(view.y), len(logits))) or targets(view, logits))
    terms = method.terms(batch, 1)
    monkeypatch.setattr(method, "targets_for", "all")
    torch.testing.assert_close(terms, method.terms(batch, 1))
    assert asked == [(rows, rows), (14, 14)]


@pytest.mark.parametrize(("divisor", "count"), [("batch", 14), ("labeled", 4)])
def test_the_divisor_of_the_supervised_term(divisor, count):
    method = made("pi", stream="two", divisor=divisor)
    found = method.passes(next(iter(prepared(method, labeled_batch_size=4).epoch())))
    logits, y = found.labeled
    expected = torch.nn.functional.cross_entropy(logits[:4], y[:4], reduction="sum") / count
    torch.testing.assert_close(method.weighted(found, 0)["net/labeled"], expected)


def test_a_batch_without_a_label_has_a_supervised_term_of_0():
    for divisor in Divisor:
        method = made("pi", divisor=divisor)
        batch = next(iter(prepared(method).epoch()))
        batch = batch._replace(unlabeled=batch.unlabeled._replace(y=torch.full_like(batch.unlabeled.y, UNLABELED)))
        assert method.terms(batch, 0)["net/labeled"] == 0


def test_divergences_are_the_squared_error_and_for_vat_kl():
    assert [made(name).divergence for name in ALL] == [squared_error] * 4 + [kl_divergence]


def test_halves_of_an_odd_batch_are_refused_before_training_and_only_if_the_graph_is_on():
    for name, stream, sizes in ("pi", "mixed", (33, 5)), ("pi", "two", (32, 5)), ("vat", None, (33, 5)):
        method = made(name, **({"stream": stream} if stream else {}))
        with pytest.raises(InputError, match="even batch size"):
            method.check(*sizes)
        method.sntg.weight = 0
        method.check(*sizes)
    made("pi", stream="two").check(99, 1)
