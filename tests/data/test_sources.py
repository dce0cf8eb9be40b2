"""Data sets: cuts that never move, and hashes that see every number."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from gan_sntg.data import public


def rows(x: torch.Tensor) -> list[bytes]:
    return sorted(image.numpy().tobytes() for image in x)


def test_the_digits_are_cut_into_1400_and_397_and_every_image_is_kept():
    digits = public.Digits()
    assert digits.train_x.shape == (1400, 1, 8, 8) and digits.test_x.shape == (397, 1, 8, 8)
    assert digits.num_examples == 1400 and digits.image_shape == (1, 8, 8)
    scaled = torch.from_numpy(np.rint(load_digits().images * 255 / 16).astype(np.uint8)).unsqueeze(1)
    assert rows(torch.cat([digits.train_x, digits.test_x])) == rows(scaled)
    assert digits.train_x.dtype == torch.uint8 and digits.train_y.dtype == torch.int64
    assert digits.train_x.min() == 0 and digits.train_x.max() == 255


def test_the_labels_of_the_digits_stay_with_their_images():
    digits, given = public.Digits(), load_digits()
    known = {np.rint(image * 255 / 16).astype(np.uint8).tobytes(): y for image, y in zip(given.images, given.target, strict=True)}
    for x, y in (digits.train_x, digits.train_y), (digits.test_x, digits.test_y):
        assert [known[image.numpy().tobytes()] for image in x] == y.tolist()


def test_the_cuts_of_the_digits_are_stratified():
    digits = public.Digits()
    shares = torch.bincount(torch.cat([digits.train_y, digits.test_y])) / 1797
    for y in digits.test_y, digits.train_y[digits.validation]:
        torch.testing.assert_close(torch.bincount(y).float(), shares * len(y), atol=1, rtol=0)


def test_the_400_validation_images_are_distinct_training_images():
    validation = public.Digits().validation
    assert len(validation.unique()) == 400 and validation.min() >= 0 and validation.max() < 1400


def test_the_cut_of_the_digits_depends_on_no_seed():
    np.random.seed(1)
    a = public.Digits()
    np.random.seed(2)
    b = public.Digits()
    assert a.sha256 == b.sha256 and torch.equal(a.validation, b.validation)


@pytest.mark.parametrize("part", ["train_x", "train_y", "test_x", "test_y"])
def test_the_hash_of_the_data_sees_one_changed_number(part):
    plain, changed = public.Digits(), public.Digits()
    getattr(changed, part).view(-1)[7] += 1
    assert changed.sha256 != plain.sha256
