"""What a stranger sends is refused by every command that would read it, with status 2, and nothing of it is obeyed.

More of each is in test_import_paths, test_binary_files, test_image_folder, test_public and the tests of comparison.
"""

import io
import pickle
import sys
import tarfile
import zipfile

import numpy as np
import pytest
import torch
import torchvision
import yaml
from helpers.data_files import Intruder, png_of
from helpers.trees import tiny_with

from gan_sntg.training import checkpoint

READERS = ["train", "evaluate", "sample", "predict", "export", "graph"]
CALLABLES = [
    "os.system",
    {"class_path": "os.system", "init_args": {"command": "touch trace"}},
    {"class_path": "subprocess.run", "init_args": {"args": ["touch", "trace"]}},
]


@pytest.fixture
def reading(run, tmp_path):
    """The words by which each command reads a finished run, or its configuration."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.png").write_bytes(png_of(8, 8))
    others = {
        "train": "train --config run/config.yaml --out run",
        "predict": "predict run images --out a.csv",
        "graph": "graph predictions run --out a.npz",
    }
    return lambda name: others.get(name, f"{name} run").split()


@pytest.mark.parametrize("wrapped", [torch.save, pickle.dump], ids=["zip", "pickle"])
@pytest.mark.parametrize("name", READERS)
def test_a_pickle_in_a_checkpoint(refused, run, reading, name, wrapped):
    if name == "train":  # which would go on from it
        (run / "result.json").unlink()
    for path in (run / "checkpoints").glob("*.pt"):
        with path.open("wb") as file:
            wrapped({"format": checkpoint.FORMAT, "method": Intruder()}, file)
    refused(reading(name), "not a readable checkpoint")


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("tag", ["!!python/object/apply:os.mkdir [trace]", "!!python/name:os.system", "!!python/module:os"])
def test_a_yaml_tag_in_the_configuration_of_a_run(refused, run, reading, name, tag):
    with (run / "config.yaml").open("a") as file:
        file.write(f"compile: {tag}\n")
    refused(reading(name), "config.yaml")


@pytest.mark.parametrize("place", ["data", "normalization", "method", "method.sntg.pairing", "method.teacher", "method.discriminator"])
@pytest.mark.parametrize("value", CALLABLES, ids=str)
def test_a_callable_in_place_of_a_part(refused, tmp_path, place, value):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tiny_with(place, value)))
    refused(["train", "--config", "config.yaml", "--out", "run"], "is refused: a configuration may only name what is in")


@pytest.mark.parametrize("name", READERS)
def test_a_class_in_a_stranger_s_file(refused, run, reading, tmp_path, monkeypatch, name):
    (tmp_path / "stranger.py").write_text("import os\nos.mkdir('trace')\nclass Teacher:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    path = run / "config.yaml"
    path.write_text(path.read_text().replace("gan_sntg.graph.Averaged", "stranger.Teacher"))
    refused(reading(name), "stranger.Teacher is refused")
    assert "stranger" not in sys.modules


@pytest.mark.parametrize("name", ["../trace", "a/../../trace", "cifar-10-batches-py/../../trace"])
def test_an_archive_that_leads_out_of_its_folder_for_it_is_not_the_published_one(refused, train, tmp_path, monkeypatch, name):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    (tmp_path / "root").mkdir()
    (tmp_path / "root/cifar-10-python.tar.gz").write_bytes(buffer.getvalue())
    monkeypatch.setattr(torchvision.datasets.utils, "_get_redirect_url", lambda url, max_hops: url)
    monkeypatch.setattr(torchvision.datasets.utils, "_urlretrieve", lambda url, path: None)  # it serves what lies there
    words = ["--data", "gan_sntg.data.CIFAR10", "--data.root", "root", "--data.download", "true"]
    refused([*train, *words], "CIFAR10 could not be downloaded to root", "corrupted")


def test_an_npz_that_claims_a_terabyte(refused, train, tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**12,)})
    np.savez_compressed(tmp_path / "a.npz", train_y=np.arange(2), test_x=np.zeros((2, 4, 4), np.uint8), test_y=np.arange(2))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("train_x.npy", header.getvalue() + bytes(100))
    words = ["--data", "gan_sntg.data.Arrays", "--data.file", "a.npz", "--data.root", "."]
    refused([*train, *words], "train_x.npy says it is uint8 [1000000000000]")


@pytest.mark.parametrize(("side", "phrase"), [(50_000, "2500000000 pixels"), (13_000, "13000 x 13000 pixels; the most that is decoded is")])
@pytest.mark.parametrize("name", ["train", "predict"])
def test_a_giant_picture(refused, run, train, tmp_path, name, side, phrase):
    for path in ["labeled/a/0.png", "labeled/b/1.png", "test/a/2.png", "test/b/3.png", "unlabeled/giant.png", "images/giant.png"]:
        (tmp_path / "root" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / path).write_bytes(png_of(side, side) if "giant" in path else png_of(8, 8))
    words = ["--data", "gan_sntg.data.ImageFolder", "--data.root", "root", "--data.image_size", "28", "--out", "new"]
    words = [*train[:3], *words] if name == "train" else ["predict", "run", "root/images", "--out", "a.csv"]
    refused(words, "giant.png", phrase)


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", 'a"><img src=x onerror=alert(1)>', "a\nb", "a\x1b[2Jb"])
def test_markup_in_the_name_of_a_run(refused, train, name):
    """In a page it is text: test_page, test_compare_browser."""
    refused([*train[:3], "--out", f"runs/{name}"], "in it, which pages and shells take for more")
