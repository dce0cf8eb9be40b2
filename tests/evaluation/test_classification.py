"""Error rates, confusion, errors of each class and calibration: cases solved by hand, their conventions, and naive loops."""

import math

import pytest
import torch
from PIL import Image
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score, roc_auc_score
from torch import nn

from gan_sntg.evaluation import class_errors, confusion_matrix, error_rate, percent_wrong, reliability
from gan_sntg.evaluation.classification import BINS, Metric, entropy_of, group_errors, most_wanted, rare_class_scores
from gan_sntg.experiments.plots import save_reliability


class Brightness(nn.Module):
    """Class 1 where the one pixel is over 1/2; in training mode the other way round."""

    def forward(self, x):
        bright = x.flatten(1) - 0.5
        logits = torch.cat([-bright, bright], 1)
        return bright, -logits if self.training else logits


def unit(x):
    return x.float() / 255


X = torch.tensor([0, 255, 0, 255, 255], dtype=torch.uint8).view(5, 1, 1, 1)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(("y", "percent"), [([0, 1, 0, 1, 1], 0.0), ([0, 1, 1, 0, 1], 40.0), ([1, 0, 1, 0, 0], 100.0)])
def test_the_error_rate_is_in_percent_of_all_images_whatever_the_batch_size(y, percent, batch_size):
    assert error_rate(Brightness(), X, torch.tensor(y), unit, batch_size) == percent


@pytest.mark.parametrize("mode", [True, False])
def test_the_net_is_evaluated_in_evaluation_mode_and_given_back_as_it_was(mode):
    net = Brightness().train(mode)
    assert error_rate(net, X, torch.tensor([0, 1, 0, 1, 1]), unit) == 0.0
    assert net.training is mode


def votes(classes: list[int], k: int, confidence: float = 0.9) -> torch.Tensor:
    """Logits [N, k] that give each of the classes this softmax."""
    rest = (1 - confidence) / (k - 1)
    return torch.tensor([[confidence if c == j else rest for j in range(k)] for c in classes], dtype=torch.float64).log()


def test_confusion_counts_labels_in_rows_and_predictions_in_columns():
    y = torch.tensor([0, 0, 0, 1, 1, 2])
    found = confusion_matrix(votes([0, 2, 2, 1, 0, 2], 3), y)
    assert found.tolist() == [[1, 0, 2], [1, 1, 0], [0, 0, 1]] and found.dtype == torch.int64
    assert percent_wrong(votes([0, 2, 2, 1, 0, 2], 3), y) == 50.0


def test_the_error_of_a_class_is_the_share_of_its_images_that_go_elsewhere():
    found = class_errors(torch.tensor([[1, 0, 3], [1, 1, 0], [0, 0, 5]]))
    assert found.tolist() == [75.0, 50.0, 0.0]


def test_a_class_without_images_has_no_error_however_often_it_is_predicted():
    found = class_errors(confusion_matrix(votes([1, 1, 0], 3), torch.tensor([0, 0, 0])))
    assert math.isclose(float(found[0]), 200 / 3) and found[1:].isnan().all()


def test_calibration_of_four_images_solved_by_hand():
    logits = torch.cat([votes([0, 0, 0], 2, 0.9), votes([1], 2, 0.7)])
    table = reliability(logits, torch.tensor([0, 1, 0, 0]))
    assert table.count.tolist() == [0] * 10 + [1, 0, 0, 3, 0]  # 0.7 is in (10, 11] / 15, 0.9 in (13, 14] / 15
    torch.testing.assert_close(table.confidence[[10, 13]], torch.tensor([0.7, 0.9], dtype=torch.float64))
    torch.testing.assert_close(table.accuracy[[10, 13]], torch.tensor([0, 2 / 3], dtype=torch.float64))
    assert table.accuracy[0].isnan() and table.confidence[0].isnan()
    assert math.isclose(table.calibration_error, 3 / 4 * (0.9 - 2 / 3) + 1 / 4 * 0.7)


def test_gaps_of_either_sign_add_up_between_bins_and_cancel_within_one():
    between = reliability(torch.cat([votes([0], 2, 0.6), votes([0], 2, 0.9)]), torch.tensor([0, 1]))
    assert math.isclose(between.calibration_error, (0.4 + 0.9) / 2)
    within = reliability(votes([0] * 10, 2, 0.9), torch.tensor([0] * 9 + [1]))
    assert math.isclose(within.calibration_error, 0, abs_tol=1e-12)


@pytest.mark.parametrize(("k", "index"), [(3, 4), (5, 2)])
def test_a_confidence_on_an_edge_belongs_to_the_bin_below(k, index):
    assert reliability(torch.zeros(1, k), torch.tensor([0])).count.nonzero().tolist() == [[index]]


