"""Files of arrays and tensors: nothing is unpickled, no size believed before it is checked, and no changed byte accepted."""

import io
import zipfile

import numpy as np
import pytest
import torch
from helpers.data_files import Intruder, npz

from gan_sntg.errors import InputError
from gan_sntg.files import array_files
from gan_sntg.files.array_files import load_tensors, read_npz

STATE = {"a": torch.arange(1000.0), "b": [1, 2.5, "x", {"c": torch.zeros(2, dtype=torch.int64)}]}


def archive(content: bytes) -> bytes:
    """An .npz whose array x has this content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("x.npy", content)
    return buffer.getvalue()


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_read_as_they_were_saved(tmp_path, order):
    x = np.asarray(np.arange(24).reshape(2, 3, 4), order=order)
    arrays = read_npz(npz(tmp_path / "a.npz", x=x, y=np.zeros(0), z=np.ones(2)), ("x", "y"), optional=("z", "w"))
    assert sorted(arrays) == ["x", "y", "z"] and np.array_equal(arrays["x"], x) and arrays["y"].shape == (0,)


def test_a_missing_array_or_file_is_named(tmp_path):
    with pytest.raises(InputError, match="a.npz has no y and no z; it must hold the arrays x, y, z"):
        read_npz(npz(tmp_path / "a.npz", x=np.zeros(2)), ("x", "y", "z"))
    with pytest.raises(InputError, match="none.npz does not exist; name the folder"):
        read_npz(tmp_path / "none.npz", ("x",))


def test_objects_are_never_unpickled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "a.npz", x=np.array([Intruder()], dtype=object))
    with pytest.raises(InputError, match="a.npz: x.npy holds Python objects, which are never unpickled"):
        read_npz(tmp_path / "a.npz", ("x",))
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("shape", [(10**12,), (2**40, 2**40), (5,), (3,), (-4,), (4, -1)], ids=str)
def test_a_header_that_claims_other_than_what_follows_is_refused_before_anything_is_allocated(tmp_path, shape, monkeypatch):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"shape": shape, "fortran_order": False, "descr": "|u1"})
    (tmp_path / "a.npz").write_bytes(archive(header.getvalue() + b"1234"))
    monkeypatch.setattr(np.lib.npyio.NpzFile, "__getitem__", lambda *a: pytest.fail("the array was read"))
    with pytest.raises(InputError, match="a.npz: x.npy says it is uint8 .*bytes, but 4 bytes follow"):
        read_npz(tmp_path / "a.npz", ("x",))


def test_more_bytes_than_the_limit_are_refused_before_anything_is_allocated(tmp_path, monkeypatch):
    path = npz(tmp_path / "a.npz", x=np.zeros(600, np.uint8), y=np.zeros(50))
    monkeypatch.setattr(array_files, "MOST_BYTES", 1000)
    assert len(read_npz(path, ("x", "y"))) == 2
    monkeypatch.setattr(array_files, "MOST_BYTES", 999)
    monkeypatch.setattr(np.lib.npyio.NpzFile, "__getitem__", lambda *a: pytest.fail("the arrays were read"))
    with pytest.raises(InputError, match="a.npz says that its arrays take 1,000 bytes; the most that is read is 999"):
        read_npz(path, ("x", "y"))


FILES = [b"", b"text", b"PK\3\4 and no more", b"\x93NUMPY\1\0"]
MEMBERS = [b"no array", b"\x93NUMPY\7\0\0\0", b"\x93NUMPY\1\0\x05\0{'a':"]


@pytest.mark.parametrize("data", [*FILES, *map(archive, MEMBERS)], ids=[*map(str, FILES), *map(str, MEMBERS)])
def test_what_is_no_npz_or_holds_no_array_is_refused(tmp_path, data):
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(InputError, match="a.npz is not a readable .npz file"):
        read_npz(tmp_path / "a.npz", ("x",))


@pytest.fixture
def saved(tmp_path):
    torch.save(STATE, tmp_path / "a.pt")
    return tmp_path / "a.pt"


def rewritten(path, change, compression=zipfile.ZIP_STORED):
    """The archive with every member that `change` names replaced, and right checksums."""
    with zipfile.ZipFile(path) as old:
        members = {name: change(name, old.read(name)) for name in old.namelist()}
    with zipfile.ZipFile(path, "w", compression) as new:
        for name, data in members.items():
            new.writestr(name, data)
    return path


def test_what_was_saved_is_loaded(saved):
    assert torch.equal(load_tensors(saved)["a"], STATE["a"]) and load_tensors(saved)["b"][:3] == [1, 2.5, "x"]


def test_no_changed_number_is_accepted(saved):
    data, start = saved.read_bytes(), saved.read_bytes().find(STATE["a"].numpy().tobytes())
    for place in range(start, start + 4000, 397):
        saved.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert not torch.equal(torch.load(saved, weights_only=True)["a"], STATE["a"])  # torch's own checks do not see it
        with pytest.raises(ValueError, match="does not match its checksum"):
            load_tensors(saved)


def test_what_unpacks_to_more_than_the_file_is_refused(saved):
    with pytest.raises(ValueError, match="unpacks to more than it holds"):
        load_tensors(rewritten(saved, lambda name, data: data, zipfile.ZIP_DEFLATED))


def test_a_tensor_that_claims_more_than_is_stored_is_refused(saved):
    wider = rewritten(saved, lambda name, data: data.replace(b"M\xe8\x03", b"J\0\0\0\x7f") if name.endswith("data.pkl") else data)
    with pytest.raises(RuntimeError, match="record size"):
        load_tensors(wider)
    torch.save({"a": torch.zeros(1).expand(10**12)}, saved)
    with pytest.raises(ValueError, match=r"a tensor \[1000000000000\] is larger than what is stored of it"):
        load_tensors(saved)


def test_lists_that_share_lists_without_end_are_refused(saved):
    shared = tree = []
    for _ in range(100):
        tree = [tree, tree, tree]
    torch.save({"state": tree}, saved)
    with pytest.raises(ValueError, match="more than 100,000 parts"):
        load_tensors(saved)
    shared.append(shared)
    torch.save(shared, saved)
    with pytest.raises(ValueError, match="more than 100,000 parts"):
        load_tensors(saved)


def test_a_state_of_as_many_parts_as_allowed_is_loaded(saved, monkeypatch):
    monkeypatch.setattr(array_files, "MOST_PARTS", 8)
    assert load_tensors(saved).keys() == STATE.keys()
    monkeypatch.setattr(array_files, "MOST_PARTS", 7)
    with pytest.raises(ValueError, match="more than 7 parts"):
        load_tensors(saved)
