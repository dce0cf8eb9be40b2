"""Atomic writing: a file is whole, old or new, whatever fails."""

import os
import stat

import pytest

from gan_sntg.files.atomic import write_atomically


def test_a_write_that_fails_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "last.pt"
    write_atomically(path, b"old")

    def torn(*arguments):
        raise OSError("no space left")

    for name in "fsync", "replace":
        with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
            patch.setattr(os, name, torn)
            write_atomically(path, b"new")
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"last.pt": b"old"}
    write_atomically(path, b"new")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"last.pt": b"new"}


def test_the_bytes_are_synced_before_the_rename_and_the_folder_after_it(tmp_path, monkeypatch):
    calls = []
    replace = os.replace
    monkeypatch.setattr(os, "fsync", lambda file: calls.append("sync folder" if stat.S_ISDIR(os.fstat(file).st_mode) else "sync file"))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("rename"), replace(a, b)))
    write_atomically(tmp_path / "last.pt", b"x")
    assert calls == ["sync file", "rename", "sync folder"]


def test_a_link_in_the_place_of_the_temporary_file_is_not_written_through(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / ".last.pt.tmp").symlink_to(tmp_path / "mine.txt")
    write_atomically(tmp_path / "last.pt", b"new")
    assert (tmp_path / "mine.txt").read_text() == "mine" and (tmp_path / "last.pt").read_bytes() == b"new"
