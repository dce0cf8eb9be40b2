"""L_S, R_C's divergences and entropy against naive loops in double precision; where gradients go."""

from math import exp, log

import pytest
import torch
import torch.nn.functional as F

from gan_sntg.losses import entropy, kl_divergence, squared_error, supervised_loss

SIZES = pytest.mark.parametrize(("b", "k"), [(1, 2), (2, 3), (7, 10)])


def pair(b: int, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(10 * b + k)
    return torch.randn(b, k, generator=g, dtype=torch.float64).softmax(1), 3 * torch.randn(b, k, generator=g, dtype=torch.float64)


def probabilities(row: list[float]) -> list[float]:
    total = sum(exp(v) for v in row)
    return [exp(v) / total for v in row]


@SIZES
def test_squared_error_is_the_mean_over_images_and_classes(b, k):
    targets, logits = pair(b, k)
    rows = [probabilities(row) for row in logits.tolist()]
    pairs = [tp for target, row in zip(targets.tolist(), rows, strict=True) for tp in zip(target, row, strict=True)]
    expected = sum((t - p) ** 2 for t, p in pairs) / (b * k)
    torch.testing.assert_close(squared_error(targets, logits), torch.tensor(expected, dtype=torch.float64))


@SIZES
def test_kl_divergence_is_the_mean_over_images(b, k):
    targets, logits = pair(b, k)
    rows = [probabilities(row) for row in logits.tolist()]
    pairs = [tp for target, row in zip(targets.tolist(), rows, strict=True) for tp in zip(target, row, strict=True)]
    expected = sum(t * (log(t) - log(p)) for t, p in pairs) / b
    torch.testing.assert_close(kl_divergence(targets, logits), torch.tensor(expected, dtype=torch.float64))


@SIZES
def test_entropy_is_the_mean_over_images(b, k):
    _, logits = pair(b, k)
    expected = -sum(p * log(p) for row in logits.tolist() for p in probabilities(row)) / b
    torch.testing.assert_close(entropy(logits), torch.tensor(expected, dtype=torch.float64))


def test_the_supervised_term_is_divided_by_all_images():
    _, logits = pair(7, 3)
    y = torch.tensor([-1, 2, -1, 0, -1, -1, 1])
    expected = -sum(log(probabilities(row)[k]) for row, k in zip(logits.tolist(), y.tolist(), strict=True) if k >= 0) / 7
    torch.testing.assert_close(supervised_loss(logits, y), torch.tensor(expected, dtype=torch.float64))


def test_without_a_label_the_supervised_term_is_0_and_not_nan():
    logits = torch.zeros(4, 3, requires_grad=True)
    loss = supervised_loss(logits, torch.full((4,), -1))
    loss.backward()
    assert loss == 0 and (logits.grad == 0).all()


def test_certain_targets_and_predictions_stay_finite():
    targets, logits = torch.eye(3), (1e4 * torch.eye(3).roll(1, 0)).requires_grad_()
    for loss in (squared_error, kl_divergence):
        (grad,) = torch.autograd.grad(loss(targets, logits), logits)
        assert loss(targets, logits).isfinite() and grad.isfinite().all()
    assert entropy(logits).isfinite()
    torch.testing.assert_close(kl_divergence(targets, 1e4 * targets), torch.tensor(0.0))


def test_the_gradient_goes_into_both_sides_of_squared_error_and_into_the_logits_alone_of_kl():
    raw, logits = torch.randn(5, 4, requires_grad=True), torch.randn(5, 4, requires_grad=True)
    for loss, reaches in (squared_error, True), (kl_divergence, False):
        into_targets, into_logits = torch.autograd.grad(loss(raw.softmax(1), logits), (raw, logits), allow_unused=True)
        assert (into_targets is not None) == reaches and into_logits.abs().sum() > 0


def test_kl_divergence_is_torchs_own():
    targets, logits = pair(7, 10)
    torch.testing.assert_close(kl_divergence(targets, logits), F.kl_div(logits.log_softmax(1), targets, reduction="batchmean"))
