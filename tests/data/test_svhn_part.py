"""The part of SVHN: cut where it should be, and refused where it is another file."""

import numpy as np
import pytest
from helpers.data_files import npz

from gan_sntg.data import public
from gan_sntg.errors import InputError


@pytest.fixture
def small_part(tmp_path):
    """svhn_part.npz of the right shape, where each image has its own number in its first pixels."""

    def write(**changes):
        parts = {}
        for part, n in ("train", 1083), ("test", 10_000):
            x = np.zeros((n, 32, 32, 3), np.uint8)
            x[:, 0, 0, 0], x[:, 0, 1, 0] = np.arange(n) // 256, np.arange(n) % 256
            parts |= {f"{part}_x": x, f"{part}_y": (np.arange(n) % 10).astype(np.uint8)}
        npz(tmp_path / "svhn_part.npz", **(parts | changes))
        return public.SVHNPart(str(tmp_path))

    return write


def test_the_part_of_svhn_is_cut_where_no_house_number_is_on_both_sides(small_part):
    part = small_part()
    number = part.train_x[:, 0, 0, 0].int() * 256 + part.train_x[:, 0, 0, 1].int()
    assert number.tolist() == [*range(1083), *range(7500)] and part.name == "svhn_part"
    assert (part.test_x[:, 0, 0, 0].int() * 256 + part.test_x[:, 0, 0, 1].int()).tolist() == list(range(7510, 10_000))
    assert part.train_y.tolist() == [i % 10 for i in [*range(1083), *range(7500)]] and part.test_y[0] == 0
    assert part.validation.tolist() == list(range(7000, 8583)) and part.image_shape == (3, 32, 32)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"train_x": np.zeros((1083, 3, 32, 32), np.uint8)}, "train_x is not uint8"),
        ({"test_x": np.zeros((10_000, 32, 32, 3), np.float16)}, "test_x is not uint8"),
        ({"train_y": np.zeros(1082, np.uint8)}, "train_x is not uint8 .* with 1083 labels"),
        ({"test_y": np.full(10_000, 10, np.uint8)}, "the labels run from 0 to 10, not in 0..9"),
        ({"test_y": np.zeros(10_000)}, "test_x is not uint8 .* with 10000 labels"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_part_of_another_content_is_refused(small_part, changes, reason):
    with pytest.raises(InputError, match=f"svhn_part.npz: {reason}"):
        small_part(**changes)
