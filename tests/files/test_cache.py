"""The cache of tensors: used where it can be, and never in the way where there is no place for one."""

import os
import pwd

import pytest
import torch

from gan_sntg.files.array_files import cached

FOUND = {"x": torch.arange(3.0)}


def nobody(_):
    raise KeyError("uid not found")


def no_home(monkeypatch, folder):
    monkeypatch.delenv("GAN_SNTG_CACHE")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", nobody)


def a_home_that_is_not_there(monkeypatch, folder):
    monkeypatch.delenv("GAN_SNTG_CACHE")
    monkeypatch.setenv("HOME", "/proc/none")


def a_file(monkeypatch, folder):
    (folder / "file").write_text("")
    monkeypatch.setenv("GAN_SNTG_CACHE", str(folder / "file"))


def a_folder_in_the_files_place(monkeypatch, folder):
    (folder / "key.pt").mkdir()
    monkeypatch.setenv("GAN_SNTG_CACHE", str(folder))


def a_path_that_is_not_utf8(monkeypatch, folder):
    monkeypatch.setenv("GAN_SNTG_CACHE", str(folder / os.fsdecode(b"caf\xe9")))


PLACES = no_home, a_home_that_is_not_there, a_file, a_folder_in_the_files_place, a_path_that_is_not_utf8


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_without_a_place_for_a_cache_what_it_would_hold_is_found_anew(monkeypatch, tmp_path, place):
    place(monkeypatch, tmp_path)
    for _ in range(2):
        assert torch.equal(cached("key", {"x": (3,)}, lambda: FOUND)["x"], FOUND["x"])


def test_in_a_place_for_a_cache_it_is_found_once(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_SNTG_CACHE", str(tmp_path))
    cached("key", {"x": (3,)}, lambda: FOUND)
    assert torch.equal(cached("key", {"x": (3,)}, lambda: {})["x"], FOUND["x"])
