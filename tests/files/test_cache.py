"""Hashes of known files are checked once; what changes a file, its size, its time or its inode, has them checked again."""

import hashlib
import json
import os

import pytest

from gan_sntg.data import public
from gan_sntg.data.public import check_known_file
from gan_sntg.errors import InputError
from gan_sntg.files import cache

NAME, DATA = "set/a.bin", bytes(range(256)) * 8


@pytest.fixture
def hashed(publish, tmp_path, monkeypatch):
    """Checks the one known file and counts how often its bytes were hashed; its own cache, in which young files are noted too."""
    monkeypatch.setenv("GAN_SNTG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "YOUNG", 0)
    root, calls, digest = publish({NAME: DATA}), [], hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *arguments: calls.append(1) or digest(*arguments))

    def check() -> int:
        calls.clear()
        check_known_file(root, NAME)
        return len(calls)

    check.path, check.notes = root / NAME, tmp_path / "cache" / cache.FILE
    return check


def test_a_file_is_hashed_on_first_use_only(hashed):
    assert [hashed() for _ in range(3)] == [1, 0, 0]


def swap(path):
    path.with_name("other").write_bytes(DATA)
    os.utime(path.with_name("other"), ns=(0, path.stat().st_mtime_ns))
    os.replace(path.with_name("other"), path)


TOUCHES = {"time": os.utime, "time set to another": lambda path: os.utime(path, ns=(0, 10**18)), "inode": swap}


@pytest.mark.parametrize("touch", TOUCHES)
def test_a_file_with_another_time_or_inode_is_hashed_again_once(hashed, touch):
    hashed()
    TOUCHES[touch](hashed.path)
    assert [hashed(), hashed()] == [1, 0]


CHANGES = {"longer": DATA + b"0", "shorter": DATA[:-1], "of the same size": DATA[:-1] + b"0", "empty": b""}


@pytest.mark.parametrize("turned_back", [False, True], ids=["", "time turned back"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_is_refused_even_where_its_time_is_turned_back(hashed, change, turned_back):
    hashed()
    times = hashed.path.stat().st_atime_ns, hashed.path.stat().st_mtime_ns
    hashed.path.write_bytes(CHANGES[change])
    if turned_back:
        os.utime(hashed.path, ns=times)
    for _ in range(2):
        with pytest.raises(InputError, match="a.bin is not the published file"):
            hashed()
    hashed.path.write_bytes(DATA)
    assert hashed() == 1


def test_a_note_of_another_hash_does_not_count(hashed, monkeypatch):
    hashed()
    monkeypatch.setattr(public, "KNOWN_FILES", {NAME: "0" * 64})
    with pytest.raises(InputError, match="is not the published file"):
        hashed()


def test_a_damaged_cache_costs_time_only(hashed):
    hashed()
    whole = hashed.notes.read_bytes()
    damaged = [b"", b"\xff", b"[]", b'{"a": 3}', whole[: len(whole) // 2], b"[" * 10_000]
    damaged += [whole[:k] + bytes([whole[k] ^ 1]) + whole[k + 1 :] for k in range(len(whole))]
    for data in damaged:
        hashed.notes.write_bytes(data)
        assert hashed() == 1 and hashed() == 0
        assert hashed.notes.read_bytes() != data
        hashed.path.write_bytes(DATA[::-1])
        with pytest.raises(InputError, match="is not the published file"):
            hashed()
        hashed.path.write_bytes(DATA)
        hashed()


def test_a_cache_that_cannot_be_written_costs_time_only(hashed, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("GAN_SNTG_CACHE", str(tmp_path / "file/cache"))
    assert [hashed(), hashed()] == [1, 1]


def test_a_file_that_was_changed_just_now_is_not_noted(hashed, monkeypatch):
    monkeypatch.setattr(cache, "YOUNG", 10**12)
    assert [hashed(), hashed()] == [1, 1] and not hashed.notes.exists()


def test_a_file_that_changes_while_it_is_hashed_is_not_noted(hashed, monkeypatch):
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *arguments: (digest(*arguments), os.utime(hashed.path))[0])
    hashed()
    assert not hashed.notes.exists()


def test_only_the_latest_notes_are_kept(hashed, monkeypatch):
    monkeypatch.setattr(cache, "MOST", 3)
    hashed()
    for k in range(5):
        (hashed.path.parent / str(k)).write_bytes(b"")
        cache.note(hashed.path.parent / str(k), "0", cache.mark_of(hashed.path.parent / str(k)))
    assert [path[-1] for path in json.loads(hashed.notes.read_text())] == ["2", "3", "4"]
