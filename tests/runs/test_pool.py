"""Runs whose images stay in a mapped file: the same numbers as with images in memory, and no more memory than there is."""

import gc
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers.data_files import picture
from helpers.run_folders import assert_same_run, interrupted
from helpers.tiny import Squares, assert_same, bad_gan, streams

from discriminative.pi_model import PiModel
from gan_sntg.data.image_folder import ImageFolder
from gan_sntg.data.loader import LabeledSampling, Loader, MappedPool
from gan_sntg.data.normalization import UnitRange
from gan_sntg.errors import InputError
from gan_sntg.files import memory
from gan_sntg.files.mapped import is_mapped
from gan_sntg.files.memory import placed
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.pictures import decode
from gan_sntg.pictures.reader import PictureReader
from gan_sntg.sampling.samplers import IndexSampler

MAPPED = ["--pool", "mapped"]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own."""
    monkeypatch.setenv("GAN_SNTG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def reading() -> list[str]:
    """The threads that read ahead."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("read ahead")]


def open_files() -> set[str]:
    return {os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.exists() and "cache" in os.readlink(path)}


@pytest.fixture
def of_pi(tiny_tree, labels_alone):
    """A configuration of the Pi model, which has one stream."""
    own = {name: value for name, value in labels_alone()["init_args"].items() if name in ("net", "schedule", "learning_rate")}
    return tiny_tree() | {"method": {"class_path": "discriminative.PiModel", "init_args": own | {"consistency_weight": 10}}}


@pytest.mark.parametrize("method", ["gan", "pi"])
def test_a_run_of_a_mapped_pool_is_that_of_a_resident_one_bit_for_bit_and_leaves_no_thread_and_no_file(
    command, tiny_tree, of_pi, tmp_path, cache, method
):
    tree = {"gan": tiny_tree() | {"validation": True, "labeled_sampling": "class_balanced"}, "pi": of_pi}[method]
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(tree))
    for pool in "resident", "mapped":
        assert command("train", "--config", tmp_path / "a.yaml", "--pool", pool, "--out", tmp_path / pool).status == 0
    assert_same_run(tmp_path / "resident", tmp_path / "mapped")
    gc.collect()
    assert reading() == [] and files_in(cache) == [] and open_files() == set()
    again = command("train", "--config", tmp_path / "a.yaml", "--out", tmp_path / "mapped")  # resident: the same run
    assert again.status == 0 and "pool" not in again.err


@pytest.mark.parametrize(("method", "owner", "step"), [("gan", FeatureMatchingGAN, "step"), ("pi", PiModel, "terms")])
def test_a_mapped_run_stopped_in_mid_epoch_and_resumed_equals_one_never_stopped(command, tiny_tree, of_pi, tmp_path, method, owner, step):
    tree = {"gan": tiny_tree(), "pi": of_pi}[method] | {"checkpoint_minutes": 1e-9, "pool": "mapped"}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(tree))
    words = ["--config", tmp_path / "a.yaml"]
    assert interrupted(command, words, tmp_path / "a", owner, step, 7).status == 130  # in the second epoch of four steps
    assert torch.load(tmp_path / "a/checkpoints/last.pt", weights_only=True)["progress"]["step"] % 4 > 0 and reading() == []
    for folder in "a", "b":
        assert command("train", *words, "--out", tmp_path / folder).status == 0
    assert_same_run(tmp_path / "a", tmp_path / "b")


def mapped_streams(**options) -> tuple[Loader, Loader]:
    """Streams over the same images in memory and in a file."""
    pool = streams().pool
    own = MappedPool(pool.x, pool.truth, pool.y, pool.unlabeled, UnitRange(), "cpu")
    return Loader(pool, 10, 0, **options), Loader(own, 10, 0, **options)


@pytest.mark.parametrize("sampling", LabeledSampling)
@pytest.mark.parametrize("done", [0, 2, 6])
def test_batches_that_are_read_ahead_move_the_streams_no_further_than_those_that_were_taken(sampling, done):
    resident, mapped = mapped_streams(labeled_sampling=sampling)
    for _ in range(3):
        for (batch, other), _ in zip(zip(resident.epoch(), mapped.epoch(), strict=True), range(done or 6), strict=False):
            assert_same(tuple(batch), tuple(other))
            assert_same(resident.state_dict(), mapped.state_dict())
    assert_same(resident.state_dict(), mapped.state_dict())
    gc.collect()
    assert reading() == []


def test_an_epoch_that_is_given_up_stays_given_up_where_the_streams_go_back():
    resident, mapped = mapped_streams()
    before = mapped.state_dict()
    left = mapped.epoch()
    next(left), next(left)
    mapped.load_state_dict(before)
    for batch, other in zip(resident.epoch(), mapped.epoch(), strict=True):
        assert_same(tuple(batch), tuple(other))
    left.close()
    assert_same(resident.state_dict(), mapped.state_dict())


def test_what_fails_in_the_thread_is_raised_where_the_batch_is_asked_for_and_the_thread_ends(monkeypatch):
    _, mapped = mapped_streams()
    real, calls = IndexSampler.next, iter(range(100))

    def failing(self):
        if threading.current_thread() is not threading.main_thread() and next(calls) == 6:  # in the third batch of three streams
            raise OSError("the disk is gone")
        return real(self)

    monkeypatch.setattr(IndexSampler, "next", failing)
    epoch = mapped.epoch()
    next(epoch), next(epoch)
    with pytest.raises(OSError, match="the disk is gone"):
        next(epoch)
    assert reading() == []