@pytest.mark.parametrize(("right", "error"), [(True, 0.0), (False, 1.0)])
def test_full_confidence_is_in_the_last_bin_and_wrong_at_its_full_price(right, error):
    table = reliability(torch.tensor([[1000.0, -1000.0]]), torch.tensor([0 if right else 1]))
    assert table.count.tolist() == [0] * (BINS - 1) + [1] and table.calibration_error == error


@pytest.mark.parametrize(("n", "k"), [(1, 2), (50, 3), (400, 10)])
def test_calibration_equals_a_loop_over_bins_and_images(n, k):
    generator = torch.Generator().manual_seed(n)
    logits, y = 3 * torch.randn(n, k, generator=generator), torch.randint(k, (n,), generator=generator)
    expected = 0.0
    for b in range(BINS):
        inside = []
        for row, label in zip(logits.double().softmax(1).tolist(), y.tolist(), strict=True):
            if b / BINS < max(row) <= (b + 1) / BINS:
                inside.append((max(row), row.index(max(row)) == label))
        if inside:
            expected += abs(sum(right for _, right in inside) - sum(p for p, _ in inside)) / n
    assert math.isclose(reliability(logits, y).calibration_error, expected, rel_tol=1e-9)


def test_the_picture_is_a_png_that_shows_the_table(tmp_path):
    for name, label in (("right", 0), ("wrong", 1)):
        save_reliability(tmp_path / f"{name}.png", reliability(votes([0, 0], 2, 0.8), torch.tensor([0, label])))
    right, wrong = (Image.open(tmp_path / f"{name}.png").convert("RGB") for name in ("right", "wrong"))
    assert right.size == (500, 600) and right.tobytes() != wrong.tobytes()


def naive_scores(logits: torch.Tensor, y: torch.Tensor, c: int) -> tuple[float, float, float, float]:
    """Recall, F1, AUROC and average precision of a class, counted image by image."""
    p, k = logits.double().softmax(1)[:, c].tolist(), logits.argmax(1).tolist()
    own, others = ([score for score, label in zip(p, y.tolist(), strict=True) if (label == c) == same] for same in (True, False))
    right = sum(1 for found, label in zip(k, y.tolist(), strict=True) if found == label == c)
    area = sum((a > b) + (a == b) / 2 for a in own for b in others) / (len(own) * len(others))
    steps, precision = sorted(set(p), reverse=True), 0.0
    for at, before in zip(steps, [math.inf, *steps], strict=False):
        gained = sum(at <= score < before for score in own) / len(own)
        precision += gained * sum(score >= at for score in own) / sum(score >= at for score in p)
    return right / len(own), 2 * right / (len(own) + k.count(c)), area, precision


@pytest.mark.parametrize("seed", range(5))
def test_scores_of_rare_classes_are_those_that_naive_counts_give(seed):
    generator = torch.Generator().manual_seed(seed)
    y = torch.cat([torch.arange(3), torch.multinomial(torch.tensor([0.7, 0.25, 0.05]), 40, True, generator=generator)])
    logits = torch.randint(-2, 3, (43, 3), generator=generator).float() + torch.nn.functional.one_hot(y, 3)  # with ties
    found, naive = rare_class_scores(logits, y), [naive_scores(logits, y, c) for c in range(3)]
    recall, f1, auroc, auprc = (list(values) for values in zip(*naive, strict=True))
    assert found["balanced_accuracy"] == pytest.approx(sum(recall) / 3, abs=1e-12)
    assert found["macro_f1"] == pytest.approx(sum(f1) / 3, abs=1e-12)
    assert found["auroc"] == pytest.approx(auroc, abs=1e-12) and found["auprc"] == pytest.approx(auprc, abs=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_scores_of_unbalanced_classes_some_of_which_are_never_predicted_are_those_of_scikit_learn(seed):
    generator, k = torch.Generator().manual_seed(seed), 2 + seed
    shares = torch.logspace(0, -2, k)
    y = torch.cat([torch.arange(k), torch.multinomial(shares, 300, True, generator=generator)])
    logits = torch.randn(len(y), k, generator=generator) + 2 * torch.nn.functional.one_hot(y, k)
    logits[:, -1] -= 100  # the rarest is never predicted, and ranked all the same
    p, classes = logits.double().softmax(1).numpy(), logits.argmax(1)
    own = torch.nn.functional.one_hot(y, k).numpy()
    found = rare_class_scores(logits, y)
    assert k - 1 not in classes and found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, classes), abs=1e-12)
    assert found["macro_f1"] == pytest.approx(f1_score(y, classes, average="macro", zero_division=0.0), abs=1e-12)
    assert found["auroc"] == pytest.approx(roc_auc_score(own, p, average=None), abs=1e-12)
    assert found["auprc"] == pytest.approx(average_precision_score(own, p, average=None), abs=1e-12)


