"""No command speaks to the network unasked; and what a process of its own shows of imports and a closed pipe."""

import json
import os
import subprocess
import sys

import pytest

WATCHED = """
import json, sys
from pathlib import Path
seen = []
sys.addaudithook(lambda event, arguments: seen.append(event) if event in sys.argv[2:] else None)
import gan_sntg.evaluation, gan_sntg.commands.train
slow = sorted({"torch_fidelity", "torchvision", "sklearn", "matplotlib", "torch._dynamo"} & set(sys.modules))
early = "torch.distributed.nn.functional" in sys.modules
from gan_sntg.__main__ import COMMANDS, main
for name in COMMANDS:
    __import__(f"gan_sntg.commands.{name}")
Path("seen.json").write_text(json.dumps([seen, slow, early]))
sys.exit(main(["splits", "show", sys.argv[1]]))
"""
EVENTS = "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request"
SETS = ["MNIST", "CIFAR10", "CIFAR100", "SVHN"]


@pytest.fixture
def tried():
    """What is tried of the network, event by event; each fails."""
    seen, watching = [], True  # a hook of the interpreter's cannot be taken out, but goes quiet

    def watch(event: str, arguments: tuple) -> None:
        if watching and (event in EVENTS or event == "socket.connect" and isinstance(arguments[1], tuple)):  # not a path of this machine
            seen.append(event)
            raise OSError("there is no network here")

    sys.addaudithook(watch)
    yield seen
    watching = False


def data(name: str) -> list[str]:
    return ["--data", f"gan_sntg.data.public.{name}", "--data.root", "data"]


def test_nothing_is_fetched_but_what_is_asked_for(command, tiny, tmp_path, monkeypatch, tried):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAN_SNTG_DATA", str(tmp_path / "data"))  # in which no weights lie either
    (tmp_path / "images").mkdir()
    train = ["train", "--config", tiny, "--epochs", 1, "--steps_per_epoch", 2, "--liveness", "true"]
    done = [
        [*train, "--seeds", "0,1", "--out", "runs"],
        ["evaluate", "runs/0"],
        ["sample", "runs/0"],
        ["export", "runs/0"],
        ["compare", "runs/0", "runs/1", "--out", "page"],
        ["graph", "predictions", "runs/0", "--out", "graph.npz"],
        ["doctor", "--synthetic", "--config", tiny],
    ]
    fidelity = ["evaluate", "runs/0", "--fidelity", "--extractor", "inception"]
    absent = [*[[*train, "--out", "new", *data(name)] for name in SETS], fidelity, ["predict", "runs/0", "images", "--out", "a.csv"]]
    asked = [*[[*train, "--out", "new", *data(name), "--data.download", "true"] for name in SETS], [*fidelity, "--download"]]
    for commands, status, first in (done, 0, []), (absent, 2, []), (asked, 2, ["urllib.Request"]):
        for words in commands:
            tried.clear()
            assert (command(*words).status, tried[:1]) == (status, first), words


def test_imports_fetch_nothing_those_of_train_are_quick_and_a_closed_pipe_ends_in_status_1_and_silence(finished, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-c", WATCHED, finished / "split.json", *EVENTS, "socket.connect"]
    found = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, cwd=tmp_path)
    os.close(writer)
    assert (found.returncode, found.stderr) == (1, b"")
    assert json.loads((tmp_path / "seen.json").read_text()) == [[], [], True]  # the last: else a process group would outlive its end
