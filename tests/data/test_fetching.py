"""What torchvision fetches is unpacked into the folder only, and never unpickled."""

import hashlib
import io
import os
import pickle
import tarfile
import threading
import time

import pytest
import torchvision

from gan_sntg.data.public import CIFAR10, CIFAR100, MNIST, confined_archives, fetch
from gan_sntg.errors import InputError


def archive(*members: tarfile.TarInfo) -> bytes:
    """A tar.gz whose files hold a word."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for member in members:
            member.size = 4 if member.isfile() else 0
            tar.addfile(member, io.BytesIO(b"word"))
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, link
    return found


ESCAPES = {
    "..": [member("../out.txt")],
    "further ..": [member("a/b/../../../out.txt")],
    "link": [member("a", tarfile.SYMTYPE, ".."), member("a/out.txt")],
    "absolute link": [member("a", tarfile.SYMTYPE, "/etc/passwd")],
    "hard link": [member("a", tarfile.LNKTYPE, "../mine.txt"), member("a")],
    "device": [member("a", tarfile.CHRTYPE)],
}


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Has an archive lie where torchvision looks before it goes to the network, with the hash that it expects."""

    def serve(data: bytes) -> str:
        (tmp_path / "root").mkdir()
        (tmp_path / "root/cifar-10-python.tar.gz").write_bytes(data)
        (tmp_path / "mine.txt").write_text("mine")
        monkeypatch.setattr(torchvision.datasets.CIFAR10, "tgz_md5", hashlib.md5(data).hexdigest())
        return str(tmp_path / "root")

    return serve


@pytest.mark.parametrize("kind", ESCAPES)
def test_an_archive_that_leads_out_of_the_folder_is_refused(served, tmp_path, contents, kind):
    root = served(archive(*ESCAPES[kind]))
    with pytest.raises(InputError, match="CIFAR10 could not be downloaded to .*root .*put the files there yourself"):
        CIFAR10(root, download=True)
    assert {path.name for path in tmp_path.iterdir()} == {"root", "mine.txt"} and (tmp_path / "mine.txt").read_text() == "mine"


def test_an_absolute_name_is_unpacked_below_the_folder(served, tmp_path):
    with pytest.raises(InputError, match="data_batch_1 does not exist"):
        CIFAR10(served(archive(member(f"{tmp_path}/out.txt"))), download=True)
    assert not (tmp_path / "out.txt").exists()


def test_the_filter_is_left_as_it_was():
    before = tarfile.TarFile.extraction_filter
    with pytest.raises(KeyError), confined_archives():
        assert tarfile.TarFile.extraction_filter is tarfile.data_filter
        raise KeyError
    assert tarfile.TarFile.extraction_filter is before


@pytest.mark.parametrize("source", [CIFAR10, CIFAR100])
def test_files_that_lie_there_are_not_unpickled_by_torchvision_either(publish, tmp_path, monkeypatch, source):
    class Intruder:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "trace"),)

    theirs = getattr(torchvision.datasets, source.__name__)
    root = publish(dict.fromkeys([*source.files, f"{theirs.base_folder}/{theirs.meta['filename']}"], pickle.dumps(Intruder())))
    monkeypatch.setattr(theirs, "_check_integrity", lambda self: True)
    with pytest.raises(InputError, match="is no readable batch"):
        source(str(root), download=True)
    assert not (tmp_path / "trace").exists()


def test_a_damaged_file_that_lies_there_is_refused_as_without_a_download(publish):
    root = publish({name: b"damaged" for name in MNIST.files})
    (root / MNIST.files[0]).write_bytes(b"more damaged")
    with pytest.raises(InputError, match="train-images-idx3-ubyte is not the published file"):
        MNIST(str(root), download=True)


def test_who_fetches_into_a_folder_that_another_is_fetching_into_waits_and_finds_its_files(tmp_path):
    order, root = [], str(tmp_path / "new")

    class Fetcher:
        def download(self):
            order.append(("begins", (tmp_path / "new" / "file").exists()))
            time.sleep(0.1)
            (tmp_path / "new" / "file").touch()
            order.append(("ends", True))

    threads = [threading.Thread(target=fetch, args=[Fetcher, root]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order == [("begins", False), ("ends", True), ("begins", True), ("ends", True)]
