"""Samples: the same z gives the same image in any batch, and drawing leaves training as it was."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from gan_sntg.data.normalization import UnitRange
from gan_sntg.evaluation.samples import draw, drawn, grid, paths, png, save_png, stretched, z_bank
from gan_sntg.networks.dense_gan import DenseGenerator


def test_the_same_z_gives_the_same_image_in_any_batch():
    net, z = DenseGenerator((1, 4, 4), widths=(16,)), z_bank(100, 30)
    whole = draw(net, z, UnitRange())
    assert whole.dtype == torch.uint8 and whole.float().std() > 1
    assert torch.equal(whole, draw(net, z, UnitRange(), batch_size=7))
    assert torch.equal(whole[:3], draw(net, z[:3], UnitRange()))


def test_batch_statistics_in_training_are_not_those_of_the_bank():
    net, z = DenseGenerator((1, 4, 4), widths=(16,)), z_bank(100, 30)
    before = net(z[:5])
    draw(net, z, UnitRange())
    assert net.training and torch.equal(net(z[:5]), before)
    assert not torch.allclose(net.eval()(z[:5]), before)


def test_the_bank_is_the_same_for_every_run_and_a_longer_one_starts_with_a_shorter_one():
    assert torch.equal(z_bank(100, 10), z_bank(100, 50)[:10])


def test_a_seed_gives_other_z_than_the_bank_and_than_another_seed():
    banks = [z_bank(100, 5, seed=seed) for seed in (None, 0, 1)]
    assert all(not torch.equal(a, b) for a, b in zip(banks, banks[1:] + banks[:1], strict=True))
    assert torch.equal(z_bank(100, 50, seed=1)[:5], banks[2]) and torch.equal(z_bank(100, 5), torch.rand(5, 100, generator=seeded(0)))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_path_goes_in_equal_steps_from_one_z_to_the_next():
    ends = z_bank(3, 4)
    found = paths(ends, 5).view(2, 5, 3)
    assert torch.equal(found[:, 0], ends[::2]) and torch.equal(found[:, -1], ends[1::2])
    for row in range(2):
        for step in range(5):
            a, b = ends[2 * row].double(), ends[2 * row + 1].double()
            torch.testing.assert_close(found[row, step].double(), a + step / 4 * (b - a), atol=1e-6, rtol=0)
    assert 0 <= found.min() and found.max() <= 1


def test_images_drawn_batch_by_batch_are_those_drawn_at_once():
    net, z = DenseGenerator((1, 4, 4), widths=(16,)), z_bank(100, 30)
    parts = list(drawn(net, z, UnitRange(), batch_size=7))
    assert [len(part) for part in parts] == [7, 7, 7, 7, 2] and torch.equal(torch.cat(parts), draw(net, z, UnitRange(), batch_size=7))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_of_one_image_has_its_pixels(channels):
    image = torch.arange(channels * 20, dtype=torch.uint8).view(channels, 4, 5)
    found = np.asarray(Image.open(io.BytesIO(png(image))))
    assert np.array_equal(found, image[0] if channels == 1 else image.permute(1, 2, 0))


def test_a_grid_is_written_as_the_png_that_it_is(tmp_path):
    images = torch.arange(6, dtype=torch.uint8).mul(40).view(6, 1, 1, 1).expand(6, 1, 4, 4)
    picture = grid(images, columns=3, scale=2)
    assert picture.shape == (3, 2 * 10 + 2, 3 * 10 + 2)
    assert picture[0, 2, 2] == 0 and picture[0, 2, 12] == 40 and picture[0, 12, 2] == 120
    save_png(tmp_path / "g.png", picture)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "g.png")), picture.permute(1, 2, 0))


def test_normalised_images_are_stretched_to_the_whole_range_each_by_itself():
    x = torch.tensor([[-3.0, 0, 1], [5, 5.5, 6], [2, 2, 2]]).view(3, 1, 1, 3)
    assert stretched(x).flatten(1).tolist() == [[0, 191, 255], [0, 128, 255], [0, 0, 0]] and stretched(x).dtype == torch.uint8