def test_the_worst_group_is_that_of_a_loop_over_groups_and_the_interval_holds_the_error():
    generator = torch.Generator().manual_seed(0)
    y, groups = torch.randint(3, (200,), generator=generator), [f"p{k}" for k in torch.randint(20, (200,), generator=generator).tolist()]
    classes = torch.where(torch.rand(200, generator=generator) < 0.7, y, (y + 1) % 3)
    found, errors = group_errors(votes(classes.tolist(), 3), y, groups), {}
    for group in sorted({*groups}):
        right = [bool(classes[i] == y[i]) for i in range(200) if groups[i] == group]
        errors[group] = (100 * (1 - sum(right) / len(right)), len(right))
    worst = max(errors, key=lambda group: errors[group][0])
    assert (found.groups, found.worst, found.worst_images) == (20, worst, errors[worst][1])
    assert found.worst_error == pytest.approx(errors[worst][0])
    low, high = found.error_interval
    assert low < percent_wrong(votes(classes.tolist(), 3), y) < high


def test_the_interval_over_groups_is_wide_where_the_images_of_a_group_are_right_or_wrong_together():
    y = torch.zeros(400, dtype=torch.int64)
    together, apart = [0] * 200 + [1] * 200, [0, 1] * 200  # the same error, in whole groups or half of each
    groups = [f"p{i // 20}" for i in range(400)]
    wide, none = (group_errors(votes(classes, 2), y, groups).error_interval for classes in (together, apart))
    assert none == (50, 50) and wide[0] == pytest.approx(30, abs=5) and wide[1] == pytest.approx(70, abs=5)  # 50 +- 1.96 * 50 / sqrt(20)
    assert group_errors(votes(together, 2), y, groups) == group_errors(votes(together, 2), y, groups)
    assert group_errors(votes([0], 2), y[:1], ["p"]) == (1, "p", 1, 0.0, None)


def test_a_metric_is_in_percent_and_less_is_better_and_a_rare_class_counts_in_it_as_a_common_one():
    y = torch.tensor([0] * 8 + [1] * 2)
    common, rare = votes([0] * 10, 3), votes([1] * 4 + [0] * 4 + [1] * 2, 3)  # right in class 0 alone; in half of it, and in class 1
    found = [[metric(logits, y) for metric in Metric] for logits in (common, rare)]
    assert found[0] == pytest.approx([20, 50, 100 * (1 - 16 / 18 / 2)]) and found[1] == pytest.approx(
        [40, 25, 100 * (1 - (8 / 12 + 4 / 8) / 2)]
    )
    assert [metric(votes(y.tolist(), 3), y) for metric in Metric] == [0, 0, 0]
    assert [metric(votes([2] * 10, 3), y) for metric in Metric] == [100, 100, 100]


@pytest.mark.filterwarnings("error")
def test_a_class_without_images_has_no_score_and_no_part_in_the_means():
    logits, y = torch.tensor([[2.0, 0, 1], [0, 2, 1], [0, 1, 2], [2, 1, 0]]), torch.tensor([0, 1, 1, 0])
    found = rare_class_scores(logits, y)
    assert found["balanced_accuracy"] == 0.75 and found["macro_f1"] == pytest.approx((1 + 2 / 3) / 2)
    assert [math.isnan(value) for value in found["auroc"]] == [math.isnan(value) for value in found["auprc"]] == [False, False, True]
    broken = rare_class_scores(logits.where(logits != 2, torch.nan), y)
    assert all(math.isnan(value) for name in ("auroc", "auprc") for value in broken[name]) and 0 <= broken["balanced_accuracy"] <= 1
    alone = rare_class_scores(logits[:1], y[:1])
    assert math.isnan(alone["auroc"][0]) and alone["auprc"][0] == 1


def test_entropy_is_that_of_the_softmax_in_nats():
    p = torch.tensor([[0.5, 0.25, 0.25], [1 / 3] * 3, [1.0, 0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(entropy_of(p.log()[:2]), torch.tensor([1.5 * math.log(2), math.log(3)], dtype=torch.float64))
    assert entropy_of(torch.tensor([[900.0, 0, 0]])).tolist() == [0.0]


@pytest.mark.parametrize("seed", range(3))
def test_the_most_wanted_are_those_of_a_naive_search(seed):
    generator = torch.Generator().manual_seed(seed)
    logits, h = torch.randn(30, 4, generator=generator), torch.randn(30, 5, generator=generator)
    e, taken = entropy_of(logits).tolist(), []
    for _ in range(7):
        scores = [e[i] * min([math.dist(h[i].tolist(), h[j].tolist()) for j in taken] or [1]) if i not in taken else -1 for i in range(30)]
        taken.append(max(range(30), key=lambda i: scores[i]))
    assert most_wanted(logits, h, 7).tolist() == taken
    assert sorted(most_wanted(logits, h, 50).tolist()) == list(range(30))


def test_of_sure_examples_the_farthest_are_wanted_and_none_twice():
    h = torch.tensor([[0.0], [1], [10], [10]])
    assert most_wanted(torch.tensor([[1000.0, 0]] * 4), h, 4).tolist()[:3] in ([0, 2, 1], [0, 3, 1])
