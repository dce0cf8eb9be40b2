"""The GAN's losses against their definitions with an explicit fake class, in float64."""

import torch
import torch.nn.functional as F

from gan_sntg import losses
from gan_sntg.losses import supervised_loss


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


def test_supervised_loss_divides_by_the_batch_and_not_by_the_known():
    x, y = logits(), torch.tensor([0, -1, 2, -1, -1, 3, -1])
    naive = -sum(float(x[i].log_softmax(0)[y[i]]) for i in range(7) if y[i] >= 0) / 7
    assert abs(float(supervised_loss(x, y)) - naive) < 1e-12


def test_supervised_loss_of_a_batch_without_labels_is_zero_with_a_finite_gradient():
    x = logits().requires_grad_()
    loss = supervised_loss(x, torch.full((7,), -1))
    loss.backward()
    assert loss == 0 and (x.grad == 0).all()


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
