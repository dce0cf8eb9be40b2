"""The home folder: ~ means it in every path that a command, a configuration, a variable or Python is given."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers.data_files import npz, picture

from gan_sntg.data import Arrays, ImageFolder
from gan_sntg.errors import InputError
from gan_sntg.export.load import load_export
from gan_sntg.files.array_files import cached
from gan_sntg.files.paths import at_home
from gan_sntg.runs.run import load_run

X = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)


@pytest.fixture
def home(tmp_path, finished, monkeypatch) -> Path:
    """A home folder with a finished run, arrays and a picture; the present folder is another, which is empty."""
    home = tmp_path / "home"
    shutil.copytree(finished, home / "run")
    npz(home / "mine.npz", train_x=X[:40], train_y=np.arange(40) % 10, test_x=X[40:], test_y=np.arange(20) % 10)
    picture(home / "inbox/a.png", X[0])
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(home))
    return home


ARRAYS = ["--data", "Arrays", "--data.file", "mine.npz"]
COMMANDS = {
    "predict": (["predict", "~/run", "~/inbox", "--out=~/p.csv"], "p.csv"),
    "sample": (["sample", "~/run", "--out=~/s.png"], "s.png"),
    "compare": (["compare", "~/run", "~/run2", "--out=~/compared"], "compared"),
    "splits": (["splits", "make", *ARRAYS, "--data.root=~/", "--out=~/split.json"], "split.json"),
    "home itself": (["splits", "make", *ARRAYS, "--data.root=~", "--out", "~/split.json"], "split.json"),
    "verify": (["splits", "make", "--config=~/run/config.yaml", "--split=~/run/split.json", "--out=~/again.json"], "again.json"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_path_of_a_command_begins_at_home(command, home, name):
    shutil.copytree(home / "run", home / "run2")
    words, made = COMMANDS[name]
    outcome = command(*words)
    assert outcome.status == 0, outcome.err
    assert (home / made).exists() and os.listdir() == []


def test_a_configuration_and_what_stands_in_it_begin_at_home(command, home, tiny_tree):
    data = {"class_path": "gan_sntg.data.Arrays", "init_args": {"root": "~/", "file": "mine.npz"}}
    (home / "own.yaml").write_text(yaml.safe_dump(tiny_tree() | {"data": data, "out": "~/split.json"}))
    assert command("splits", "make", "--config", "~/own.yaml").status == 0
    assert (home / "split.json").exists() and os.listdir() == []


def test_variables_and_python_begin_at_home(home, monkeypatch):
    monkeypatch.setenv("GAN_SNTG_DATA", "~")
    assert Arrays(file="mine.npz").num_examples == 40
    monkeypatch.setenv("GAN_SNTG_CACHE", "~/cache")
    cached("key", {}, dict)
    assert (home / "cache/key.pt").is_file() and load_run("~/run", "cpu").folder.path == home / "run"
    with pytest.raises(InputError, match=f"{home}/none is not a readable folder"):
        ImageFolder("~/none")
    with pytest.raises(InputError, match=f"{home}/none"):
        load_export("~/none")


def test_without_a_home_folder_the_path_is_refused(monkeypatch):
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(InputError, match="~/a: there is no home folder here"):
        at_home("~/a")
    assert at_home("~a") == Path("~a")
