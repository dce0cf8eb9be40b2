"""Samples: the same z gives the same image in any batch, and drawing leaves training as it was."""

import numpy as np
import torch
from PIL import Image

from gan_sntg.core.data.whiten import UnitRange
from gan_sntg.networks import DenseGenerator
from gan_sntg.samples import draw, grid, save_png, stretched, z_bank


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
