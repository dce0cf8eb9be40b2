"""Telemetry of SNTG's graph, against a naive loop over the pairs and a case solved by hand."""

import math

import pytest
import torch

from gan_sntg.graph.pairs import Distance, Pairs
from gan_sntg.graph.sntg import SNTG


def naive(h, targets, truth, distance, margin):
    """The same figures by loops over all pairs."""
    count = {"positive": 0, "right": 0, "same": 0, "inside": 0}
    near, far, loss = [], [], 0.0
    for i in range(len(h)):
        for j in range(i + 1, len(h)):
            d = float(distance(h, Pairs(torch.tensor([i]), torch.tensor([j]))))
            positive, same = int(targets[i].argmax()) == int(targets[j].argmax()), int(truth[i]) == int(truth[j])
            count["positive"] += positive
            count["same"] += same
            count["right"] += positive and same
            count["inside"] += not positive and d < margin
            (near if positive else far).append(d)
            loss += d**2 if positive else max(0.0, margin - d) ** 2
    return {
        "graph/precision": count["right"] / count["positive"],
        "graph/recall": count["right"] / count["same"],
        "graph/negatives_inside_margin": count["inside"] / len(far),
        "graph/distance_positive": sum(near) / len(near),
        "graph/distance_negative": sum(far) / len(far),
        "graph/unweighted_loss": loss / (len(near) + len(far)),
    }


@pytest.mark.parametrize("distance", list(Distance))
@pytest.mark.parametrize("margin", [0.5, 1.5])
def test_telemetry_equals_a_loop_over_the_pairs(distance, margin):
    generator = torch.Generator().manual_seed(0)
    h = torch.randn(12, 3, generator=generator, dtype=torch.float64)
    targets = torch.randn(12, 3, generator=generator, dtype=torch.float64).softmax(1)
    truth = torch.randint(3, (12,), generator=generator)
    found = SNTG(margin=margin, distance=distance).telemetry(h, targets, truth)
    for name, value in naive(h, targets, truth, distance, margin).items():
        torch.testing.assert_close(float(found[name]), value, rtol=1e-6, atol=1e-7)


def test_telemetry_of_four_images_solved_by_hand():
    h = torch.tensor([[0.0], [3.0], [3.5], [9.0]])
    targets = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.0, 1.0]])
    found = SNTG(distance=Distance.euclidean).telemetry(h, targets, torch.tensor([0, 0, 0, 1]))
    assert float(found["graph/precision"]) == 0.5
    torch.testing.assert_close(float(found["graph/recall"]), 1 / 3)
    assert float(found["graph/teacher_accuracy"]) == 0.75
    torch.testing.assert_close(float(found["graph/teacher_confidence"]), 0.825)
    assert float(found["graph/negatives_inside_margin"]) == 0.25
    assert float(found["graph/distance_positive"]) == 4.25
    torch.testing.assert_close(float(found["graph/unweighted_loss"]), (9 + 5.5**2 + 0.5**2) / 6)


def test_where_there_is_nothing_to_count_the_figure_is_nan():
    h, one = torch.randn(3, 2), torch.eye(3)
    apart = SNTG().telemetry(h, one, torch.tensor([0, 0, 1]))
    assert math.isnan(apart["graph/precision"]) and math.isnan(apart["graph/distance_positive"])
    assert float(apart["graph/recall"]) == 0.0
    together = SNTG().telemetry(h, one[[0, 0, 0]], torch.tensor([0, 1, 2]))
    assert math.isnan(together["graph/recall"]) and math.isnan(together["graph/negatives_inside_margin"])
    assert float(together["graph/precision"]) == 0.0
