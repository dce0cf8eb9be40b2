"""No command speaks to the network unless it is asked to download something, in a process of its own in which every attempt is seen."""

import json
import os
import subprocess
import sys

WATCHED = """
import json, sys
from pathlib import Path

EVENTS = "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request"
seen = []

def watch(event, arguments):
    if event in EVENTS or event == "socket.connect" and isinstance(arguments[1], tuple):  # not a path of this machine
        seen.append(event)
        raise OSError("there is no network here")

sys.addaudithook(watch)
from gan_sntg.commands.main import main
found = []
for words in json.load(sys.stdin):
    status = main(words)
    found.append([status, seen[:1]])
    seen.clear()
Path("seen.json").write_text(json.dumps(found))
"""
SETS = ["MNIST", "CIFAR10", "CIFAR100", "SVHN"]


def data(name: str) -> list[str]:
    return ["--data", f"gan_sntg.data.public.{name}", "--data.root", "data"]


def test_nothing_is_fetched_but_what_is_asked_for(tiny, tmp_path):
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
    words = json.dumps([[str(word) for word in command] for command in [*done, *absent, *asked]])
    own = {**os.environ, "GAN_SNTG_DATA": str(tmp_path / "data")}  # in which no weights lie either
    subprocess.run([sys.executable, "-c", WATCHED], input=words, text=True, cwd=tmp_path, env=own, capture_output=True, check=True)
    seen = json.loads((tmp_path / "seen.json").read_text())  # of each its status and the first thing that it tried
    assert seen == [[0, []]] * len(done) + [[2, []]] * len(absent) + [[2, ["urllib.Request"]]] * len(asked)
