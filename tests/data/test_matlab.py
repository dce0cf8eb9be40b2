"""Arrays of MATLAB files are read as SciPy reads them, whose reader a damaged tag crashes; ours refuses it."""

import io
import struct
import zlib

import numpy as np
import pytest
from helpers.data_files import mat
from scipy.io import loadmat, savemat

from gan_sntg.data import formats
from gan_sntg.data.formats import HEADER, read_arrays

G = np.random.default_rng(0)
ARRAYS = {
    "X": G.integers(0, 256, (3, 2, 1, 5), np.uint8),
    "y": np.array([[1], [10], [7]], np.uint8),
    "a_long_name": G.integers(-9, 9, (4, 3)).astype(np.int16),
    "floats": G.normal(size=(2, 3)).astype(np.float32),
    "doubles": G.normal(size=(5, 1)),
    "whole": np.array([[2**40]], np.int64),
}


def written(packed: bool, **arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, arrays, do_compression=packed)
    return buffer.getvalue()


@pytest.mark.parametrize("packed", [False, True])
def test_arrays_are_those_that_scipy_reads(packed):
    data = written(packed, **ARRAYS)
    found, theirs = read_arrays(data), loadmat(io.BytesIO(data))
    assert list(found) == list(ARRAYS)
    for name, array in found.items():
        assert array.dtype == theirs[name].dtype and np.array_equal(array, theirs[name])


def test_doubles_that_are_stored_as_bytes_are_read():
    data = bytearray(written(False, y=ARRAYS["y"]))
    data[HEADER + 16] = 6  # MATLAB's class of doubles, which it stores in as few bytes as it can
    assert read_arrays(bytes(data))["y"].tolist() == ARRAYS["y"].tolist()


@pytest.mark.parametrize("kind", [0, 8, 14, 32, 255, 2**15])
def test_numbers_of_an_unknown_kind_are_refused(kind):
    data = written(False, X=ARRAYS["X"])
    at = data.index(struct.pack("<II", 2, 30))
    with pytest.raises(ValueError, match="not flags, shape, name and numbers"):
        read_arrays(data[:at] + struct.pack("<I", kind) + data[at + 4 :])


@pytest.mark.parametrize("other", [{"y": {"a": 1}}, {"y": np.array([[1j]])}, {"y": "text"}, {"y": np.array(["a", 1], object)}])
def test_what_is_no_array_of_real_numbers_is_refused(other):
    with pytest.raises(ValueError, match="a matrix is not"):
        read_arrays(written(False, **other))


def test_a_file_cut_anywhere_or_with_any_other_byte_is_refused_or_read():
    for data in written(False, X=ARRAYS["X"]), mat(X=ARRAYS["X"]):
        changed = [data[:k] + bytes([data[k] ^ mask]) + data[k + 1 :] for k in range(HEADER - 4, len(data)) for mask in (1, 128, 255)]
        for bad in [data[:k] for k in range(HEADER)] + changed + [data[:k] for k in range(HEADER + 1, len(data))]:
            try:
                read_arrays(bad)
            except (ValueError, struct.error, zlib.error):
                continue
            assert len(bad) == len(data), "what is cut off is not read"


def test_packed_arrays_are_unpacked_up_to_a_limit_together(monkeypatch):
    data = written(True, a=np.zeros((100, 100), np.uint8), b=np.zeros((100, 100), np.uint8))
    monkeypatch.setattr(formats, "MOST_BYTES", 20_200)
    assert list(read_arrays(data)) == ["a", "b"]
    monkeypatch.setattr(formats, "MOST_BYTES", 19_000)
    with pytest.raises(zlib.error, match="holds more than"):
        read_arrays(data)
