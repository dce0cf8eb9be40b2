"""Scaling of pixels, there and back."""

import pytest
import torch

from gan_sntg.data.normalization import Normalization, PerImage, Symmetric, UnitRange
from gan_sntg.errors import InputError

EVERY = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)


def test_the_unit_range_divides_by_255():
    x = torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1, 1)
    torch.testing.assert_close(UnitRange()(x), torch.tensor([0, 0.2, 1]).view(3, 1, 1, 1))


@pytest.mark.parametrize(("divisor", "ends"), [(127.5, (-1.0, 1.0)), (128, (-127.5 / 128, 127.5 / 128))])
def test_the_symmetric_range_subtracts_the_middle_and_divides(divisor, ends):
    x = Symmetric(divisor)(EVERY)
    assert (float(x.min()), float(x.max())) == ends and x.dtype == torch.float32
    torch.testing.assert_close(x.flatten(), (torch.arange(256.0) - 127.5) / divisor)


@pytest.mark.parametrize("divisor", [0, -1, float("nan")])
def test_a_divisor_that_is_not_positive_is_refused(divisor):
    with pytest.raises(InputError, match="divisor of Symmetric is .*give a positive number"):
        Symmetric(divisor)


@pytest.mark.parametrize("normalization", [UnitRange(), Symmetric(), Symmetric(128)], ids=["unit", "127.5", "128"])
def test_every_pixel_value_survives_there_and_back(normalization):
    assert torch.equal(normalization.images(normalization(EVERY)), EVERY)


def test_images_are_rounded_to_the_nearest_value_and_clipped_to_the_range():
    drawn = torch.tensor([-3, 0.4 / 255, 0.6 / 255, 1.7, float("inf")], requires_grad=True)
    assert UnitRange().images(drawn).tolist() == [0, 0, 1, 255, 255]
    assert Symmetric(128).images(torch.tensor([-2, 0.4 / 128, 1.0, float("-inf")])).tolist() == [0, 128, 255, 0]


@pytest.mark.parametrize("shape", [(5, 3, 4, 6), (2, 1, 28, 28), (1, 3, 64, 64)])
def test_each_image_gets_mean_zero_and_rms_one_over_all_its_channels(shape):
    x = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = torch.empty(shape, dtype=torch.float64)
    for n, image in enumerate(x.double()):
        mean = sum(image.flatten().tolist()) / image.numel()
        rms = (sum((v - mean) ** 2 for v in image.flatten().tolist()) / image.numel()) ** 0.5
        expected[n] = (image - mean) / rms
    found = PerImage()(x)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("value", range(256))
def test_an_image_of_one_value_becomes_zero(value):
    x = torch.full((1, 3, 64, 64), value, dtype=torch.uint8)
    assert torch.equal(PerImage()(x), torch.zeros(1, 3, 64, 64))


def test_one_pixel_of_difference_is_enough_to_be_finite():
    x = torch.full((1, 3, 64, 64), 255, dtype=torch.uint8)
    x[0, 1, 2, 3] = 254
    assert PerImage()(x).isfinite().all() and abs(float(PerImage()(x).square().mean()) - 1) < 1e-4


def test_what_has_no_inverse_says_so_when_it_is_needed_and_only_then():
    x = PerImage()(EVERY)
    with pytest.raises(InputError, match="PerImage cannot be undone.*choose UnitRange, Symmetric or ZCA"):
        PerImage().images(x)


@pytest.mark.parametrize("normalization", [UnitRange(), Symmetric(), PerImage()], ids=lambda n: type(n).__name__)
def test_scalings_of_one_image_at_a_time_learn_nothing(normalization):
    before = normalization(EVERY)
    normalization.fit(torch.randint(0, 256, (9, 1, 16, 16), dtype=torch.uint8))
    assert torch.equal(normalization(EVERY), before) and isinstance(normalization, Normalization)
