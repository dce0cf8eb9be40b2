"""How are samples laid out for the eye? Sheets of rows of images: by class, along lines of z, beside their nearest real images."""

import torch
from torch import Tensor

from gan_sntg.core.errors import InputError
from gan_sntg.samples import grid

MOST_PIXELS = 50_000_000  # of a sheet; viewers warn of more than 89 million
PADDING, GREY = 2, 128  # as `grid` has them
LINE = (255, 160, 0)  # told from the pixels on both sides of it, grey or not


def check_size(rows: int, columns: int, image_shape: tuple[int, ...], scale: int) -> None:
    """Raise InputError where a sheet of so many images [C, H, W] would be too large to look at."""
    height, width = (cells * (side * scale + PADDING) + PADDING for cells, side in zip((rows, columns), image_shape[1:], strict=True))
    if height * width > MOST_PIXELS:
        raise InputError(
            f"{rows:,} x {columns:,} images make a picture of {width:,} x {height:,} pixels, more than the {MOST_PIXELS:,} that can be "
            "looked at; give a smaller --n or --scale, or write them as --kind png or npz"
        )


def sheet(cells: Tensor, scale: int = 1) -> Tensor:
    """One picture uint8 [3, H', W'] of rows of images: cells uint8 [rows, columns, C, H, W]."""
    return grid(cells.flatten(0, 1), columns=cells.shape[1], scale=scale)


def by_class(images: Tensor, classes: Tensor, confidence: Tensor, num_classes: int) -> Tensor:
    """Cells [num_classes, columns, C, H, W]: row k holds all images of class k, the most confident first, then grey cells.

    images uint8 [n, C, H, W], classes and confidence [n].
    """
    order = confidence.argsort(descending=True, stable=True)
    rows = [order[classes[order] == k] for k in range(num_classes)]
    cells = torch.full((num_classes, max(map(len, rows)), *images.shape[1:]), GREY, dtype=torch.uint8)
    for row, members in zip(cells, rows, strict=True):
        row[: len(members)] = images[members]
    return cells


def beside(images: Tensor, real: Tensor, scale: int = 1) -> Tensor:
    """One picture uint8 [3, H', W']: each row an image, a thin line, and its own real ones. images [n, C, H, W], real [n, k, C, H, W]."""
    picture = sheet(torch.cat([images.unsqueeze(1), real], 1), scale)
    start = PADDING + images.shape[3] * scale
    picture[:, :, start : start + PADDING] = torch.tensor(LINE, dtype=torch.uint8).view(3, 1, 1)
    return picture
