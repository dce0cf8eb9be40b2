"""Mapped files: what is written block by block is what is read, nothing is left of a failure, and no copy comes into memory."""

import errno
import hashlib
import os
import resource
from pathlib import Path

import numpy as np
import pytest
import torch

from gan_sntg.data.arrays import Arrays
from gan_sntg.data.dataset import Range, at_the_ends
from gan_sntg.data.loader import MappedPool
from gan_sntg.data.normalization import ZCA, UnitRange
from gan_sntg.data.twins import group_numbers
from gan_sntg.errors import InputError
from gan_sntg.files import mapped as mapping
from gan_sntg.files import memory
from gan_sntg.files.array_files import key_of, sha256_of
from gan_sntg.files.mapped import is_mapped, joined, kept_file, mapped, on_disk, taken
from gan_sntg.files.memory import check_room, free_on, placed

G = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own, in blocks of a few rows."""
    monkeypatch.setenv("GAN_SNTG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(mapping, "BLOCK", 100)
    return tmp_path / "cache"


def images(n: int = 40, dtype: torch.dtype = torch.uint8) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, 2, 2)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32, torch.int64], ids=str)
def test_values_on_disk_are_those_that_were_in_memory_and_the_file_has_no_name(cache, dtype):
    x = images(dtype=dtype)
    found = on_disk(x)
    assert found.dtype == dtype and torch.equal(found, x) and is_mapped(found) and not is_mapped(x)
    assert list(cache.iterdir()) == [] and on_disk(found) is found and is_mapped(found[3:7])
    assert torch.equal(on_disk(x.transpose(2, 3)), x.transpose(2, 3))


CHOSEN = [torch.arange(40), torch.arange(5, 20), torch.tensor([3, 1, 30]), torch.arange(40) % 3 == 0, torch.arange(0)]


@pytest.mark.parametrize("chosen", CHOSEN, ids=["all", "stretch", "indices", "mask", "none"])
def test_chosen_rows_are_a_view_where_they_follow_one_another_and_else_in_memory_or_in_a_file_as_they_were(chosen):
    x = images()
    for own in x, on_disk(x):
        found = taken(own, chosen)
        stretch = chosen.tolist() in ([*range(40)], [*range(5, 20)])
        assert torch.equal(found, x[chosen])
        assert (found.untyped_storage().data_ptr() == own.untyped_storage().data_ptr()) == (stretch or not len(found))
        assert is_mapped(found) == is_mapped(own)


def test_joined_rows_are_in_a_file_where_some_were():
    x, y = images(7), images(9)
    assert torch.equal(joined([on_disk(x), y]), torch.cat([x, y])) and is_mapped(joined([on_disk(x), y]))
    assert torch.equal(joined([x, y]), torch.cat([x, y])) and joined([x, y[:0]]) is x and len(joined([x[:0], y[:0]])) == 0


# --- files that are kept --------------------------------------------------------------------------------------------------


def filled(*rows: bytes, fails: BaseException | None = None):
    """What writes these rows, and then fails."""

    def fill(file) -> None:
        for row in rows:
            file.write(row)
        if fails:
            raise fails

    return fill


def test_a_file_is_made_once_and_again_where_it_is_not_whole(cache):
    path = kept_file("a", 4, lambda path: path.stat().st_size == 4, filled(b"ab", b"cd"))
    assert path.read_bytes() == b"abcd" and path.is_relative_to(cache)
    assert kept_file("a", 4, lambda path: path.stat().st_size == 4, filled(b"no")) == path and path.read_bytes() == b"abcd"
    path.write_bytes(b"ab")
    assert kept_file("a", 4, lambda path: path.stat().st_size == 4, filled(b"wxyz")).read_bytes() == b"wxyz"


def test_of_a_filling_that_is_interrupted_or_killed_nothing_is_taken_for_whole(cache):
    with pytest.raises(KeyboardInterrupt):
        kept_file("a", 4, lambda path: True, filled(b"ab", fails=KeyboardInterrupt()))
    assert [path for path in cache.rglob("*") if path.is_file()] == []
    (cache / "a" / ".rows.bin.tmp").write_bytes(b"left by one that was killed")
    assert kept_file("a", 4, lambda path: True, filled(b"abcd")).read_bytes() == b"abcd"
    assert [path.name for path in cache.rglob("*") if path.is_file()] == ["rows.bin"]


def test_a_disk_without_room_is_refused_before_and_a_full_one_in_the_middle(cache, monkeypatch):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(InputError, match="No space left on device.*; make room, or name a folder on another disk by GAN_SNTG_CACHE"):
        kept_file("a", 4, lambda path: True, filled(b"ab", fails=full))
    assert [path for path in cache.rglob("*") if path.is_file()] == []
    monkeypatch.setattr(mapping, "disk_usage", lambda folder: type("Usage", (), {"free": 100}))
    for make in lambda: on_disk(images()), lambda: kept_file("b", 480, lambda path: True, filled(b"", fails=AssertionError("was begun"))):
        with pytest.raises(InputError, match="is to hold 0.0 MB of images, but has 0.0 MB of room; make room"):
            make()


def test_no_cache_can_be_without_a_home(monkeypatch):
    monkeypatch.setattr(mapping, "cache_folder", lambda: Path("~nobody-here").expanduser())
    with pytest.raises(InputError, match="the user has no home; name a folder by GAN_SNTG_CACHE"):
        on_disk(images())


# --- .npz files -----------------------------------------------------------------------------------------------------------


def arrays(channels_last: bool = False, n: int = 20) -> dict[str, np.ndarray]:
    parts = {"train_x": n, "unlabeled_x": 9, "test_x": 6}
    found = {name: G.integers(0, 256, (n, 5, 4, 3) if channels_last else (n, 3, 5, 4), dtype=np.uint8) for name, n in parts.items()}
    return found | {"train_y": np.arange(n) % 4, "test_y": np.arange(6) % 4}


SAVINGS = {"stored": np.savez, "packed": np.savez_compressed}


@pytest.mark.parametrize("saving", SAVINGS.values(), ids=SAVINGS)
@pytest.mark.parametrize("kind", ["plain", "channels_last", "columns_first", "without"])
def test_arrays_that_are_mapped_are_those_that_are_read(tmp_path, saving, kind):
    held = arrays(kind == "channels_last")
    held = {name: np.asfortranarray(x) for name, x in held.items()} if kind == "columns_first" else held
    if kind == "without":
        del held["unlabeled_x"]
    saving(tmp_path / "a.npz", **held)
    read = Arrays(file="a.npz", root=str(tmp_path))
    with placed(mapped=True):
        found = Arrays(file="a.npz", root=str(tmp_path))
    assert found.sha256 == read.sha256 and found.notes == read.notes and torch.equal(found.train_y, read.train_y)
    assert is_mapped(found.train_x) and is_mapped(found.test_x) and not is_mapped(read.train_x) and found.train_x.is_contiguous()


@pytest.mark.parametrize("saving", SAVINGS.values(), ids=SAVINGS)
def test_a_damaged_array_is_refused_though_it_is_mapped(tmp_path, saving):
    saving(tmp_path / "a.npz", **arrays(n=2000))  # more than is read with a header
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[60_000] ^= 255
    (tmp_path / "a.npz").write_bytes(data)
    with placed(mapped=True), pytest.raises(InputError, match="a.npz is not a readable .npz file"):
        Arrays(file="a.npz", root=str(tmp_path))


# --- memory ---------------------------------------------------------------------------------------------------------------


def test_what_is_free_is_what_the_system_says_or_nothing(monkeypatch, tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    7 kB\n")
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    assert free_on("cpu") == 7 * 1024
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "nowhere")
    assert (free_on("cpu") or 0) > 2**20
    monkeypatch.setattr(memory.os, "sysconf", lambda name: int(name))
    assert free_on("cpu") is None


def test_images_that_are_too_many_are_refused_by_host_and_device_unless_they_are_mapped(monkeypatch):
    monkeypatch.setattr(memory, "free_on", lambda device: {"cpu": 5_000_000, "cuda": 3_000_000}[device.type])
    host = "take 6.0 MB of the memory of the host, of which 5.0 MB are free; add --pool mapped, which keeps images in a file"
    gpu = "take 4.0 MB of the memory of the GPU .cuda., of which 3.0 MB are free; add --pool mapped"
    for device, size, copies, said in ("cpu", 3_000_000, 2, host), ("cuda", 3_000_000, 2, host), ("cuda", 4_000_000, 1, gpu):
        with placed(device), pytest.raises(InputError, match=f"a: its images {said}"):
            check_room("a", "its images", size, copies)
        with placed(device, mapped=True):
            check_room("a", "its images", size, copies)
    with placed("cuda"):
        check_room("a", "its images", 2_000_000, 2)


def test_what_goes_over_all_images_copies_none_of_a_mapped_pool(tmp_path, monkeypatch):
    monkeypatch.setattr(mapping, "BLOCK", 2**20)
    n, size = 4000, 128
    with (tmp_path / "x").open("wb") as file:
        file.truncate(n * 3 * size * size)  # 197 MB of zeros that take no room
    x, y = mapped(tmp_path / "x", (n, 3, size, size), torch.uint8), torch.arange(n) % 2
    used = next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData"))
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (used * 1024 + 96 * 2**20, before[1]))
    try:
        with pytest.raises(RuntimeError):  # the limit is one
            x.clone()
        pool = MappedPool(x, y, y, torch.arange(n), UnitRange(), "cpu")
        assert len(sha256_of(x)) == 64 and key_of("a", x) and int(group_numbers(x)[0].max()) == 0
        assert Range.of(x).high == 0 and not at_the_ends(x[:10]) and pool.view(torch.arange(50)).x.max() == 0
        held_out = pool.subset(list(range(0, 1600, 2)))
        assert is_mapped(held_out) and len(held_out) == 800 and len(taken(pool.x, torch.arange(n) % 5 > 0)) == 3200
        assert ZCA()._rows(x[:20]).shape == (20, 3 * size * size)
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def test_the_key_of_a_mapped_tensor_is_that_of_its_values():
    x = images()
    assert sha256_of(on_disk(x)) == sha256_of(x) == hashlib.sha256(x.numpy().tobytes()).hexdigest()
