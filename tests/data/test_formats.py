"""Reading idx and MATLAB files: exact where they are right, refused where not."""

import gzip
import pickle

import numpy as np
import pytest
import torch
from helpers.data_files import idx, mat

from gan_sntg.data import formats
from gan_sntg.data.formats import read_batch, read_idx, read_mat
from gan_sntg.errors import InputError

G = np.random.default_rng(0)


@pytest.fixture
def file(tmp_path):
    def write(data: bytes, name: str = "file"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", ["plain", "packed.gz"])
def test_idx_files_are_read_as_they_were_written_packed_or_not(file, name):
    array = G.integers(0, 256, (4, 5, 6), dtype=np.uint8)
    data = gzip.compress(idx(array)) if name.endswith("gz") else idx(array)
    assert np.array_equal(read_idx(file(data, name), 3), array)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\x08",
        idx(np.zeros(3)),
        idx(np.zeros((0, 3, 4))),
        idx(np.zeros((2, 3, 4)))[:-1],
        idx(np.zeros((2, 3, 4))) + b"0",
        b"\0\0\x0d\3" + bytes(100),
    ],
    ids=["empty", "header only", "other dimensions", "no image", "short", "long", "floats"],
)
def test_what_is_no_idx_file_of_three_dimensions_is_refused(file, data):
    with pytest.raises(InputError, match="file.*fetch it again"):
        read_idx(file(data), 3)


def test_a_damaged_gzip_file_is_refused(file):
    packed = gzip.compress(idx(np.zeros((2, 3, 4))))
    for data in packed[:-3], packed[:10], b"text", packed[:12] + b"\xff\xff\xff" + packed[15:]:
        with pytest.raises(InputError, match="a.gz"):
            read_idx(file(data, "a.gz"), 3)


def test_what_follows_a_gzip_stream_or_unpacks_to_too_much_is_refused(file, monkeypatch):
    packed = gzip.compress(idx(np.zeros((2, 3, 4))))
    with pytest.raises(InputError, match="a.gz cannot be unpacked .it is cut off, has something behind it"):
        read_idx(file(packed + b"0", "a.gz"), 3)
    monkeypatch.setattr(formats, "MOST_BYTES", 40)
    assert read_idx(file(packed, "a.gz"), 3).shape == (2, 3, 4)
    monkeypatch.setattr(formats, "MOST_BYTES", 39)
    with pytest.raises(InputError, match="holds more than 39 bytes"):
        read_idx(file(packed, "a.gz"), 3)


@pytest.mark.parametrize("labels", [[], [-1, 2], [2**63, 1], [1.0, 2], [True, 1], [1], "ab"], ids=str)
def test_a_batch_without_as_many_whole_labels_as_images_is_refused(file, labels):
    data = {b"data": np.zeros((2 if labels else 0, 3072), np.uint8), b"labels": labels}
    with pytest.raises(InputError, match="file: data is not uint8 .n, 3072. beside n whole labels"):
        read_batch(file(pickle.dumps(data, 4)), "labels")
    assert read_batch(file(pickle.dumps(data | {b"data": np.zeros((2, 3072), np.uint8), b"labels": [7, 1]}, 4)), "labels")[1].tolist() == [
        7,
        1,
    ]


def test_the_axes_of_svhns_x_are_turned_and_its_label_10_is_the_digit_0(file):
    x, y = G.integers(0, 256, (32, 32, 3, 5), dtype=np.uint8), np.array([[10], [1], [9], [10], [5]], np.uint8)
    images, labels = read_mat(file(mat(X=x, y=y)))
    assert labels.tolist() == [0, 1, 9, 0, 5] and labels.dtype == torch.int64
    assert images.shape == (5, 3, 32, 32) and images.is_contiguous()
    for n, c, i, j in [(0, 0, 0, 0), (4, 2, 31, 30), (2, 1, 7, 19)]:
        assert images[n, c, i, j] == x[i, j, c, n]


GOOD_X, GOOD_Y = np.zeros((32, 32, 3, 4), np.uint8), np.ones((4, 1), np.uint8)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.zeros((4, 32, 32, 3), np.uint8), GOOD_Y),
        (np.zeros((32, 32, 4), np.uint8), GOOD_Y),
        (np.zeros((28, 28, 3, 4), np.uint8), GOOD_Y),
        (GOOD_X.astype(float), GOOD_Y),
        (GOOD_X, GOOD_Y[:3]),
        (GOOD_X, 0 * GOOD_Y),
        (GOOD_X, 11 * GOOD_Y),
        (GOOD_X, GOOD_Y * 1.5),
        (GOOD_X, GOOD_Y * np.nan),
        (GOOD_X[..., :0], GOOD_Y[:0]),
    ],
    ids=["axes", "grey", "size", "floats", "labels", "label 0", "label 11", "label 1.5", "label NaN", "nothing"],
)
def test_a_mat_file_of_the_wrong_shape_or_labels_is_refused(file, x, y):
    with pytest.raises(InputError, match="bad.mat.*fetch it again"):
        read_mat(file(mat(X=x, y=y), "bad.mat"))


def test_what_is_no_mat_file_or_lacks_an_array_is_refused(file):
    whole = mat(X=GOOD_X, y=GOOD_Y)
    for data in b"", b"text" * 100, whole[:200], whole[:-20], mat(X=GOOD_X), mat(X=GOOD_X, y={"a": 1}):
        with pytest.raises(InputError, match="bad.mat.*fetch it again"):
            read_mat(file(data, "bad.mat"))
