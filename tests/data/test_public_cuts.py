"""Cuts of the public sets: the digits, the part of SVHN, and what is published of the real files."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from gan_sntg.data import TwoMoons, public
from gan_sntg.errors import InputError


def test_the_digits_are_cut_into_1400_and_397_and_every_image_is_kept_with_its_label():
    digits, given = public.Digits(), load_digits()
    assert digits.train_x.shape == (1400, 1, 8, 8) and digits.test_x.shape == (397, 1, 8, 8)
    assert digits.num_examples == 1400 and digits.image_shape == (1, 8, 8)
    scaled = np.rint(given.images * 255 / 16).astype(np.uint8)
    found = zip(torch.cat([digits.train_x, digits.test_x]), torch.cat([digits.train_y, digits.test_y]), strict=True)
    expected = sorted((x.tobytes(), y) for x, y in zip(scaled, given.target, strict=True))
    assert sorted((x.numpy().tobytes(), int(y)) for x, y in found) == expected
    assert digits.train_x.dtype == torch.uint8 and digits.train_y.dtype == torch.int64
    assert digits.train_x.min() == 0 and digits.train_x.max() == 255


def test_the_cuts_of_the_digits_are_stratified():
    digits = public.Digits()
    shares = torch.bincount(torch.cat([digits.train_y, digits.test_y])) / 1797
    for y in digits.test_y, digits.train_y[digits.validation]:
        torch.testing.assert_close(torch.bincount(y).float(), shares * len(y), atol=1, rtol=0)


def test_the_cut_of_the_digits_depends_on_no_seed_and_its_400_validation_images_are_distinct_training_images():
    np.random.seed(1)
    a = public.Digits()
    np.random.seed(2)
    b = public.Digits()
    assert a.sha256 == b.sha256 and torch.equal(a.validation, b.validation)
    assert len(a.validation.unique()) == 400 and a.validation.min() >= 0 and a.validation.max() < 1400


@pytest.mark.parametrize("part", ["train_x", "train_y", "test_x", "test_y"])
@pytest.mark.parametrize("source", [public.Digits, TwoMoons])
def test_the_hash_of_the_data_sees_one_changed_number(source, part):
    plain, changed = source(), source()
    flat = getattr(changed, part).view(-1)
    flat[7] = torch.nextafter(flat[7], torch.tensor(9.0)) if flat.is_floating_point() else flat[7] + 1
    assert changed.sha256 != plain.sha256


@pytest.fixture
def small_part(tmp_path):
    """svhn_part.npz of the right shape, where each image has its own number in its first pixels."""

    def write(**changes):
        parts = {}
        for part, n in ("train", 1083), ("test", 10_000):
            x = np.zeros((n, 32, 32, 3), np.uint8)
            x[:, 0, 0, 0], x[:, 0, 1, 0] = np.arange(n) // 256, np.arange(n) % 256
            parts |= {f"{part}_x": x, f"{part}_y": (np.arange(n) % 10).astype(np.uint8)}
        np.savez(tmp_path / "svhn_part.npz", **(parts | changes))
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
        ({"test_y": np.full(10_000, 10, np.uint8)}, "test_x is not uint8 .* with 10000 labels in 0..9"),
        ({"test_y": np.zeros(10_000)}, "test_x is not uint8 .* with 10000 labels"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_part_of_another_content_is_refused(small_part, changes, reason):
    with pytest.raises(InputError, match=f"svhn_part.npz: {reason}"):
        small_part(**changes)


def statistics(x: torch.Tensor) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel of x / 255, to four digits."""
    values, found = torch.arange(256, dtype=torch.float64) / 255, []
    for channel in x.transpose(0, 1):
        share = torch.bincount(channel.flatten(), minlength=256) / channel.numel()
        mean = float(share.double() @ values)
        found.append((round(mean, 4), round(float(share.double() @ (values - mean) ** 2) ** 0.5, 4)))
    return [mean for mean, _ in found], [std for _, std in found]


TRAIN, TEST = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949], [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
REAL = {
    "MNIST": (TRAIN, TEST, [0.1307], [0.3081]),
    "CIFAR10": ([5000] * 10, [1000] * 10, [0.4914, 0.4822, 0.4465], [0.247, 0.2435, 0.2616]),
    "CIFAR100": ([500] * 100, [100] * 100, [0.5071, 0.4865, 0.4409], [0.2673, 0.2564, 0.2762]),
    "FashionMNIST": (60_000, 10_000),
    "SVHN": (73_257, 26_032),
}


@pytest.mark.parametrize("name", REAL)
def test_the_published_set_has_its_counts_and_statistics(real, name):
    source = getattr(public, name)(real(*getattr(public, name).files))
    assert source.image_shape == source.shape
    counts = [torch.bincount(y).tolist() for y in (source.train_y, source.test_y)]
    every = tuple(map(sum, counts)), (*counts, *statistics(source.train_x))
    assert REAL[name] in every and len(counts[0]) == source.num_classes and min(counts[0]) > 0


@pytest.mark.parametrize(("kind", "of"), [(public.MNIST10k, public.MNIST), (public.FashionMNIST10k, public.FashionMNIST)])
def test_the_cpu_sized_set_is_a_sixth_of_it_and_keeps_the_test_images(real, kind, of):
    part, whole = kind(real(*of.files)), of(real(*of.files))
    assert torch.equal(part.train_x, whole.train_x[:10_000]) and torch.equal(part.test_y, whole.test_y)
    assert part.validation.tolist() == list(range(8_000, 10_000)) and part.sha256 != whole.sha256


def test_the_real_part_of_svhn_has_its_counts(real):
    part = public.SVHNPart(real("svhn_part.npz"))
    assert part.train_x.shape == (8583, 3, 32, 32) and part.test_x.shape == (2490, 3, 32, 32)
    assert torch.bincount(part.test_y).tolist() == [173, 517, 394, 268, 215, 223, 193, 209, 151, 147]
