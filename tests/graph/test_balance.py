"""Balanced targets, against naive loops in float64, in both families, resumed and refused; and pairs that count by confidence."""

import pytest
import torch
from helpers.method_factories import made, prepared
from helpers.tiny import Squares, gan, started, streams

from gan_sntg.data.loader import UNLABELED
from gan_sntg.errors import InputError
from gan_sntg.graph.adjacency import TeacherGraph
from gan_sntg.graph.balance import DistributionAlignment, EqualShares
from gan_sntg.graph.loss import Graph, pair_loss
from gan_sntg.graph.pairs import AllPairs, all_pairs
from gan_sntg.graph.sntg import SNTG

LABELS = torch.tensor([0, 0, 1, 2])


def targets(n: int = 7, seed: int = 0) -> torch.Tensor:
    """Of three classes, mostly the first."""
    logits = torch.randn(n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (2 * logits + torch.tensor([2.0, 0.0, 0.0])).softmax(1)


def begun(balance):
    balance.start(3, LABELS, torch.zeros(1, dtype=torch.float64))
    return balance


def aligned(seen: list[list[list[float]]], rows: list[list[float]], prior: list[float]) -> list[list[float]]:
    """By loops: the running mean of the batches seen, by de-biased weights 0.99^age, divides, the prior multiplies."""
    weights = [0.99 ** (len(seen) - 1 - k) for k in range(len(seen))]
    mean = [sum(w * sum(row[c] for row in batch) / len(batch) for w, batch in zip(weights, seen, strict=True)) for c in range(3)]
    found = []
    for row in rows:
        moved = [p * share * sum(weights) / m for p, share, m in zip(row, prior, mean, strict=True)]
        found.append([p / sum(moved) for p in moved])
    return found


@pytest.mark.parametrize(
    ("prior", "shares"), [("uniform", [1 / 3] * 3), ("labels", [0.5, 0.25, 0.25]), ([1.0, 2.0, 5.0], [1 / 8, 2 / 8, 5 / 8])]
)
def test_alignment_divides_by_the_running_mean_and_multiplies_by_the_prior(prior, shares):
    balance, seen = begun(DistributionAlignment(prior)), []
    first = targets()
    torch.testing.assert_close(balance(first), first)  # nothing is known yet
    for seed in range(4):
        batch = targets(seed=seed)
        seen.append(batch.tolist())
        expected = torch.tensor(aligned(seen, batch.tolist(), shares), dtype=torch.float64)
        torch.testing.assert_close(balance(batch, update=True), expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(balance(batch), expected, rtol=0, atol=1e-12)  # a look moves nothing


def sinkhorn(rows: list[list[float]], prior: list[float], rounds: int, sharpness: float) -> list[list[float]]:
    rows = [[p**sharpness / sum(q**sharpness for q in row) for p in row] for row in rows]
    for _ in range(rounds):
        for c in range(3):
            column = sum(row[c] for row in rows)
            for row in rows:
                row[c] *= prior[c] * len(rows) / column
        rows = [[p / sum(row) for p in row] for row in rows]
    return rows


@pytest.mark.parametrize("sharpness", [1.0, 3.0])
@pytest.mark.parametrize("rounds", [1, 4])
@pytest.mark.parametrize("queue", [0, 5, 10])
def test_equal_shares_are_those_of_alternate_scaling_over_the_queue_and_the_batch(queue, rounds, sharpness):
    balance, before = begun(EqualShares("labels", queue, rounds, sharpness)), []
    for seed in range(3):
        batch = targets(4, seed).tolist()
        expected = sinkhorn(before + batch, [0.5, 0.25, 0.25], rounds, sharpness)[len(before) :]
        found = balance(torch.tensor(batch, dtype=torch.float64), update=True)
        torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-12)
        before = (before + batch)[-queue:] if queue else []


def test_many_rounds_give_each_class_its_prior():
    found = begun(EqualShares([1.0, 1.0, 2.0], rounds=500))(targets(40))
    torch.testing.assert_close(found.mean(0), torch.tensor([0.25, 0.25, 0.5], dtype=torch.float64), rtol=0, atol=1e-9)


@pytest.mark.parametrize("prior", [[0.5, 0.5], [1.0, 1.0, 0.0], [1.0, 1.0, -1.0], [1.0, 1.0, float("nan")]])
def test_a_prior_that_cannot_be_is_refused(prior):
    with pytest.raises(InputError, match="one above 0 for each of 3 classes"):
        begun(DistributionAlignment(prior))


def test_the_prior_of_labels_that_miss_a_class_is_refused():
    with pytest.raises(InputError, match=r"makes shares \[2, 1, 0\]"):
        DistributionAlignment("labels").start(3, LABELS[:3], torch.zeros(1))


def test_targets_that_are_all_alike_stay_finite_however_sharp():
    flat = torch.full((6, 100), 0.01)
    balance = EqualShares(sharpness=25.0)
    balance.start(100, LABELS, torch.zeros(1))
    torch.testing.assert_close(balance(flat), flat)


def test_a_balance_without_a_teachers_graph_and_a_threshold_of_a_0_1_graph_are_refused(monkeypatch):
    source, sntg = streams(source=Squares()), SNTG(1.0, balance=DistributionAlignment())
    monkeypatch.setattr(sntg, "graph", AllPairs())
    monkeypatch.setattr(AllPairs, "check", lambda *_: None, raising=False)
    with pytest.raises(InputError, match="a balance is of a teacher, whom AllPairs does not ask"):
        sntg.prepare(Squares(), source.pool)
    with pytest.raises(InputError, match="its kind hard"):
        TeacherGraph(threshold=0.5)


def test_the_least_share_is_of_a_class_over_its_prior_and_nan_where_chance_decides():
    p = torch.tensor([[0.8, 0.2]]).repeat(80, 1)
    h, y = torch.randn(80, 3), torch.full((80,), UNLABELED)
    torch.testing.assert_close(float(SNTG().telemetry(h, p, y)["graph/least_share"]), 0.4)
    assert SNTG().telemetry(h[:70], p[:70], y[:70])["graph/least_share"].isnan()
    balanced = SNTG(balance=DistributionAlignment([0.8, 0.2]))
    balanced.balance.start(2, y[:0], torch.zeros(1))
    assert balanced.telemetry(h, p, y)["graph/least_share"].isnan()  # of the second class 16 are expected


@pytest.mark.parametrize("options", [{"queue": -1}, {"rounds": 0}, {"sharpness": 0.0}])
def test_equal_shares_that_cannot_be_are_refused(options):
    with pytest.raises(InputError, match="give at least 0, 1 and above 0"):
        EqualShares(**options)


def test_a_class_that_the_teacher_never_names_makes_nothing_that_is_not_finite():
    one = torch.eye(3, dtype=torch.float64)[[0] * 5]
    for balance in begun(DistributionAlignment()), begun(EqualShares(queue=3)):
        for _ in range(3):
            assert balance(one, update=True).isfinite().all()


@pytest.mark.parametrize("balance", [DistributionAlignment, lambda: EqualShares(queue=25)], ids=["alignment", "equal shares"])
@pytest.mark.parametrize("family", ["gan", "pi", "tempens", "mean_teacher", "vat"])
def test_the_graph_of_both_families_is_of_balanced_targets_whose_memory_is_state(family, balance, monkeypatch):
    options = {"balance": balance(), "pairing": AllPairs()}
    if family == "gan":
        method, source = started(gan(weight=0.7, **options), streams(source=Squares())), streams(source=Squares())
    else:
        source = prepared(method := made(family, **options))
    seen = []
    monkeypatch.setattr(TeacherGraph, "weights", lambda self, targets, y, index, i, j: seen.append(targets) or self.kind(targets, y, i, j))
    memory = next(name for name, _ in method.sntg.named_buffers() if name in ("balance.mean", "balance.recent"))
    for batch in source.epoch():
        before = {name: value.clone() for name, value in method.state_dict().items()}
        method.step(batch, 5)
        torch.testing.assert_close(seen[-1].sum(1), torch.ones_like(seen[-1][:, 0]))
        assert not torch.equal(before[f"sntg.{memory}"], method.state_dict()[f"sntg.{memory}"])
    after = {name: value.clone() for name, value in method.state_dict().items()}
    method.telemetry(source.example(20, "telemetry", revealed=True))
    torch.testing.assert_close(after, method.state_dict(), rtol=0, atol=0, equal_nan=True)


def test_pairs_count_where_both_are_sure_or_known():
    p, y = targets(8), torch.tensor([UNLABELED] * 6 + [0, 2])
    h, i, j = torch.randn(8, 2, dtype=torch.float64), *all_pairs(8)
    sntg, level = SNTG(weight=1.0, confidence=0.8, pairing=AllPairs()), 0.8
    sure = [float(p[k].max()) >= level or int(y[k]) >= 0 for k in range(8)]
    kept = torch.tensor([float(sure[a] and sure[b]) for a, b in zip(i.tolist(), j.tolist(), strict=True)])
    assert 0 < kept.sum() < len(kept)
    expected = pair_loss(h, all_pairs(8), Graph.hard(p, y, i, j), 1.0, sntg.distance, kept=kept)
    torch.testing.assert_close(sntg(h, p, y, torch.arange(8), torch.Generator()), expected)
    some = sntg.telemetry(h, p, y)["graph/kept"]
    alone = [float(p[k].max()) >= level for k in range(8)]
    torch.testing.assert_close(float(some), sum(alone[a] and alone[b] for a, b in zip(i.tolist(), j.tolist(), strict=True)) / len(kept))


@pytest.mark.parametrize("options", [{"attraction_margin": 1.0}, {"attraction_margin": -0.1}, {"repulsion": -1.0}, {"confidence": 1.1}])
def test_sntg_that_cannot_be_is_refused(options):
    with pytest.raises(InputError, match="SNTG cannot have margin 1, .*; give 0 <= attraction_margin < margin"):
        SNTG(**options)
    with pytest.raises(InputError, match="SNTG starts in epoch 5 and stops in epoch 5; let stop_epochs be the later one"):
        SNTG(start_epochs=5, stop_epochs=5)
    with pytest.raises(InputError, match="threshold of TeacherGraph is 1.1"):
        TeacherGraph(threshold=1.1)


def test_a_weight_below_the_threshold_is_0_and_others_stay():
    p, y, (i, j) = targets(), torch.full((7,), UNLABELED), all_pairs(7)
    w = Graph.agreement(p, y, i, j)
    found = TeacherGraph(Graph.agreement, threshold=0.4).weights(p, y, torch.arange(7), i, j)
    assert (
        torch.equal(found, torch.tensor([float(x) if x >= 0.4 else 0.0 for x in w.tolist()], dtype=w.dtype)) and 0 < (found > 0).sum() < 21
    )
