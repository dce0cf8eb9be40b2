"""Exact nearest neighbours, in pixel space by blocked products or by features (Sec. 5.3)."""

from collections.abc import Iterator

import torch
from torch import Tensor

from gan_sntg.errors import InputError

BLOCK = 2000  # images of either side whose float64 copies and distances are held at once
ROWS = 256  # features whose distances to all others are held at once


def nearest(x: Tensor, k: int, device: torch.device | None = None) -> Iterator[Tensor]:
    """The k nearest others of each image in raw pixels, nearest first; of equally near ones the first.

    x uint8 [N, ...] -> int32 [b, k] of one BLOCK of images after another, computed when asked for, on x's device or another. Exact: on
    bytes all sums are whole numbers that float64 holds, and x / 255 has the same order. Raises InputError, at once, unless 1 <= k < N and
    x is uint8.
    """
    if x.dtype != torch.uint8:
        raise InputError(f"neighbours are found among images of bytes, but these data are {x.dtype} {list(x.shape[1:])}; choose other data")
    _check_count(k, len(x) - 1, f"the others of {len(x)}")
    return (_nearest_of(x[start : start + BLOCK].to(device or x.device), x, k, start) for start in range(0, len(x), BLOCK))


def nearest_to(images: Tensor, x: Tensor, k: int) -> Tensor:
    """The k nearest of x to each image: int32 [b, k], as `nearest`. Raises InputError unless 1 <= k <= N."""
    _check_count(k, len(x), f"{len(x)}")
    return torch.cat([_nearest_of(block, x, k) for block in images.to(x.device).split(BLOCK)])


def nearest_rows(h: Tensor, others: Tensor, k: int) -> Tensor:
    """The k nearest of others [N, D] to each row of h [b, D] by float64 distances: int64 [b, k]."""
    _check_count(k, len(others), f"{len(others)}")
    others = others.double()
    return torch.cat([torch.cdist(rows.double(), others).topk(k, largest=False).indices for rows in h.split(ROWS)])


def _check_count(k: int, n: int, among: str) -> None:
    if not 1 <= k <= n:
        raise InputError(f"{k} neighbours cannot be found among {among} images; give k in 1..{n}")


def _nearest_of(images: Tensor, x: Tensor, k: int, own: int | None = None) -> Tensor:
    """Neighbours int32 [b, k] in x of one block's b images; own: where they begin in x, if of x.

    Their order in row i is that of the numbers N (|x_j|^2 - 2 x_i . x_j) + j, the distance less what all of the row share,
    then the place; below 2^53 as long as N times the pixels of an image is below 2^36.
    """
    n, images = len(x), images.flatten(1).double()
    best = torch.empty(len(images), 0, dtype=torch.float64, device=images.device)
    for first in range(0, n, BLOCK):
        others = x[first : first + BLOCK].to(images.device).flatten(1).double()
        place = torch.arange(first, first + len(others), device=images.device)
        keys = torch.addmm(n * others.square().sum(1) + place, images, others.T, alpha=-2 * n)
        if first == own:
            keys.fill_diagonal_(torch.inf)
        keys = torch.cat([best, keys], 1)
        best = keys.topk(min(k, keys.shape[1]), largest=False).values
    return best.remainder(n).int()
