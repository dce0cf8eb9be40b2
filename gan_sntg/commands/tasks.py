"""How is a cell of a grid run? By its commands, each a process of its own, whose end and last line are the outcome."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from gan_sntg.commands.grids import Cell
from gan_sntg.commands.stopping import LATER
from gan_sntg.core.errors import InputError
from gan_sntg.core.record import RunFolder

PATIENCE = 60.0  # seconds for a run of an earlier, killed program to save and end


class Task(NamedTuple):
    """A cell, its CPU threads, the time (seconds since 1970) when it is to be saved and stopped (None: never), and where and with what.

    place: the folder that paths are relative to; variables: of the environment, where a worker's are not those of the program that asks.
    """

    cell: Cell
    threads: int
    end: float | None
    place: Path
    variables: dict[str, str]


class Outcome(NamedTuple):
    """Of a task: the exit status of its command (`gan-sntg`'s) and the last line that it wrote."""

    task: Task
    status: int
    message: str


class Children:
    """The processes that run here, to be ended with SIGTERM, upon which each saves; once they are, none is begun."""

    def __init__(self):
        """None yet."""
        self.running, self.stopped = set(), threading.Event()

    def end(self) -> None:
        """From any thread."""
        self.stopped.set()
        for child in list(self.running):
            child.terminate()

    def wait_for(self, child: subprocess.Popen) -> int:
        """Its exit status."""
        self.running.add(child)
        if self.stopped.is_set():
            child.terminate()
        status = child.wait()
        self.running.discard(child)
        return status


def perform(task: Task, children: Children) -> Outcome:
    """Run a cell's commands to the first that fails, each a process of its own; what they write goes to <run folder>.log."""
    folder = task.place / task.cell.folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    await_end(folder)
    status, log = 0, folder.with_suffix(".log")
    for words in filter(
        None, [task.cell.first, ["train", *task.cell.words, "--out", str(task.cell.folder), "--threads", str(task.threads)]]
    ):
        if children.stopped.is_set() or (task.end is not None and time.time() >= task.end):
            return Outcome(task, LATER, "not begun")
        if words[0] == "train" and task.end is not None:
            words += ["--max_minutes", f"{(task.end - time.time()) / 60:.3f}"]
        if status := children.wait_for(begin(words, task, log)):
            break
    return Outcome(task, status, last_line(log))


def begin(words: list[str], task: Task, log: Path) -> subprocess.Popen:
    """`gan-sntg` with these words, in a process that ends with this one."""
    command = [sys.executable, "-m", "gan_sntg.commands.attended", str(os.getpid()), *words]
    threads = {name: str(task.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    with log.open("ab") as file:
        return subprocess.Popen(command, cwd=task.place, env=os.environ | task.variables | threads, stdout=file, stderr=file)


def await_end(folder: Path) -> None:
    """Wait for a run that is still being trained there, by a process of an earlier program that was killed, to be saved."""
    run, last = RunFolder(folder), time.monotonic() + PATIENCE
    while folder.exists():
        try:
            run.lock()
            return run.release()
        except InputError:
            if time.monotonic() >= last:
                return  # the command will say so
            time.sleep(0.5)


def last_line(log: Path) -> str:
    """What the commands wrote last."""
    lines = log.read_bytes()[-4000:].decode(errors="replace").splitlines() if log.is_file() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it wrote nothing")
