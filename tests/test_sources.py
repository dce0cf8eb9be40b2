"""Data sets: cuts that never move, and files that are checked before they are read."""

import socket

import numpy as np
import pytest
import torch
import torchvision
from sklearn.datasets import load_digits

from gan_sntg.core.data import sources
from gan_sntg.core.errors import InputError

IMAGES, LABELS = "MNIST/raw/train-images-idx3-ubyte", "MNIST/raw/train-labels-idx1-ubyte"


def rows(x: torch.Tensor) -> list[bytes]:
    return sorted(image.numpy().tobytes() for image in x)


def test_the_digits_are_cut_into_1400_and_397_and_every_image_is_kept():
    digits = sources.Digits()
    assert digits.train_x.shape == (1400, 1, 8, 8) and digits.test_x.shape == (397, 1, 8, 8)
    assert digits.num_examples == 1400 and digits.image_shape == (1, 8, 8)
    scaled = torch.from_numpy(np.rint(load_digits().images * 255 / 16).astype(np.uint8)).unsqueeze(1)
    assert rows(torch.cat([digits.train_x, digits.test_x])) == rows(scaled)
    assert digits.train_x.dtype == torch.uint8 and digits.train_y.dtype == torch.int64
    assert digits.train_x.min() == 0 and digits.train_x.max() == 255


def test_the_labels_of_the_digits_stay_with_their_images():
    digits, given = sources.Digits(), load_digits()
    known = {np.rint(image * 255 / 16).astype(np.uint8).tobytes(): y for image, y in zip(given.images, given.target, strict=True)}
    for x, y in (digits.train_x, digits.train_y), (digits.test_x, digits.test_y):
        assert [known[image.numpy().tobytes()] for image in x] == y.tolist()


def test_the_cuts_of_the_digits_are_stratified():
    digits = sources.Digits()
    shares = torch.bincount(torch.cat([digits.train_y, digits.test_y])) / 1797
    for y in digits.test_y, digits.train_y[digits.validation]:
        torch.testing.assert_close(torch.bincount(y).float(), shares * len(y), atol=1, rtol=0)


def test_the_400_validation_images_are_distinct_training_images():
    validation = sources.Digits().validation
    assert len(validation.unique()) == 400 and validation.min() >= 0 and validation.max() < 1400


def test_the_cut_of_the_digits_depends_on_no_seed():
    np.random.seed(1)
    a = sources.Digits()
    np.random.seed(2)
    b = sources.Digits()
    assert a.sha256 == b.sha256 and torch.equal(a.validation, b.validation)


@pytest.mark.parametrize("part", ["train_x", "train_y", "test_x", "test_y"])
def test_the_hash_of_the_data_sees_one_changed_number(part):
    plain, changed = sources.Digits(), sources.Digits()
    getattr(changed, part).view(-1)[7] += 1
    assert changed.sha256 != plain.sha256


def test_mnist_is_read_as_its_files_hold_it(small_mnist):
    mnist = sources.MNIST(str(small_mnist))
    pixels = np.frombuffer((small_mnist / IMAGES).read_bytes()[16:], np.uint8).reshape(120, 1, 5, 6)
    assert np.array_equal(mnist.train_x, pixels) and mnist.train_x.dtype == torch.uint8
    assert mnist.train_y.tolist() == [i % 10 for i in range(120)] and mnist.test_y.tolist() == [i % 10 for i in range(30)]
    assert mnist.image_shape == (1, 5, 6) and mnist.test_x.shape == (30, 1, 5, 6)


def test_the_last_sixth_of_mnists_training_images_is_for_validation(small_mnist):
    assert sources.MNIST(str(small_mnist)).validation.tolist() == list(range(100, 120))


@pytest.mark.parametrize("k", range(4))
@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:-1] + bytes([data[-1] ^ 1]), lambda data: b""])
def test_a_truncated_or_altered_file_is_refused_by_name(small_mnist, k, damage):
    path = small_mnist / sources.MNIST.files[k]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=f"{path.name} is not the published file.*truncated or altered; delete it and fetch it again"):
        sources.MNIST(str(small_mnist))


@pytest.mark.parametrize("k", range(4))
def test_a_missing_file_is_refused_with_the_ways_to_give_it(small_mnist, k):
    path = small_mnist / sources.MNIST.files[k]
    path.unlink()
    with pytest.raises(InputError, match=f"{path.name} does not exist.*--data.root.*GAN_SNTG_DATA.*--data.download"):
        sources.MNIST(str(small_mnist))


def test_the_root_is_the_argument_then_the_variable_then_data(small_mnist, monkeypatch):
    monkeypatch.chdir(small_mnist.parent)
    monkeypatch.delenv("GAN_SNTG_DATA", raising=False)
    assert sources.MNIST().num_examples == 120
    monkeypatch.setenv("GAN_SNTG_DATA", "elsewhere")
    assert sources.MNIST("data").num_examples == 120
    with pytest.raises(InputError, match="elsewhere/MNIST"):
        sources.MNIST()


def test_files_that_are_there_are_used_offline_even_where_download_is_asked_for(small_mnist, monkeypatch):
    def no_network(*arguments, **named):
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    assert sources.MNIST(str(small_mnist), download=True).num_examples == 120


def test_a_failed_download_says_what_to_do(small_mnist, monkeypatch):
    def offline(*arguments, **named):
        raise RuntimeError("no route")

    monkeypatch.setattr(torchvision.datasets, "MNIST", offline)
    with pytest.raises(InputError, match="could not be downloaded.*no route.*put the idx files into"):
        sources.MNIST(str(small_mnist), download=True)


def test_the_published_mnist_is_the_one_we_know(real_mnist):
    mnist = sources.MNIST(real_mnist)
    assert mnist.train_x.shape == (60_000, 1, 28, 28) and mnist.test_x.shape == (10_000, 1, 28, 28)
    assert torch.bincount(mnist.test_y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist.validation.tolist() == list(range(50_000, 60_000))
