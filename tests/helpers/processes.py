"""Processes of tests, forked from one that has loaded everything: no start costs an import."""

import ctypes
import os
import shutil
import subprocess
import sys
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from gan_sntg.__main__ import main

FORKED, NO_NAMESPACES = get_context("forkserver"), 77
LOADED = "torch._dynamo torch.distributed.run sklearn.datasets optuna gan_sntg.commands.reproduce gan_sntg.commands.tune discriminative"
FORKED.set_forkserver_preload(LOADED.split())


def unsynced(file) -> None:
    """In place of os.fsync, which waits for the disk some milliseconds: no test loses power."""


def started(function, words: list, log: Path) -> BaseProcess:
    """Start `function(words)`: what it returns is the process's exit status, what it prints is in the file `log`."""
    process = FORKED.Process(target=entered, args=(function, [str(word) for word in words], log))
    process.start()
    return process


def ended(function, words: list, log: Path) -> int:
    """Exit status of such a process."""
    process = started(function, words, log)
    process.join(600)
    return process.exitcode


def entered(function, words: list[str], log: Path) -> None:
    torch.set_num_threads(1)
    os.fsync = unsynced
    for printed in 1, 2:
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), printed)
    sys.exit(function(words))


def unheard(words: list[str]) -> int:
    """The command of words[1:], whose reader of stdout (words[0] is "1"), of stderr ("2") or of both ("12") is gone."""
    reader, writer = os.pipe()
    os.close(reader)
    for number in words[0]:
        os.dup2(writer, int(number))
    return main(words[1:])


def mute(words: list[str]) -> int:
    """The command, started with stdout and stderr closed."""
    sys.stdout = sys.stderr = None
    os.closerange(1, 3)
    return main(words)


def on_a_full_disk(words: list[str]) -> int:
    """Train on a small disk of this process's own until it is full, evaluate, make room, train on, and copy the run.

    words: where to mount it, the configuration, where to copy the run. Prints the statuses last.
    """
    disk, config, out = words
    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None).unshare(0x10020000):  # CLONE_NEWUSER | CLONE_NEWNS
        return NO_NAMESPACES
    for name, text in ("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1"):
        Path(f"/proc/self/{name}").write_text(text)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", disk]).returncode:
        return NO_NAMESPACES
    train = ["train", "--config", config, "--out", f"{disk}/run", "--epochs", "12", "--keep", "2"]
    statuses = [main(train), main(["evaluate", f"{disk}/run"])]
    subprocess.run(["mount", "-o", "remount,size=100m", disk], check=True)
    print(*statuses, main(train), file=sys.stderr)
    shutil.copytree(f"{disk}/run", out, ignore=shutil.ignore_patterns("checkpoints"))
    return 0
