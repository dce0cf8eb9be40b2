"""The public sets: read as their files hold them, only where these are the published ones, and fetched into their folder."""

import gzip
import hashlib
import io
import os
import pickle
import shutil
import socket
import tarfile
import threading
import time

import numpy as np
import pytest
import torch
import torchvision
from helpers.data_files import batch, idx, mat

from gan_sntg.data import public
from gan_sntg.errors import InputError

SETS = {
    "MNIST": (60_000, 10_000, 10),
    "FashionMNIST": (60_000, 10_000, 10),
    "SVHN": (73_257, 26_032, 10),
    "CIFAR10": (50_000, 10_000, 10),
    "CIFAR100": (50_000, 10_000, 100),
}
EVERY = pytest.mark.parametrize("name", SETS)


def small(name: str) -> tuple[dict[str, bytes], np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The files of a set in miniature (120 training images, or 20 a file, and 30 for testing) and what is in them, NCHW."""
    g, files = np.random.default_rng(0), getattr(public, name).files
    grey, classes = "MNIST" in name, SETS[name][2]
    shape = (1, 5, 6) if grey else (3, 32, 32)
    train_x, test_x = (g.integers(0, 256, (n, *shape), dtype=np.uint8) for n in (100 if name == "CIFAR10" else 120, 30))
    train_y, test_y = np.arange(len(train_x)) * 7 % classes, np.arange(30) * 3 % classes
    if grey:
        contents = [idx(train_x[:, 0]), idx(train_y), idx(test_x[:, 0]), idx(test_y)]
        contents = [gzip.compress(data) for data in contents] if name == "FashionMNIST" else contents
    elif name == "SVHN":
        pairs = (train_x, train_y), (test_x, test_y)
        contents = [mat(X=x.transpose(2, 3, 1, 0), y=np.where(y == 0, 10, y).astype(np.uint8)[:, None]) for x, y in pairs]
    else:
        key, parts = ("labels", 5) if name == "CIFAR10" else ("fine_labels", 1)
        pieces = zip(np.split(train_x, parts), np.split(train_y, parts), strict=True)
        contents = [batch(x.reshape(len(x), -1), y.tolist(), key) for x, y in [*pieces, (test_x, test_y)]]
    return dict(zip(files, contents, strict=True)), train_x, train_y, test_x, test_y


@EVERY
def test_a_set_is_read_as_its_files_hold_it_and_its_last_training_images_are_for_validation(publish, name):
    files, *contents = small(name)
    source = getattr(public, name)(str(publish(files)))
    for found, held in zip((source.train_x, source.train_y, source.test_x, source.test_y), contents, strict=True):
        assert np.array_equal(found, held)
    assert source.train_x.dtype == torch.uint8 and source.train_y.dtype == source.test_y.dtype == torch.int64
    assert source.num_classes == SETS[name][2] and source.image_shape == contents[0].shape[1:]
    n = source.num_examples
    assert source.validation.tolist() == list(range(n - n // (6 if "MNIST" in name else 10), n))


@pytest.mark.parametrize(("name", "k"), [(name, k) for name in SETS for k in range(len(getattr(public, name).files))])
def test_a_truncated_altered_or_missing_file_is_refused_by_name_even_where_it_was_read_and_its_time_is_turned_back(publish, name, k):
    files, *_ = small(name)
    root, file = publish(files), list(files)[k]
    getattr(public, name)(str(root))
    times = (root / file).stat().st_atime_ns, (root / file).stat().st_mtime_ns
    for data in files[file][:-1], files[file][:-1] + bytes([files[file][-1] ^ 1]), b"":
        (root / file).write_bytes(data)
        os.utime(root / file, ns=times)
        with pytest.raises(InputError, match=f"{file} is not the published file.*truncated or altered; delete it and fetch it again"):
            getattr(public, name)(str(root))
    (root / file).unlink()
    with pytest.raises(InputError, match=f"{file} does not exist.*--data.root.*GAN_SNTG_DATA.*--data.download"):
        getattr(public, name)(str(root))


@EVERY
@pytest.mark.parametrize("k", [0, -1])
def test_nothing_is_parsed_before_every_file_was_found_to_be_the_published_one(publish, monkeypatch, name, k):
    files, *_ = small(name)
    root = publish(files)
    (root / list(files)[k]).write_bytes(pickle.dumps("hostile"))
    monkeypatch.setattr(getattr(public, name), "_read", lambda *contents: pytest.fail("a file was parsed"))
    with pytest.raises(InputError, match="is not the published file"):
        getattr(public, name)(str(root))


def test_no_more_is_read_than_a_published_file_can_hold(publish, monkeypatch):
    root = publish(small("MNIST")[0])
    monkeypatch.setattr(public, "MOST_BYTES", 1000)
    with pytest.raises(InputError, match="train-images-idx3-ubyte is not the published file.*; 3616 bytes"):
        public.MNIST(str(root))


@EVERY
def test_the_table_knows_every_file_by_its_sha256_but_where_torchvision_states_an_md5(name):
    known = [public.KNOWN_FILES[file] for file in getattr(public, name).files]
    digits, count = {"FashionMNIST": (32, 4), "SVHN": (32, 2), "CIFAR10": (64, 6), "CIFAR100": (64, 2)}.get(name, (64, 4))
    assert [len(digest) for digest in known] == [digits] * count


def test_a_file_known_by_its_md5_is_checked_by_that(publish, monkeypatch):
    files, *_ = small("SVHN")
    root = publish(files)
    monkeypatch.setattr(public, "KNOWN_FILES", {name: hashlib.md5(data).hexdigest() for name, data in files.items()})
    assert public.SVHN(str(root)).num_examples == 120
    (root / "test_32x32.mat").write_bytes(files["test_32x32.mat"] + b"0")
    with pytest.raises(InputError, match="test_32x32.mat is not the published file .md5"):
        public.SVHN(str(root))


def test_svhns_extra_images_are_never_read(publish):
    files, *_ = small("SVHN")
    root = publish(files)
    (root / "extra_32x32.mat").write_bytes(files["train_32x32.mat"])
    assert public.SVHN(str(root)).num_examples == 120 and "extra" not in str(public.SVHN.files + public.SVHN.parts)


def test_the_root_is_the_argument_then_the_variable_then_data(publish, monkeypatch):
    root = publish(small("MNIST")[0])
    monkeypatch.chdir(root.parent)
    monkeypatch.delenv("GAN_SNTG_DATA", raising=False)
    assert public.MNIST().num_examples == 120
    monkeypatch.setenv("GAN_SNTG_DATA", "elsewhere")
    assert public.MNIST("data").num_examples == 120
    with pytest.raises(InputError, match="elsewhere/MNIST"):
        public.MNIST()


def test_files_that_are_there_are_used_offline_even_where_download_is_asked_for(publish, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: pytest.fail("the network was asked for"))
    assert public.MNIST(str(publish(small("MNIST")[0])), download=True).num_examples == 120


@EVERY
def test_a_download_asks_torchvision_for_every_part_and_a_failure_says_what_to_do(publish, monkeypatch, name):
    theirs, asked = getattr(torchvision.datasets, name), []
    monkeypatch.setattr(theirs, "__init__", lambda *arguments, **named: pytest.fail("torchvision was to read the files"))
    monkeypatch.setattr(theirs, "download", lambda self: asked.append(vars(self)))
    root = str(publish(small(name)[0]))
    assert getattr(public, name)(root, download=True).num_examples in (100, 120)
    split = getattr(theirs, "split_list", {})
    parts = [{"split": part, "url": split[part][0], "filename": split[part][1]} for part in ("train", "test")] if split else [{}]
    assert asked == [{"root": root, **part} for part in parts]

    def offline(self):
        raise RuntimeError("no route")

    monkeypatch.setattr(theirs, "download", offline)
    with pytest.raises(InputError, match=f"{name} could not be downloaded.*no route.*put the files there yourself: "):
        getattr(public, name)(root, download=True)


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
def test_the_cpu_sized_set_is_the_first_10000_and_downloads_as_the_whole_does(publish, monkeypatch, name):
    files, train_x, train_y, *_ = small(name)
    root, asked = publish(files), []
    monkeypatch.setattr(getattr(torchvision.datasets, name), "download", lambda self: asked.append(self.raw_folder))
    source = getattr(public, f"{name}10k")(str(root), download=True)
    n = min(len(train_y), 10_000)
    assert np.array_equal(source.train_x, train_x[:n]) and np.array_equal(source.train_y, train_y[:n])
    assert source.validation.tolist() == list(range(n * 4 // 5, n)) and asked == [f"{root}/{name}/raw"]


@pytest.mark.parametrize("lies_there", [True, False])
def test_an_archive_that_is_not_the_published_one_is_never_unpacked(tmp_path, monkeypatch, lies_there):
    archive, root = tmp_path / "archive", tmp_path / "root"
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../out.txt"), io.BytesIO())
    root.mkdir()
    if lies_there:
        shutil.copy(archive, root / "cifar-10-python.tar.gz")
    monkeypatch.setattr(torchvision.datasets.utils, "_get_redirect_url", lambda url, max_hops: url)
    monkeypatch.setattr(torchvision.datasets.utils, "_urlretrieve", lambda url, path: shutil.copy(archive, path))
    monkeypatch.setattr(torchvision.datasets.utils, "extract_archive", lambda *a, **k: pytest.fail("it was unpacked"))
    with pytest.raises(InputError, match="CIFAR10 could not be downloaded to .*root .*corrupted.*put the files there yourself"):
        public.CIFAR10(str(root), download=True)
    assert {path.name for path in tmp_path.iterdir()} == {"archive", "root"}


@pytest.mark.parametrize("download", [False, True])
@pytest.mark.parametrize("source", [public.MNIST, public.CIFAR10, public.CIFAR100])
def test_no_hostile_file_is_loaded_even_where_torchvision_takes_it_for_the_published_one(tmp_path, monkeypatch, source, download):
    class Intruder:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "trace"),)

    theirs = getattr(torchvision.datasets, source.__name__)
    for name in *source.files, *([f"{theirs.base_folder}/{theirs.meta['filename']}"] if hasattr(theirs, "meta") else []):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(pickle.dumps(Intruder()))
    monkeypatch.setattr(theirs, "_check_integrity", lambda self: True, raising=False)
    with pytest.raises(InputError, match=f"{source.files[0]} is not the published file"):
        source(str(tmp_path), download=download)
    assert not (tmp_path / "trace").exists()


def test_who_fetches_into_a_folder_that_another_is_fetching_into_waits_and_finds_its_files(tmp_path):
    order, root = [], str(tmp_path / "new")

    class Fetcher:
        def download(self):
            order.append(("begins", (tmp_path / "new" / "file").exists()))
            time.sleep(0.1)
            (tmp_path / "new" / "file").touch()
            order.append(("ends", True))

    threads = [threading.Thread(target=public.fetch, args=[Fetcher, root]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order == [("begins", False), ("ends", True), ("begins", True), ("ends", True)]
