"""Densities of images: the mixture against loops and scikit-learn, its threshold, and what it does to gradients."""

from math import exp, log, pi

import pytest
import torch
from helpers.tiny import Dark

from gan_sntg.errors import InputError
from gan_sntg.networks.density import MixtureDensity


def images(n: int = 60) -> torch.Tensor:
    """Two kinds of 1 x 2 x 3 images, which vary along fewer directions than they have pixels."""
    g = torch.Generator().manual_seed(0)
    u = torch.randn(n, 3, generator=g, dtype=torch.float64) + 4 * (torch.arange(n) % 2).unsqueeze(1)
    noise = 0.1 * torch.randn(n, 6, generator=g, dtype=torch.float64)
    return (u @ torch.randn(3, 6, generator=g, dtype=torch.float64) + noise).view(n, 1, 2, 3)


def made(directions: int | None = 3, **options) -> MixtureDensity:
    density = MixtureDensity(components=2, directions=directions, **options)
    density.prepare(images())
    return density.double()


@pytest.fixture(params=[3, None], ids=["three directions", "all"])
def density(request) -> MixtureDensity:
    return made(request.param)  # fitted once: the next is from the cache


def test_the_log_density_is_that_of_a_loop_over_full_covariances(density):
    x = images()[:5].flatten(1)
    basis, rest = density.basis, torch.eye(6, dtype=torch.float64) - density.basis @ density.basis.T
    for row, found in zip(x, density.log_density(x.view(5, 1, 2, 3)), strict=True):
        p = 0.0
        for k in range(2):
            inverse = basis @ density.roots[k] @ density.roots[k].T @ basis.T + rest / density.rest
            off = row - density.center - basis @ density.means[k]
            p += float(density.log_weights[k].exp()) * float(inverse.det()) ** 0.5 * exp(-0.5 * float(off @ inverse @ off))
        torch.testing.assert_close(float(found), log(p) - 3 * log(2 * pi), rtol=1e-4, atol=1e-4)  # float32's basis


def test_it_is_a_density_so_that_log_p_of_its_own_images_beats_that_of_others(density):
    x = images()
    assert density.log_density(x).mean() > density.log_density(x.flip(3)).mean() + 10


def test_its_gradient_in_the_images_is_that_of_finite_differences(density):
    x = images()[:4].requires_grad_()
    assert torch.autograd.gradcheck(density.log_density, x)
    assert not list(density.parameters())


@pytest.mark.parametrize("quantile", [0.0, 0.1, 0.5])
def test_the_threshold_is_a_quantile_of_the_pool_and_the_spread_that_of_its_middle(quantile):
    density, x = Dark(quantile), images(101)
    density.prepare(x)
    log_p = density.log_density(x).sort().values
    torch.testing.assert_close(density.threshold, log_p[round(100 * quantile)])
    torch.testing.assert_close(density.spread, log_p[90] - log_p[10])
    assert set(density.state_dict()) == {"threshold", "spread"}


def test_larger_pools_are_fitted_by_a_part_of_them_and_judged_whole():
    few = made(most_images=20)
    assert not torch.equal(few.means, made().means)
    below = few.log_density(images()) < few.threshold
    assert below.sum() == 6


def test_autocast_leaves_it_in_float32(density):
    x, density = images()[:5].float(), density.float()
    with torch.autocast("cpu", torch.bfloat16):
        found = density.log_density(x)
    torch.testing.assert_close(found.double(), density.double().log_density(x.double()), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", [{"components": 0}, {"directions": 0}, {"ridge": 0.0}, {"most_images": 3, "components": 4}])
def test_impossible_numbers_are_refused(options):
    with pytest.raises(InputError, match="give at least 1 component"):
        MixtureDensity(**options)


def test_more_components_than_images_and_an_impossible_quantile_are_refused():
    with pytest.raises(InputError, match="4 components cannot be fitted to 3 images"):
        MixtureDensity(components=4).prepare(images(3))
    with pytest.raises(InputError, match="quantile is 1"):
        Dark(1)
