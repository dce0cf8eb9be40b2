"""CIFAR's pickled batches: read exactly, never executed, refused where they hold anything else."""

import os
import pickle

import numpy as np
import pytest
import torch
from helpers.data_files import batch

from gan_sntg.data.formats import read_batch
from gan_sntg.errors import InputError

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 3072), dtype=np.uint8)
LABELS = [0, 9, 3, 3, 1, 99, 7]


@pytest.fixture
def file(tmp_path):
    def write(data: bytes, name: str = "file"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


def test_a_batch_in_cifars_own_pickle_is_read_as_pickle_itself_would(file):
    data = batch(PIXELS, LABELS)
    known = pickle.loads(data, encoding="bytes")
    x, y = read_batch(file(data), "labels")
    assert np.array_equal(x, known[b"data"].reshape(-1, 3, 32, 32)) and y.tolist() == known[b"labels"] == LABELS
    assert x.dtype == torch.uint8 and y.dtype == torch.int64


def test_a_batch_pickled_by_todays_numpy_is_read_too(file):
    x, y = read_batch(file(pickle.dumps({"data": PIXELS, "fine_labels": LABELS}, protocol=4)), "fine_labels")
    assert np.array_equal(x, PIXELS.reshape(-1, 3, 32, 32)) and y.tolist() == LABELS


class Calling:
    """Pickles into a call of `function`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "inside", [lambda c: c, lambda c: {"data": c, "labels": [1]}, lambda c: {"data": PIXELS, "labels": LABELS, "x": c}]
)
def test_a_pickle_that_calls_something_calls_nothing(file, tmp_path, inside):
    trace = tmp_path / "trace"
    for call in Calling(os.mkdir, str(trace)), Calling(eval, f"open({str(trace)!r}, 'w')"):
        data = pickle.dumps(inside(call))
        with pytest.raises(InputError, match="asks for .*, which no batch needs"):
            read_batch(file(data), "labels")
        assert not trace.exists()
        with pytest.raises((TypeError, KeyError)):  # pickle itself does make the call
            pickle.loads(data)["nothing"]
        assert trace.exists()
        trace.rmdir() if trace.is_dir() else trace.unlink()


@pytest.mark.parametrize("name", ["numpy.ndarray", "numpy.dtype", "numpy.core.multiarray._reconstruct"])
def test_not_even_an_allowed_name_is_called(file, name):
    module, _, attribute = name.rpartition(".")
    data = b"\x80\2c" + f"{module}\n{attribute}\n".encode() + b"(I1000000000000\nI1000000000000\nt\x85R."  # 8 yottabytes, if it were
    with pytest.raises(InputError, match="no readable batch"):
        read_batch(file(data), "labels")


@pytest.mark.parametrize(
    "content",
    [
        7,
        [],
        {},
        {"data": PIXELS},
        {"labels": LABELS},
        {"data": PIXELS, "labels": LABELS[:-1]},
        {"data": PIXELS[:, :-1], "labels": LABELS},
        {"data": PIXELS.astype(np.int64), "labels": LABELS},
        {"data": np.asfortranarray(PIXELS), "labels": LABELS},
        {"data": PIXELS, "labels": [float(k) for k in LABELS]},
        {"data": PIXELS, "labels": [None] * 7},
        {"data": PIXELS.tolist(), "labels": LABELS},
    ],
    ids=lambda content: str(content)[:12],
)
def test_a_batch_of_anything_else_is_refused(file, content):
    with pytest.raises(InputError, match="bad:? .*fetch it again"):
        read_batch(file(pickle.dumps(content, protocol=4), "bad"), "labels")


def test_a_batch_cut_anywhere_is_refused(file):
    data = batch(PIXELS, LABELS)
    for length in [*range(60), *range(60, len(data), 501), len(data) - 1]:
        with pytest.raises(InputError, match="no readable batch"):
            read_batch(file(data[:length]), "labels")
