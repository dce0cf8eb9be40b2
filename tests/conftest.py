"""Fixtures of all tests: one thread, the command as a function, a tiny run, and MNIST, real or in miniature."""

import contextlib
import copy
import gc
import hashlib
import io
import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
import yaml
from helpers import trees
from helpers.data_files import idx
from helpers.processes import unsynced

from gan_sntg.__main__ import main
from gan_sntg.data import public
from gan_sntg.files import import_paths

torch.set_num_threads(1)
torch.zeros((), requires_grad=True).backward()  # before an export has torch take a GPU for there, after which no fork could train
os.fsync = unsynced
CACHE = tempfile.TemporaryDirectory(prefix="gan-sntg-cache-")  # nothing is written into, or taken from, the user's
os.environ["GAN_SNTG_CACHE"] = CACHE.name
pytest.register_assert_rewrite("helpers.run_folders", "helpers.tiny", "helpers.browser", "helpers.run_comparison")


class Outcome(NamedTuple):
    """Exit status of a command and what it printed."""

    status: int
    out: str
    err: str


@pytest.hookimpl(trylast=True)  # after the order was drawn
def pytest_collection_modifyitems(items):
    """Begin with the files that take longest, so that two workers end together."""
    longest = "reproduce data_parallel configs resume tuning fuzz plan spaces each_method bad_input backbones tutorial compile export seeds"
    longest += " ladder import_paths trainer readme labels_per_class stopping run evaluate_command process output public_cuts"
    items.sort(key=lambda item: item.path.stem.removeprefix("test_") not in longest.split())


def pytest_collection_finish():
    """The collector of garbage need not look through all that is loaded, which stays."""
    gc.freeze()


@pytest.fixture(autouse=True)
def start():
    """One thread, the same state of torch's generator and no package of another test for each, whatever ran before it."""
    torch.set_num_threads(1)
    torch.default_generator.manual_seed(0)
    admitted = import_paths.own_packages()
    yield
    import_paths._packages.clear()
    import_paths._packages.update(admitted)


@pytest.fixture(scope="session")
def command():
    """The `gan-sntg` command as a function of its words."""

    def run(*words) -> Outcome:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([str(word) for word in words])
        return Outcome(status, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="session")
def tiny_tree():
    """A configuration of 12 steps on the digits, as a tree to change."""
    return lambda: copy.deepcopy(trees.TINY)


@pytest.fixture(scope="session")
def labels_alone():
    """The method of that configuration without its GAN, as a tree: its discriminator, trained on the labels alone."""
    return lambda: copy.deepcopy(trees.labels_alone(trees.DISCRIMINATOR))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """The same as a file."""
    path = tmp_path_factory.mktemp("configs") / "tiny.yaml"
    path.write_text(yaml.safe_dump(trees.TINY))
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory, command, tiny) -> Path:
    """The folder of a finished tiny run: to be read, or copied before it is changed."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    assert command("train", "--config", tiny, "--out", folder).status == 0
    return folder


@pytest.fixture
def run(finished, tmp_path) -> Path:
    """A copy of that folder, to be changed."""
    return shutil.copytree(finished, tmp_path / "run")


@pytest.fixture(scope="session")
def classifier(tmp_path_factory, command, tiny_tree, labels_alone) -> Path:
    """The folder of a finished run without a generator, a classifier of all digits: to be read."""
    folder = tmp_path_factory.mktemp("classifiers")
    (folder / "all.yaml").write_text(yaml.safe_dump(tiny_tree() | {"method": labels_alone(), "labels": None}))
    assert command("train", "--config", folder / "all.yaml", "--out", folder / "digits").status == 0
    return folder / "digits"


@pytest.fixture(scope="session")
def contents():
    """Every file under a folder as {path: bytes}, folders as None."""
    return lambda folder: {p.relative_to(folder): p.read_bytes() if p.is_file() else None for p in Path(folder).rglob("*")}


@pytest.fixture(scope="session")
def real():
    """The folder of the real files of a set, as a function of its class; skips where they are not there."""

    def root(*files: str) -> str:
        folder = os.environ.get("GAN_SNTG_DATA")
        if folder is None:
            pytest.skip("needs real data: GAN_SNTG_DATA is not set")
        missing = [name for name in files if not (Path(folder) / name).is_file()]
        if missing:
            pytest.skip(f"needs real data: {missing[0]} is not under GAN_SNTG_DATA")
        return folder

    return root


@pytest.fixture
def small_mnist(publish) -> Path:
    """A root with MNIST's four files in miniature (120 + 30 images), known to our table by their hashes."""
    generator, files = np.random.default_rng(0), {}
    for part, n in ("train", 120), ("t10k", 30):
        files[f"MNIST/raw/{part}-images-idx3-ubyte"] = idx(generator.integers(0, 256, (n, 5, 6)))
        files[f"MNIST/raw/{part}-labels-idx1-ubyte"] = idx(np.arange(n) % 10)
    return publish(files)


@pytest.fixture
def refused(command, contents, tmp_path, monkeypatch):
    """Checks that a command of these words is refused: status 2, one message that holds the phrases, nothing written or changed."""
    monkeypatch.chdir(tmp_path)

    def check(words: list, *phrases: str) -> None:
        before = contents(tmp_path)
        status, out, err = command(*words)
        assert (status, out) == (2, "")
        assert err.startswith(f"gan-sntg {words[0]}: error: ") and err.count("error:") == 1 and err.count("\n") <= 3
        assert [phrase for phrase in phrases if phrase not in err] == []
        assert contents(tmp_path) == before

    return check


@pytest.fixture
def train(tiny):
    """The words of a training command in the present folder."""
    return ["train", "--config", tiny, "--out", "run"]


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """Writes files under a root and makes them the published ones: {path: bytes} -> root."""

    def write(files: dict[str, bytes]) -> Path:
        for name, data in files.items():
            (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "data" / name).write_bytes(data)
        monkeypatch.setattr(public, "KNOWN_FILES", {name: hashlib.sha256(data).hexdigest() for name, data in files.items()})
        return tmp_path / "data"

    return write
