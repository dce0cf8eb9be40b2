"""Losses of both families against naive loops and an explicit fake class, in float64; where gradients go."""

from math import exp, hypot, log

import pytest
import torch
import torch.nn.functional as F

from gan_sntg import losses
from gan_sntg.losses import entropy, kl_divergence, squared_error, supervised_loss

# --- of D and G -------------------------------------------------------------------------------------------------------


def logits(n: int = 7, k: int = 4) -> torch.Tensor:
    return 3 * torch.randn(n, k, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def with_fake_class(x: torch.Tensor) -> torch.Tensor:
    return F.log_softmax(torch.cat([x, torch.zeros(len(x), 1, dtype=x.dtype)], 1), 1)


def test_real_and_fake_losses_are_those_of_k_plus_1_classes_with_the_last_logit_zero():
    log_p = with_fake_class(logits())
    real = -0.5 * torch.log1p(-log_p[:, -1].exp()).mean()
    fake = -0.5 * log_p[:, -1].mean()
    torch.testing.assert_close(losses.real_loss(logits()), real)
    torch.testing.assert_close(losses.fake_loss(logits()), fake)


def test_losses_stay_finite_at_extreme_logits():
    x = torch.tensor([[500.0, -500.0], [-500.0, -500.0]], requires_grad=True)
    (losses.real_loss(x) + losses.fake_loss(x)).backward()
    assert x.grad.isfinite().all()


def test_matching_is_the_difference_of_mean_features_squared_or_absolute():
    g = torch.Generator().manual_seed(1)
    a, b = torch.randn(6, 5, generator=g, dtype=torch.float64), torch.randn(4, 5, generator=g, dtype=torch.float64)
    gaps = [sum(float(r[d]) for r in a) / 6 - sum(float(r[d]) for r in b) / 4 for d in range(5)]
    assert abs(float(losses.matching_squared(a, b)) - sum(x * x for x in gaps) / 5) < 1e-12
    assert abs(float(losses.matching_absolute(a, b)) - sum(map(abs, gaps)) / 5) < 1e-12


def test_matching_sends_no_gradient_into_the_real_features():
    for matching in losses.Matching:
        a, b = torch.randn(3, 2, requires_grad=True), torch.randn(3, 2, requires_grad=True)
        matching(a, b).backward()
        assert a.grad is None and b.grad.abs().sum() > 0


# --- supervised, consistency, entropy ---------------------------------------------------------------------------------

SIZES = pytest.mark.parametrize(("b", "k"), [(1, 2), (2, 3), (7, 10)])


def pair(b: int, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(10 * b + k)
    return torch.randn(b, k, generator=g, dtype=torch.float64).softmax(1), 3 * torch.randn(b, k, generator=g, dtype=torch.float64)


def probabilities(row: list[float]) -> list[float]:
    total = sum(exp(v) for v in row)
    return [exp(v) / total for v in row]


@SIZES
def test_squared_error_is_the_mean_over_images_and_classes_and_kl_divergence_over_images(b, k):
    targets, logits = pair(b, k)
    rows = [probabilities(row) for row in logits.tolist()]
    pairs = [tp for target, row in zip(targets.tolist(), rows, strict=True) for tp in zip(target, row, strict=True)]
    squares, kl = sum((t - p) ** 2 for t, p in pairs) / (b * k), sum(t * (log(t) - log(p)) for t, p in pairs) / b
    torch.testing.assert_close(squared_error(targets, logits).item(), squares)
    torch.testing.assert_close(kl_divergence(targets, logits).item(), kl)


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


# --- of Bad GAN -------------------------------------------------------------------------------------------------------


def of(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_pull_away_of_three_features_by_hand_and_of_equal_and_orthogonal_ones():
    h = of([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    torch.testing.assert_close(losses.pull_away(h), of(1 / 3))
    torch.testing.assert_close(losses.pull_away(h * of([[1.0], [7.0], [0.1]])), of(1 / 3))  # scaling a row changes nothing
    torch.testing.assert_close(losses.pull_away(h[1:2].expand(4, 2)), of(1.0))
    torch.testing.assert_close(losses.pull_away(torch.eye(3, dtype=torch.float64)), of(0.0))
    torch.testing.assert_close(losses.pull_away(h[:1]), of(0.0))  # one image is no pair


@pytest.mark.parametrize(("b", "d"), [(2, 1), (5, 3), (9, 20)])
def test_pull_away_is_the_mean_of_squared_cosines_of_ordered_pairs(b, d):
    h = logits(b, d)
    rows, total = h.tolist(), 0.0
    for i, j in ((i, j) for i in range(b) for j in range(b) if i != j):
        dot = sum(x * y for x, y in zip(rows[i], rows[j], strict=True))
        total += (dot / hypot(*rows[i]) / hypot(*rows[j])) ** 2
    torch.testing.assert_close(losses.pull_away(h), of(total / (b * (b - 1))))
    if b > 2:  # doubled, each row has a copy of itself, whose cosine is 1
        torch.testing.assert_close(losses.pull_away(torch.cat([h, h])), of((4 * total + 2 * b) / (2 * b * (2 * b - 1))))


def test_a_row_of_zeros_counts_nothing_in_pull_away_and_has_a_finite_gradient():
    h = of([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0]]).requires_grad_()
    loss = losses.pull_away(h)
    (grad,) = torch.autograd.grad(loss, h)
    torch.testing.assert_close(loss, of(1 / 3))
    assert grad.isfinite().all() and (grad[0] == 0).all()


def test_variational_entropy_by_hand_and_at_its_least():
    z = of([[1.0, 0.0]])
    found = losses.variational_entropy(z, torch.zeros_like(z), of([[0.0, log(2)]]))
    torch.testing.assert_close(found, of(0.5 + log(2)), atol=1e-6, rtol=0)
    torch.testing.assert_close(losses.variational_entropy(z, z, torch.zeros_like(z)), of(0.0))
    log_std = of([[log(0.3), log(0.7)]]).requires_grad_()
    (grad,) = torch.autograd.grad(losses.variational_entropy(z, z + of([[0.3, -0.7]]), log_std), log_std)
    torch.testing.assert_close(grad, torch.zeros_like(grad), atol=1e-6, rtol=0)  # at std = |z - mean|


def test_variational_entropy_is_a_sum_over_z_and_a_mean_over_images():
    z, mean, log_std = logits(4, 3), logits(4, 3).flip(0), logits(4, 3).flip(1) / 9
    numbers = [tuple(map(float, row)) for row in zip(z.flatten(), mean.flatten(), log_std.flatten(), strict=True)]
    expected = sum(s + ((a - m) / (1e-8 + exp(s))) ** 2 / 2 for a, m, s in numbers) / 4
    torch.testing.assert_close(losses.variational_entropy(z, mean, log_std), of(expected))


def test_the_entropy_of_two_logits_by_hand_and_moved_by_a_constant():
    x = of([[0.0, log(3)]])
    torch.testing.assert_close(entropy(x), of(0.5623351446188083))
    torch.testing.assert_close(0.1 * entropy(x + 40), of(0.05623351446188083))
    torch.testing.assert_close(entropy(torch.zeros(3, 10, dtype=torch.float64)), of(log(10)))


def test_low_density_is_the_mean_excess_of_the_images_above_the_threshold():
    log_p = of([-5.0, -1.0, 0.0]).requires_grad_()
    loss = losses.low_density(log_p, -2.0)
    torch.testing.assert_close(1e-4 * loss, of(1.5e-4))
    (grad,) = torch.autograd.grad(loss, log_p)
    torch.testing.assert_close(grad, of([0.0, 0.5, 0.5]))


def test_low_density_is_exactly_0_without_gradient_where_all_images_are_below():
    log_p = of([-5.0, -2.0, -1e30]).requires_grad_()
    loss = losses.low_density(log_p, of(-2.0))
    (grad,) = torch.autograd.grad(loss, log_p)
    assert loss == 0 and (grad == 0).all()


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_gradients_of_bad_gans_terms_are_those_of_finite_differences(scale):
    h, z, mean, log_std = (scale * logits(5, 4).roll(k, 0).requires_grad_() for k in range(4))
    assert torch.autograd.gradcheck(losses.pull_away, h)
    assert torch.autograd.gradcheck(losses.variational_entropy, (z, mean, log_std / 4))
    assert torch.autograd.gradcheck(entropy, h)
    assert torch.autograd.gradcheck(lambda x: losses.low_density(x, 0.3 * scale), h[:, 0])
