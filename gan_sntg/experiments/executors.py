"""Executors of a grid's cells: local processes or tasks of a Ray cluster."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from statistics import fmean
from typing import NamedTuple, Protocol

from gan_sntg.errors import InputError
from gan_sntg.experiments.grid import Cell
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.stopping import LATER

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
    command = [sys.executable, "-m", "gan_sntg.commands.worker", str(os.getpid()), *words]
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


LOST = 10  # workers that a task may lose


class Engine(Protocol):
    """Runs tasks, as many at once as there is room for; a task is done once, wherever and however often it had to be begun."""

    def run(self, tasks: list[Task]) -> Iterator[Outcome]:
        """Each as it ends, in any order. Closed before the last, it saves and stops what still runs."""
        ...


class Local:
    """`processes` at once on this machine."""

    def __init__(self, processes: int):
        """processes: at least 1."""
        self.processes = processes

    def run(self, tasks: list[Task]) -> Iterator[Outcome]:
        """See Engine."""
        children = Children()
        with ThreadPoolExecutor(self.processes) as pool:
            try:
                yield from (done.result() for done in as_completed([pool.submit(perform, task, children) for task in tasks]))
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                children.end()


class Ray:
    """Tasks of a Ray cluster: a lost worker's are begun again by Ray, and go on from their checkpoints on storage that all nodes share."""

    def __init__(self, address: str | None, gpus: float):
        """address: of the cluster, None to start one here; gpus: of a task. Raises InputError where Ray is missing or not reached."""
        try:
            import ray  # noqa: PLC0415  an extra

            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to Ray's makers unless asked for
            ray.init(address, log_to_driver=False, include_dashboard=None if address else False)
        except ImportError as error:
            raise InputError("--engine ray needs Ray; install it with pip install 'gan-sntg[cluster]'") from error
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InputError(f"no Ray cluster is reached at {address!r} ({error}); start one with `ray start --head`") from error
        self.ray, self.gpus = ray, gpus

    def run(self, tasks: list[Task]) -> Iterator[Outcome]:
        """See Engine."""
        remote = self.ray.remote(num_gpus=self.gpus, max_retries=LOST)(perform_alone)
        pending = {remote.options(num_cpus=task.threads).remote(task): task for task in tasks}
        try:
            while pending:
                (done,), _ = self.ray.wait(list(pending))
                yield self.outcome(done, pending.pop(done))
        finally:
            for begun in pending:
                self.ray.cancel(begun, force=True)

    def outcome(self, done, task: Task) -> Outcome:
        """What a task returned, or that its workers were lost too often."""
        try:
            return self.ray.get(done)
        except self.ray.exceptions.RayError as error:
            return Outcome(task, 1, f"its workers were lost ({' '.join(str(error).split())[:200]})")


def perform_alone(task: Task) -> Outcome:
    """In a process of Ray's."""
    return perform(task, Children())


class Remaining:
    """Kept for the cells of a grid that are run `processes` at once."""

    def __init__(self, cells: list[Cell], processes: int):
        """Reads what the run folders hold."""
        self.cells, self.processes = cells, processes

    def text(self) -> str:
        """How many are done, and about how long the others will take."""
        seconds = estimate((cell.name, *progress(cell)) for cell in self.cells)
        about = f", about {duration(seconds / self.processes)} left" if seconds else ""
        return f"{sum(RunFolder(cell.folder).finished for cell in self.cells)} of {len(self.cells)} cells{about}"

    def line(self, outcome: Outcome) -> str:
        """About a task that ended."""
        cell = outcome.task.cell
        if outcome.status:
            return f"{cell.name} seed {cell.seed}: status {outcome.status}: {outcome.message}"
        result = RunFolder(cell.folder).read_result()
        return f"{cell.name} seed {cell.seed}: {result['test_error_averaged']:.2f} %, {duration(result['seconds'])}; {self.text()}"


def progress(cell: Cell) -> tuple[float, float | None]:
    """Of a cell: the part of its epochs that is done, and the seconds that took, None before the first interval."""
    folder = RunFolder(cell.folder)
    try:
        if folder.finished:
            return 1.0, folder.read_result()["seconds"]
        rows = folder.rows()
        return (rows[-1]["epoch"] / folder.read_options()["epochs"], rows[-1]["seconds"]) if rows else (0.0, None)
    except (InputError, KeyError, TypeError, ZeroDivisionError):
        return 0.0, None


def estimate(cells: Iterable[tuple[str, float, float | None]]) -> float | None:
    """Seconds of work left, from (name, part done, seconds that took) of every cell; None where nothing was measured."""
    cells = list(cells)
    lengths: dict[str, list[float]] = {}
    for name, done, seconds in cells:
        if seconds and done:
            lengths.setdefault(name, []).append(seconds / done)
    if not lengths:
        return None
    other = fmean(fmean(found) for found in lengths.values())
    return sum((1 - done) * (fmean(lengths[name]) if name in lengths else other) for name, done, _ in cells)


def duration(seconds: float) -> str:
    """Rounded, such as 40 s, 12 min or 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
