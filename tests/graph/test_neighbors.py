"""The nearest images against a naive double loop in float64, with ties, duplicates and blocks of any size."""

import pytest
import torch

from gan_sntg.errors import InputError
from gan_sntg.graph import neighbors
from gan_sntg.graph.neighbors import nearest, nearest_rows, nearest_to


def images(n: int, shape: tuple[int, ...], values: int, seed: int = 0) -> torch.Tensor:
    """uint8 [n, *shape] of as many different values, spread over 0..255; few values make ties and duplicates."""
    drawn = torch.randint(values, (n, *shape), generator=torch.Generator().manual_seed(seed))
    return (drawn * 255 // (values - 1)).to(torch.uint8)


def found(x: torch.Tensor, k: int) -> list[list[int]]:
    return torch.cat(list(nearest(x, k))).tolist()


def naive(rows: torch.Tensor, others: torch.Tensor, k: int) -> list[list[int]]:
    """By the squared distance and, where equal, by the place; without the image itself where both are the same."""
    a, b = rows.flatten(1).double(), others.flatten(1).double()
    places = [[j for j in range(len(b)) if rows is not others or j != i] for i in range(len(a))]
    return [sorted(js, key=lambda j, row=row: (float((row - b[j]).square().sum()), j))[:k] for row, js in zip(a, places, strict=True)]


@pytest.mark.parametrize("block", [1, 7, 20, 1000])
@pytest.mark.parametrize(("shape", "values"), [((3, 4, 4), 256), ((1, 2, 2), 2), ((1, 3, 1), 3)], ids=["distinct", "binary", "ternary"])
@pytest.mark.parametrize("k", [1, 5, 39])
def test_the_nearest_equal_a_naive_double_loop_in_blocks_of_any_size(block, shape, values, k, monkeypatch):
    monkeypatch.setattr(neighbors, "BLOCK", block)
    x = images(40, shape, values)
    assert found(x, k) == naive(x, x, k)
    assert torch.cat(list(nearest(x, k))).dtype == torch.int32


def test_distances_that_float32_cannot_tell_apart_are_told_apart():
    x = torch.full((3, 3, 32, 32), 255, dtype=torch.uint8)
    x[0] = 0
    x[1, 0, 0, :2] = torch.tensor([7, 4])
    x[2, 0, 0, :2] = torch.tensor([8, 0])  # 64 instead of 65 in a square of 199,626,815, where float32 has steps of 16
    assert found(x, 2)[0] == [2, 1]


FINDS = [(nearest, 4), (lambda x, k: nearest_to(x, x, k), 5), (lambda x, k: nearest_rows(x.flatten(1).float(), x.flatten(1).float(), k), 5)]


@pytest.mark.parametrize(("find", "most"), FINDS)
@pytest.mark.parametrize("k", [0, -1, 1, 2])
def test_more_neighbours_than_images_are_refused_at_once(find, most, k):
    k = k if k < 1 else most + k
    among = "among the others of 5 images" if most == 4 else "among 5 images"
    with pytest.raises(InputError, match=rf"{k} neighbours cannot be found {among}; give k in 1\.\.{most}"):
        find(images(5, (1, 2, 2), 256), k)


def test_points_are_refused_whose_distances_are_no_whole_numbers():
    with pytest.raises(InputError, match=r"images of bytes, but these data are torch.float32 \[2\]"):
        nearest(torch.rand(6, 2), 2)


@pytest.mark.parametrize("block", [1, 7, 1000])
@pytest.mark.parametrize("values", [2, 256])
def test_the_nearest_to_other_images_equal_a_naive_double_loop(block, values, monkeypatch):
    monkeypatch.setattr(neighbors, "BLOCK", block)
    others, x = images(12, (1, 3, 3), values, seed=1), images(40, (1, 3, 3), values)
    for k in 1, 5, 40:
        assert nearest_to(others, x, k).tolist() == naive(others, x, k)


@pytest.mark.parametrize("rows", [1, 5, 1000])
def test_the_nearest_features_equal_a_naive_double_loop(rows, monkeypatch):
    monkeypatch.setattr(neighbors, "ROWS", rows)
    generator = torch.Generator().manual_seed(0)
    h, others = (torch.randn(n, 6, generator=generator) for n in (9, 50))
    assert nearest_rows(h, others, 4).tolist() == naive(h, others, 4)
