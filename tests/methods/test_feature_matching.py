"""FM-GAN + SNTG: which term moves which network, what weight 0 means, and what a step computes."""

import pytest
import torch
from helpers.tiny import UnitRange64, assert_same, gan, norms, started, streams

from gan_sntg import losses
from gan_sntg.errors import InputError
from gan_sntg.graph.loss import Graph, graph_loss, teacher_classes
from gan_sntg.graph.pairs import AllPairs, Halves, Sampled
from gan_sntg.graph.teachers import Averaged, Ensemble, NoiseFree, SamePass, SecondPass
from gan_sntg.losses import supervised_loss


def first(s):
    return next(iter(s.epoch()))


@pytest.mark.parametrize("teacher", [SamePass, SecondPass, NoiseFree, Averaged, Ensemble])
@pytest.mark.parametrize("labeled", [False, True])
def test_every_weighted_term_moves_the_network_that_it_should_and_no_other(teacher, labeled):
    s = streams()
    method = started(gan(weight=0.7, margin=3.0, teacher=teacher(), labeled=labeled), s)
    for t, batch in zip(range(2), s.epoch(), strict=False):
        method.step(batch, t)
    terms = method.discriminator_terms(first(s), 3)
    assert set(terms) == {"d/labeled", "d/unlabeled", "d/generated", "d/graph"}
    for name, term in terms.items():
        found = norms(method, term)
        assert found["d"] > 0, name
        assert found["g"] == found["teacher"] == found["average"] == 0, name


def test_one_forward_over_all_three_kinds_equals_three_forwards():
    s = streams(normalization=UnitRange64)
    method = started(gan(weight=0.3, dtype=torch.float64), s)
    for noise in method.discriminator.noise:
        noise.std = 0.0
    batch, state = first(s), method.generators["z"].get_state()
    terms = method.discriminator_terms(batch, 1)
    method.generators["z"].set_state(state)
    fake = method.generator(method.draw_z(10)).detach()
    (_, l_lab), (h, l_unl), (_, l_fake) = (method.discriminator(x) for x in (batch.labeled.x, batch.unlabeled.x, fake))
    classes = teacher_classes(l_unl.softmax(1), batch.unlabeled.y)
    expected = {
        "d/labeled": supervised_loss(l_lab, batch.labeled.y),
        "d/unlabeled": losses.real_loss(l_unl),
        "d/generated": losses.fake_loss(l_fake),
        "d/graph": 0.3 * graph_loss(h, classes),
    }
    torch.testing.assert_close(terms, expected)


def run(steps: int = 8, **options) -> tuple[dict, list[dict]]:
    s = streams()
    method, log = started(gan(**options), s), []
    while len(log) < steps:
        for batch in s.epoch():
            log.append(method.step(batch, 1 + len(log)))
    return {k: v for k, v in method.state_dict().items() if not k.startswith("teacher")}, log


def test_a_graph_weight_of_zero_is_fm_gan_bit_for_bit():
    plain, _ = run(weight=0.0)
    others = [{"teacher": Averaged()}, {"pairing": Sampled(7)}, {"teacher": Ensemble(), "labeled": True}]
    for options in others:
        found, log = run(weight=0.0, **options)
        assert_same(found, plain)
        assert "d/graph" not in log[-1]
    for never in ({"start_epochs": 100}, {"stop_epochs": 0.5}):
        assert_same(run(weight=5.0, pairing=Sampled(7), **never)[0], plain)
    assert not torch.equal(run(weight=1.0)[0]["discriminator.out.v"], plain["discriminator.out.v"])


def test_a_graph_that_is_computed_but_changes_nothing_leaves_the_run_as_it_was(monkeypatch):
    plain, _ = run(weight=0.0)
    monkeypatch.setattr("gan_sntg.graph.sntg.pair_loss", lambda h, *_: 0 * h.detach().sum())
    found, log = run(weight=1.0, pairing=Sampled(7))  # draws pairs and second passes, yet adds nothing
    assert "d/graph" in log[-1]
    assert_same(found, plain)


def test_the_graph_is_off_in_the_first_epoch_and_rises():
    method = gan(weight=2.0, ramp_epochs=10)
    w = [method.sntg.weight_at(t) for t in range(12)]
    assert w[0] == 0 and sorted(w) == w and w[10] == w[11] == 2.0


@pytest.mark.parametrize("pairing", [Halves(), Sampled(9), AllPairs()])
@pytest.mark.parametrize("graph", list(Graph))
def test_every_pairing_and_graph_trains_without_a_nan(pairing, graph):
    state, log = run(weight=1.0, pairing=pairing, graph=graph, labeled=True)
    assert all(v.isfinite().all() for v in log[-1].values()) and state["discriminator.out.v"].isfinite().all()


def test_an_odd_batch_for_halves_is_refused_before_training_and_only_if_the_graph_is_on():
    with pytest.raises(InputError, match="even batch size"):
        gan(weight=1.0).check(33, 33)
    gan(weight=0.0).check(33, 33)
    gan(weight=1.0, labeled=True).check(33, 33)  # 66 examples


def test_the_gan_learns_three_brightnesses_from_six_labels():
    s = streams()
    method = started(gan(weight=0.3, margin=2.0, ramp_epochs=20, average_decay=0.9), s)
    for t in range(40):
        for batch in s.epoch():
            method.step(batch, t)
    x, y = s.pool.normalize(s.pool.x), s.pool.truth
    assert (method.average.net(x)[1].argmax(1) == y).float().mean() > 0.95
