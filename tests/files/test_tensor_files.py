"""Files of tensors: a byte that is not as it was written, a bomb or a state without end is refused before it is used."""

import zipfile

import pytest
import torch

from gan_sntg.files import tensor_files
from gan_sntg.files.tensor_files import load_tensors

STATE = {"a": torch.arange(1000.0), "b": [1, 2.5, "x", {"c": torch.zeros(2, dtype=torch.int64)}]}


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
    monkeypatch.setattr(tensor_files, "MOST_PARTS", 8)
    assert load_tensors(saved).keys() == STATE.keys()
    monkeypatch.setattr(tensor_files, "MOST_PARTS", 7)
    with pytest.raises(ValueError, match="more than 7 parts"):
        load_tensors(saved)
