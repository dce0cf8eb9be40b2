"""Samples: the same z gives the same image in any batch; grids and sheets have each image in its place; files are whole or absent."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from gan_sntg.data.normalization import UnitRange
from gan_sntg.errors import InputError
from gan_sntg.evaluation import draw, draw_batches, grid, interpolate_z, png, save_files, save_npz, save_png, z_bank
from gan_sntg.evaluation.samples import GREY, LINE, check_size, class_cells, neighbor_sheet, stretched
from gan_sntg.networks.gan import DenseGenerator


def test_the_same_z_gives_the_same_image_in_any_batch():
    net, z = DenseGenerator((1, 4, 4), widths=(16,)), z_bank(100, 30)
    whole = draw(net, z, UnitRange())
    assert whole.dtype == torch.uint8 and whole.float().std() > 1
    parts = list(draw_batches(net, z, UnitRange(), batch_size=7))
    assert [len(part) for part in parts] == [7, 7, 7, 7, 2] and torch.equal(whole, torch.cat(parts))
    assert torch.equal(whole[:3], draw(net, z[:3], UnitRange()))


def test_batch_statistics_in_training_are_not_those_of_the_bank():
    net, z = DenseGenerator((1, 4, 4), widths=(16,)), z_bank(100, 30)
    before = net(z[:5])
    draw(net, z, UnitRange())
    assert net.training and torch.equal(net(z[:5]), before)
    assert not torch.allclose(net.eval()(z[:5]), before)


def test_the_bank_and_the_z_of_each_seed_differ_and_a_longer_list_starts_with_a_shorter_one():
    banks = [z_bank(100, 5, seed=seed) for seed in (None, 0, 1)]
    assert all(not torch.equal(a, b) for a, b in zip(banks, banks[1:] + banks[:1], strict=True))
    assert all(torch.equal(z_bank(100, 50, seed=seed)[:5], bank) for seed, bank in zip((None, 0, 1), banks, strict=True))
    assert torch.equal(banks[0], torch.rand(5, 100, generator=torch.Generator().manual_seed(0)))


def test_a_path_goes_in_equal_steps_from_one_z_to_the_next():
    ends = z_bank(3, 4)
    found = interpolate_z(ends, 5).view(2, 5, 3)
    assert torch.equal(found[:, 0], ends[::2]) and torch.equal(found[:, -1], ends[1::2])
    for row in range(2):
        for step in range(5):
            a, b = ends[2 * row].double(), ends[2 * row + 1].double()
            torch.testing.assert_close(found[row, step].double(), a + step / 4 * (b - a), atol=1e-6, rtol=0)
    assert 0 <= found.min() and found.max() <= 1


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


def flat(*values: int) -> torch.Tensor:
    """Grey images 1 x 2 x 3 of one value each."""
    return torch.tensor(values, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 3).contiguous()


def cell(picture: torch.Tensor, row: int, column: int) -> torch.Tensor:
    return picture[:, 2 + 4 * row : 4 + 4 * row, 2 + 5 * column : 5 + 5 * column]


def test_a_row_holds_the_images_of_its_class_the_most_confident_first():
    images, classes = flat(10, 20, 30, 40, 50), torch.tensor([2, 0, 2, 2, 0])
    cells = class_cells(images, classes, torch.tensor([0.5, 0.6, 0.9, 0.7, 0.6]), 4)
    assert cells.shape == (4, 3, 1, 2, 3) and cells.dtype == torch.uint8
    assert (cells == cells[..., :1, :1]).all()
    assert cells[..., 0, 0, 0].tolist() == [[20, 50, GREY], [GREY] * 3, [30, 40, 10], [GREY] * 3]


def test_a_grid_has_its_rows_one_below_the_other():
    picture = grid(flat(1, 2, 3, 4, 5, 6), 3)
    assert picture.shape == (3, 10, 17)
    assert [[int(cell(picture, r, c).unique()) for c in range(3)] for r in range(2)] == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("n", [1, 3])
def test_a_line_parts_each_image_from_its_real_ones(n):
    images, real = flat(*range(n)), flat(*range(100, 100 + 2 * n)).unflatten(0, (n, 2))
    picture = neighbor_sheet(images, real)
    for row in range(n):
        assert [int(cell(picture, row, c).unique()) for c in range(3)] == [row, 100 + 2 * row, 101 + 2 * row]
    assert (picture[:, :, 5:7] == torch.tensor(LINE).view(3, 1, 1)).all()
    assert (neighbor_sheet(images, real, scale=3)[:, :, 11:13] == torch.tensor(LINE).view(3, 1, 1)).all()


@pytest.mark.parametrize(("rows", "columns", "scale"), [(224, 224, 1), (100, 100, 3), (1, 1, 300)])
def test_a_sheet_too_large_to_look_at_is_refused_by_its_size(rows, columns, scale):
    with pytest.raises(InputError, match=r"pixels, more than the 50,000,000 that can be looked at; give a smaller --n"):
        check_size(rows, columns, (3, 32, 32), scale)
    check_size(rows, columns, (3, 8, 8), 1)


SHAPE = (3, 4, 5)
IMAGES = torch.randint(256, (10, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
Z = torch.rand(10, 7)


def failing():
    yield IMAGES[:4]
    raise KeyboardInterrupt


def decide(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return images[:, 0, 0, 0].long(), images[:, 0, 0, 1] / 255


@pytest.mark.parametrize("size", [1, 4, 10])
def test_an_npz_holds_every_image_z_class_and_confidence_in_order(tmp_path, size):
    save_npz(tmp_path / "a.npz", IMAGES.split(size), SHAPE, Z, decide)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        assert sorted(found) == ["classes", "confidence", "images", "z"]
        assert found["images"].dtype == np.uint8 and np.array_equal(found["images"], IMAGES.permute(0, 2, 3, 1))
        assert found["z"].dtype == np.float32 and np.array_equal(found["z"], Z)
        assert found["classes"].dtype == np.int64 and np.array_equal(found["classes"], decide(IMAGES)[0])
        assert found["confidence"].dtype == np.float32 and np.array_equal(found["confidence"], decide(IMAGES)[1])


def test_the_same_samples_are_the_same_bytes(tmp_path):
    for name, size in ("a.npz", 3), ("b.npz", 10):
        save_npz(tmp_path / name, IMAGES.split(size), SHAPE, Z, decide)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("there", [False, True])
def test_single_files_are_numbered_and_have_the_images_pixels(tmp_path, there):
    if there:
        (tmp_path / "a").mkdir()
    save_files(tmp_path / "a", IMAGES.split(4))
    files = sorted((tmp_path / "a").iterdir())
    assert [file.name for file in files] == [f"sample_{i:05d}.png" for i in range(10)]
    assert np.array_equal(np.stack([np.asarray(Image.open(file)) for file in files]), IMAGES.permute(0, 2, 3, 1))


def test_what_is_interrupted_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        save_files(tmp_path / "a", failing())
    with pytest.raises(KeyboardInterrupt):
        save_npz(tmp_path / "a.npz", failing(), SHAPE, Z, decide)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_has_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/mine").write_text("mine")
    with pytest.raises(OSError, match="not empty"):
        save_files(tmp_path / "a", [IMAGES])
    assert [str(p.relative_to(tmp_path)) for p in sorted(tmp_path.rglob("*"))] == ["a", "a/mine"]