def test_a_failure_in_the_thread_ends_a_run_in_words_and_it_can_be_resumed(command, tiny, finished, tmp_path, monkeypatch):
    real, calls = torch.Tensor.__getitem__, iter(range(10**6))

    def failing(self, index):
        if reading() and threading.current_thread().name.startswith("read ahead") and next(calls) == 15:
            raise InputError("the disk is gone")
        return real(self, index)

    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "__getitem__", failing)
        outcome = command("train", "--config", tiny, *MAPPED, "--out", tmp_path / "run")
    assert outcome.status == 2 and "the disk is gone" in outcome.err and reading() == []
    assert command("train", "--config", tiny, "--out", tmp_path / "run").status == 0
    assert_same_run(tmp_path / "run", finished)


# --- pictures -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path) -> Path:
    """Pictures of two classes, eight of each, and five without a label; no test/."""
    g = np.random.default_rng(0)
    names = [f"labeled/{name}/{k}.png" for name in ("ant", "bee") for k in range(8)] + [f"unlabeled/{k}.png" for k in range(5)]
    for name in names:
        picture(tmp_path / "own" / name, g.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    return tmp_path / "own"


def read(root: Path, mapped: bool, **options) -> ImageFolder:
    with placed(mapped=mapped):
        return ImageFolder(str(root), image_size=16, **options)


@pytest.mark.parametrize("spoiled", [False, True])
def test_pictures_in_a_file_are_those_in_memory_and_are_decoded_once(folder, cache, monkeypatch, spoiled):
    if spoiled:
        for name in "labeled/ant/3.png", "unlabeled/4.png":
            (folder / name).write_bytes(b"no picture")
    monkeypatch.setattr(decode, "BLOCK", 4)
    expected = read(folder, False, skip_unreadable=True)
    for _ in range(2):
        found = read(folder, True, skip_unreadable=True)
        assert found.sha256 == expected.sha256 and found.notes == expected.notes and found.train_names == expected.train_names
        assert is_mapped(found.train_x) and is_mapped(found.test_x) and files_in(cache) == ["rows.bin"]
        monkeypatch.setattr(decode, "_block", None)  # nothing is decoded again
    monkeypatch.undo()


def test_pictures_are_decoded_anew_where_one_changed_or_their_file_is_cut_short(folder, cache):
    first = read(folder, True).sha256
    kept = next(cache.rglob("rows.bin"))
    for damaged in kept.read_bytes()[:-100], b"\1" * 42, b"":
        kept.write_bytes(damaged)
        assert read(folder, True).sha256 == first
    picture(folder / "unlabeled/0.png", np.zeros((16, 16, 3), np.uint8))
    assert read(folder, True).sha256 == read(folder, False).sha256 != first


def test_a_decoding_that_is_killed_leaves_nothing_that_is_taken_for_whole(folder, cache, monkeypatch):
    real, calls = PictureReader.decoded, iter(range(100))

    def killed(self, path):
        if next(calls) == 9:
            raise KeyboardInterrupt
        return real(self, path)

    monkeypatch.setattr(decode, "BLOCK", 4)
    with monkeypatch.context() as patch:
        patch.setattr(PictureReader, "decoded", killed)
        with pytest.raises(KeyboardInterrupt):
            read(folder, True)
    assert files_in(cache) == []
    assert read(folder, True).sha256 == read(folder, False).sha256


def test_more_pictures_than_memory_holds_are_refused_before_one_is_decoded(folder, cache, monkeypatch, refused, tiny_tree):
    monkeypatch.setattr(memory, "free_on", lambda device: 20_000)  # 21 pictures of 768 bytes, which are copied once
    monkeypatch.setattr(PictureReader, "decoded", None)
    tree = tiny_tree() | {"data": {"class_path": "ImageFolder", "init_args": {"root": str(folder), "image_size": 16}}, "labels": 6}
    (folder.parent / "a.yaml").write_text(yaml.safe_dump(tree))
    size = f"{folder}: 21 images of 3 x 16 x 16 take 0.0 MB of the memory of the host, of which 0.0 MB are free"
    remedy = "add --pool mapped, which keeps images in a file, or give a smaller --data.image_size"
    refused(["train", "--config", "a.yaml", "--out", "run"], size, remedy)


def test_a_run_of_pictures_in_a_file_is_trained_and_evaluated_as_one_in_memory(folder, cache, command, tiny_tree, tmp_path):
    data = {"class_path": "ImageFolder", "init_args": {"root": str(folder), "image_size": 16}}
    tree = tiny_tree() | {"data": data, "labels": 6, "batch_size": 10, "steps_per_epoch": None, "validation": True}
    tree["normalization"] = {"class_path": "ZCA"}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(tree))
    said = []
    for pool in "resident", "mapped":
        outcome = command("train", "--config", tmp_path / "a.yaml", "--pool", pool, "--out", tmp_path / pool)
        assert outcome.status == 0 and ("mapped into memory" in outcome.err) == (pool == "mapped")
        said.append(command("evaluate", tmp_path / pool).out.replace(str(tmp_path / pool), ""))
    assert_same_run(tmp_path / "resident", tmp_path / "mapped")
    assert said[0] == said[1] != ""


def test_a_density_of_all_images_is_refused_by_name():
    _, mapped = mapped_streams()
    with pytest.raises(InputError, match="BadGAN's density is fitted to all unlabelled images at once, which --pool mapped does not hold"):
        bad_gan().prepare(Squares(), mapped.pool)
