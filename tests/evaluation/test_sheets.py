"""Sheets: every image in its place, empty cells grey, and none that is too large to look at."""

import pytest
import torch

from gan_sntg.errors import InputError
from gan_sntg.evaluation.samples import GREY, LINE, beside, by_class, check_size, sheet


def flat(*values: int) -> torch.Tensor:
    """Grey images 1 x 2 x 3 of one value each."""
    return torch.tensor(values, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 3).contiguous()


def cell(picture: torch.Tensor, row: int, column: int) -> torch.Tensor:
    return picture[:, 2 + 4 * row : 4 + 4 * row, 2 + 5 * column : 5 + 5 * column]


def test_a_row_holds_the_images_of_its_class_the_most_confident_first():
    images, classes = flat(10, 20, 30, 40, 50), torch.tensor([2, 0, 2, 2, 0])
    cells = by_class(images, classes, torch.tensor([0.5, 0.6, 0.9, 0.7, 0.6]), 4)
    assert cells.shape == (4, 3, 1, 2, 3) and cells.dtype == torch.uint8
    assert (cells == cells[..., :1, :1]).all()
    assert cells[..., 0, 0, 0].tolist() == [[20, 50, GREY], [GREY] * 3, [30, 40, 10], [GREY] * 3]


def test_a_sheet_has_its_rows_one_below_the_other():
    picture = sheet(flat(1, 2, 3, 4, 5, 6).unflatten(0, (2, 3)))
    assert picture.shape == (3, 10, 17)
    assert [[int(cell(picture, r, c).unique()) for c in range(3)] for r in range(2)] == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("n", [1, 3])
def test_a_line_parts_each_image_from_its_real_ones(n):
    images, real = flat(*range(n)), flat(*range(100, 100 + 2 * n)).unflatten(0, (n, 2))
    picture = beside(images, real)
    for row in range(n):
        assert [int(cell(picture, row, c).unique()) for c in range(3)] == [row, 100 + 2 * row, 101 + 2 * row]
    assert (picture[:, :, 5:7] == torch.tensor(LINE).view(3, 1, 1)).all()
    assert (beside(images, real, scale=3)[:, :, 11:13] == torch.tensor(LINE).view(3, 1, 1)).all()


@pytest.mark.parametrize(("rows", "columns", "scale"), [(224, 224, 1), (100, 100, 3), (1, 1, 300)])
def test_a_sheet_too_large_to_look_at_is_refused_by_its_size(rows, columns, scale):
    with pytest.raises(InputError, match=r"pixels, more than the 50,000,000 that can be looked at; give a smaller --n"):
        check_size(rows, columns, (3, 32, 32), scale)
    check_size(rows, columns, (3, 8, 8), 1)
