"""Scaling of pixels, there and back."""

import torch

from gan_sntg.core.data.whiten import UnitRange


def test_the_unit_range_divides_by_255():
    x = torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1, 1)
    torch.testing.assert_close(UnitRange()(x), torch.tensor([0, 0.2, 1]).view(3, 1, 1, 1))


def test_every_pixel_value_survives_there_and_back():
    x = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(UnitRange().images(UnitRange()(x)), x)


def test_images_are_rounded_to_the_nearest_value_and_clipped_to_the_range():
    drawn = torch.tensor([-3, 0.4 / 255, 0.6 / 255, 1.7, float("inf")], requires_grad=True)
    assert UnitRange().images(drawn).tolist() == [0, 0, 1, 255, 255]
