"""Points of the plane: drawn by a seed, standardised, known by their hash, and handed to networks as they are."""

import math

import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from gan_sntg.data.loader import Loader, Pool
from gan_sntg.data.normalization import ZCA, AsIs, PerImage, Symmetric, UnitRange
from gan_sntg.data.splits import make_split
from gan_sntg.data.synthetic import FourSpins, TwoMoons
from gan_sntg.errors import InputError

SETS = pytest.mark.parametrize("make", [TwoMoons, FourSpins])


@SETS
def test_6000_points_are_for_training_2000_for_testing_and_a_fifth_of_the_former_for_validation(make):
    points = make()
    assert points.train_x.shape == (6000, 2) and points.test_x.shape == (2000, 2) and points.image_shape == (2,)
    assert points.train_x.dtype == points.test_x.dtype == torch.float32 and points.train_y.dtype == torch.int64
    for y, n in (points.train_y, 6000), (points.test_y, 2000), (points.train_y[points.validation], 1200):
        assert torch.bincount(y).tolist() == [n // points.num_classes] * points.num_classes


@SETS
def test_the_points_depend_on_the_seed_and_the_noise_alone(make):
    a = make(seed=1)
    torch.manual_seed(5)
    assert make(seed=1).sha256 == a.sha256
    assert len({a.sha256, make().sha256, make(noise=0.2, seed=1).sha256}) == 3


@SETS
def test_test_points_are_other_points_than_those_of_training(make):
    points = make()
    assert not set(map(tuple, points.train_x.tolist())) & set(map(tuple, points.test_x.tolist()))
    radii = torch.stack([points.train_x[:2000].norm(dim=1), points.test_x.norm(dim=1)])
    assert abs(torch.corrcoef(radii)[0, 1]) < 0.1  # nor the same ones with other noise


@SETS
def test_both_coordinates_are_standardised_by_the_training_points(make):
    points = make()
    x = points.train_x.double()
    torch.testing.assert_close(x.mean(0), torch.zeros(2, dtype=torch.float64), atol=1e-6, rtol=0)
    torch.testing.assert_close(x.square().mean(0), torch.ones(2, dtype=torch.float64), atol=1e-6, rtol=0)
    mean = points.test_x.mean(0)
    assert (mean.abs() > 1e-4).all() and (mean.abs() < 0.1).all()


@SETS
def test_neighbours_are_of_one_class(make):
    points = make()
    neighbours = KNeighborsClassifier(5).fit(points.train_x, points.train_y)
    assert neighbours.score(points.test_x, points.test_y) > 0.99


def test_a_spin_follows_its_formula():
    x, y = FourSpins()._draw(200, 1e-9, torch.Generator().manual_seed(0))
    for (a, b), k in zip(x.tolist(), y.tolist(), strict=True):
        r = math.hypot(a, b)
        assert 0.2 < r < 1
        assert math.isclose(a, r * math.cos(k * math.pi / 2 + math.pi * r), abs_tol=1e-7)
        assert math.isclose(b, r * math.sin(k * math.pi / 2 + math.pi * r), abs_tol=1e-7)


@pytest.mark.parametrize("noise", [0.0, -1.0, math.inf, math.nan])
@SETS
def test_a_noise_that_is_not_positive_is_refused(make, noise):
    with pytest.raises(InputError, match=f"the noise of {make.__name__} is {noise}; give a positive"):
        make(noise=noise)


def test_batches_hold_the_points_themselves():
    points = TwoMoons()
    split = make_split(points, 12, 0, False)
    pool = Pool(points.train_x, points.train_y, split.known(points), split.pool(points), AsIs(), "cpu")
    batch = next(iter(Loader(pool, 20, 0).epoch()))
    for view in batch:
        assert view.x.shape == (20, 2) and torch.equal(view.x, points.train_x[view.index])


def test_as_is_leaves_points_and_refuses_images():
    x = torch.randn(3, 2)
    assert torch.equal(AsIs()(x), x)
    for images in torch.zeros(3, 1, 4, 4, dtype=torch.uint8), torch.zeros(3, 1, 4, 4), torch.zeros(3, 2, dtype=torch.uint8):
        with pytest.raises(InputError, match="AsIs maps points, but the data are images.*choose UnitRange"):
            AsIs()(images)


@pytest.mark.parametrize("normalization", [UnitRange(), Symmetric(), PerImage(), ZCA()])
def test_the_scalings_of_images_refuse_points(normalization):
    with pytest.raises(InputError, match=f"{type(normalization).__name__} maps images, but the data are points; choose .*AsIs"):
        normalization.check(torch.randn(3, 2))
