"""No command speaks to the network unasked; and what a process of its own shows of imports and a closed pipe."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import gan_sntg
from gan_sntg.__main__ import COMMANDS

ROOT = Path(__file__).parents[2]
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
rare = sorted({"torch_fidelity", "torchvision", "sklearn", "matplotlib", "scipy.stats", "scipy.io", "torch._dynamo"} & set(sys.modules))
Path("seen.json").write_text(json.dumps([seen, slow, rare, early]))
sys.exit(main(["splits", "show", sys.argv[1]]))
"""
LISTED = """
import sys
from gan_sntg.__main__ import main
print([main(words) for words in (["--version"], ["--help"], [], ["nothing"])])
print(sorted({name.split(".")[0] for name in sys.modules} - {*sys.stdlib_module_names, "__main__"}))
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


def test_imports_fetch_nothing_are_of_what_is_used_and_a_closed_pipe_ends_in_status_1_and_silence(finished, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-c", WATCHED, finished / "split.json", *EVENTS, "socket.connect"]
    found = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, cwd=tmp_path)
    os.close(writer)
    assert (found.returncode, found.stderr) == (1, b"")
    assert json.loads((tmp_path / "seen.json").read_text()) == [[], [], [], True]  # the last: else a process group would outlive its end


def test_the_version_and_the_list_of_commands_load_no_library():
    found = subprocess.run([sys.executable, "-S", "-c", LISTED], capture_output=True, text=True, cwd=ROOT)  # -S: without what is installed
    lines = found.stdout.splitlines()
    assert (lines[0], lines[-2:]) == (gan_sntg.__version__, ["[0, 0, 2, 2]", "['gan_sntg']"])
    for name in COMMANDS:
        first = import_module(f"gan_sntg.commands.{name}").__doc__.splitlines()[0]
        assert f"  {name:9} {first}" in lines and f"  {name:9} {first}" in found.stderr.splitlines()
