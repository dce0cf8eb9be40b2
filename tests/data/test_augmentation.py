"""Flips and translations: equal to a loop over images, drawn from the given generator alone, after whitening."""

import pytest
import torch

from gan_sntg.data.augmentation import Augmentation, translate
from gan_sntg.data.normalization import PerImage
from gan_sntg.errors import InputError


def naive(x: torch.Tensor, shifts, flips) -> torch.Tensor:
    """Pixel by pixel: mirrored, padded by reflection, moved."""

    def reflect(i: int, n: int) -> int:
        i = -i if i < 0 else i
        return 2 * (n - 1) - i if i >= n else i

    y = torch.empty_like(x)
    batch, channels, height, width = x.shape
    for b in range(batch):
        for i in range(height):
            for j in range(width):
                row, column = reflect(i + int(shifts[b][0]), height), reflect(j + int(shifts[b][1]), width)
                y[b, :, i, j] = x[b, :, row, width - 1 - column if flips[b] else column]
    return y


@pytest.mark.parametrize("shape", [(25, 3, 6, 5), (25, 1, 3, 3), (1, 2, 8, 4)])
def test_translation_equals_a_naive_loop(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    grid = torch.cartesian_prod(torch.arange(-2, 3), torch.arange(-2, 3))[: shape[0]]
    assert torch.equal(translate(x, grid, 2), naive(x, grid, [False] * len(x)))


def test_the_class_draws_flips_then_shifts_and_applies_them_in_that_order():
    x = torch.randn(40, 3, 6, 5, generator=torch.Generator().manual_seed(1))
    y = Augmentation(translation=2, flip=True)(x, torch.Generator().manual_seed(2))
    g = torch.Generator().manual_seed(2)
    flips, shifts = torch.rand(40, generator=g) < 0.5, torch.randint(-2, 3, (40, 2), generator=g)
    assert torch.equal(y, naive(x, shifts, flips))


def test_every_shift_and_flip_occurs_equally_often():
    x = torch.arange(35.0).view(1, 1, 5, 7).expand(20_000, 1, 5, 7)
    y = Augmentation(translation=2, flip=True)(x, torch.Generator().manual_seed(0))
    _, counts = y.flatten(1).unique(dim=0, return_counts=True)
    assert len(counts) == 50 and (counts - 400).abs().max() < 5 * 20


def test_nothing_but_the_generator_decides_and_a_seed_repeats():
    x, augment = torch.randn(30, 1, 6, 6), Augmentation(translation=2, flip=True)
    state = torch.get_rng_state()
    a = augment(x, torch.Generator().manual_seed(5))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(a, augment(x, torch.Generator().manual_seed(5))) and not torch.equal(a, augment(x, torch.Generator().manual_seed(6)))


def test_what_is_off_changes_nothing_and_draws_nothing():
    x, g = torch.randn(10, 1, 6, 6), torch.Generator().manual_seed(0)
    state = g.get_state()
    assert torch.equal(Augmentation()(x, g), x) and torch.equal(g.get_state(), state)
    flipped = Augmentation(flip=True)(x, g)
    assert all(torch.equal(a, b) or torch.equal(a, b.flip(2)) for a, b in zip(flipped, x, strict=True)) and not torch.equal(flipped, x)


def test_two_views_can_share_the_flip():
    x, augment, g = torch.randn(200, 1, 6, 6), Augmentation(translation=1, flip=True), torch.Generator().manual_seed(0)
    flipped = augment.flipped(x, g)
    a, b = augment.translated(flipped, g), augment.translated(flipped, g)
    inner = slice(1, -1)  # what a shift by one leaves inside is the flipped image's own
    for view in a, b:
        for k in range(200):
            shifts = [flipped[k, :, 1 + dy : 5 + dy, 1 + dx : 5 + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
            assert any(torch.equal(view[k, :, inner, inner], part) for part in shifts)
    assert not torch.equal(a, b)


def test_the_order_is_whiten_then_move_for_moving_first_would_change_the_statistics():
    x = torch.randint(0, 256, (16, 3, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    y = Augmentation(translation=2)(PerImage()(x), torch.Generator().manual_seed(1))
    before, after = PerImage()(x).flatten(1), y.flatten(1)
    assert all(set(after[k].tolist()) <= set(before[k].tolist()) for k in range(16))  # the whitened values themselves, moved
    moved_first = PerImage()(Augmentation(translation=2)(x.float(), torch.Generator().manual_seed(1)))
    assert not torch.allclose(moved_first, y)


def test_gradients_reach_the_image():
    x = torch.randn(4, 1, 6, 6, dtype=torch.float64, requires_grad=True)
    Augmentation(translation=2, flip=True)(x, torch.Generator().manual_seed(0)).sum().backward()
    assert x.grad.sum() == x.numel()


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="translation is -1"):
        Augmentation(translation=-1)
    with pytest.raises(InputError, match="a translation by 5 cannot be reflected in images of 5 x 9"):
        Augmentation(translation=5)(torch.zeros(2, 1, 5, 9), torch.Generator())
    assert Augmentation(translation=4)(torch.zeros(2, 1, 5, 9), torch.Generator()).shape == (2, 1, 5, 9)
