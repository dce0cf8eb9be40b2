"""Executors of planned cells, each a `gan-sntg train`: local processes or tasks of a Ray cluster."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import closing, suppress
from datetime import timedelta
from math import inf
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from gan_sntg.errors import InputError
from gan_sntg.experiments.plan import Cell
from gan_sntg.files.import_paths import allow, allow_words, own_packages
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.stopping import LATER

POLL = 0.1  # seconds between two looks whether a process has ended
LOOK = 1.0  # seconds between two looks whether a group needs no more
PATIENCE = 60.0  # seconds for a run of an earlier, killed program to save and end
LOST = 10  # workers that a cell may lose
VARIABLES = "GAN_SNTG_DATA", "GAN_SNTG_CACHE"  # of the environment, which a worker on another machine may lack
TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc-per-node"]


class Limits(NamedTuple):
    """CPU threads of each cell, and the time (seconds since 1970) to save and stop all."""

    threads: int = 1
    end: float = inf


class Outcome(NamedTuple):
    """The exit status of a cell's command (`gan-sntg`'s) and the last line that it wrote."""

    cell: Cell
    status: int
    message: str


def perform(cell: Cell, limits: Limits, stop: threading.Event) -> Outcome:
    """Run a cell's commands until one fails or `stop`, each a process that writes to <run folder>.log."""
    cell.folder.parent.mkdir(parents=True, exist_ok=True)
    await_end(cell.folder)
    status, log = 0, cell.folder.with_suffix(".log")
    train = ["train", *cell.words, "--out", str(cell.folder), "--threads", str(limits.threads)]
    for words in filter(None, [cell.first, train]):
        if stop.is_set() or time.time() >= limits.end:
            return Outcome(cell, LATER, "not begun")
        if words is train and limits.end < inf:
            words += ["--max_minutes", f"{(limits.end - time.time()) / 60:.3f}"]
        child = begin(words, cell.row.ranks if words is train else 1, limits.threads, log)
        while child.poll() is None:
            if stop.wait(POLL):
                child.terminate()  # upon which it saves and ends
                break
        if status := child.wait():
            break
    return Outcome(cell, status, last_line(log))


def last_line(log: Path) -> str:
    """The last line of a log that is not empty."""
    said = log.read_bytes()[-4000:].decode(errors="replace").splitlines() if log.is_file() else []
    return next((line.strip() for line in reversed(said) if line.strip()), "it wrote nothing")


def await_end(folder: Path) -> None:
    """Wait, at most PATIENCE, until a process of an earlier, killed program has saved there."""
    run, last = RunFolder(folder), time.monotonic() + PATIENCE
    while folder.exists() and time.monotonic() < last:
        with suppress(InputError):
            run.lock()
            return run.release()
        time.sleep(0.5)


def begin(words: list[str], ranks: int, threads: int, log: Path, module: str = "gan_sntg") -> subprocess.Popen:
    """Start a module with these words, `gan-sntg` by default, in a process that ends with this one."""
    launcher = [*TORCHRUN, str(ranks), "-m"] if ranks > 1 else []
    command = [sys.executable, "-m", "gan_sntg.experiments.worker", str(os.getpid()), *launcher, module, *words, *allow_words()]
    variables = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    with log.open("ab") as file:
        return subprocess.Popen(command, env=variables, stdout=file, stderr=file)


class Local(NamedTuple):
    """An engine of this machine, which runs so many cells at once, at least 1."""

    processes: int

    def run(self, cells: list[Cell], limits: Limits) -> Generator[Outcome]:
        """Yield each outcome as its cell ends; closed before the last, save and stop what still runs."""
        stop = threading.Event()
        with ThreadPoolExecutor(self.processes) as pool:
            try:
                yield from (done.result() for done in as_completed([pool.submit(perform, cell, limits, stop) for cell in cells]))
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                stop.set()


class Ray:
    """An engine of a Ray cluster; a lost worker's cells go on elsewhere, on storage that all nodes share."""

    def __init__(self, address: str | None, gpus: float):
        """address: of the cluster, None to start one here; gpus: of a cell. Raises InputError."""
        try:
            import ray  # noqa: PLC0415  an extra  # pyright: ignore[reportMissingImports]

            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to Ray's makers unless asked for
            ray.init(address, log_to_driver=False, include_dashboard=None if address else False)
        except ImportError as error:
            raise InputError("--engine ray needs Ray; install it with pip install 'gan-sntg[cluster]'") from error
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InputError(f"no Ray cluster is reached at {address!r} ({error}); start one with `ray start --head`") from error
        self.ray, self.gpus = ray, gpus

    def run(self, cells: list[Cell], limits: Limits) -> Generator[Outcome]:
        """As Local's."""
        place, variables = Path.cwd(), {name: os.environ[name] for name in VARIABLES if name in os.environ}
        packages = own_packages()

        def elsewhere(cell: Cell) -> Outcome:
            os.chdir(place)
            os.environ.update(variables)
            for package in packages:
                allow(package)
            return perform(cell, limits, threading.Event())

        remote = self.ray.remote(num_gpus=self.gpus, max_retries=LOST)(elsewhere)
        pending = {remote.options(num_cpus=limits.threads * cell.row.ranks).remote(cell): cell for cell in cells}
        try:
            while pending:
                (done,), _ = self.ray.wait(list(pending))
                cell = pending.pop(done)
                try:
                    yield self.ray.get(done)
                except self.ray.exceptions.RayError as error:
                    yield Outcome(cell, 1, f"its workers were lost ({' '.join(str(error).split())[:200]})")
        finally:
            for begun in pending:
                self.ray.cancel(begun, force=True)


class Pool:
    """Context that runs groups of cells at once; stops one that needs no more, and at its end all."""

    def __init__(self, limits: Limits, processes: int):
        self.limits, self.threads = limits, ThreadPoolExecutor(processes)
        self.stops: dict[int, threading.Event] = {}

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)
        for event in self.stops.values():
            event.set()
        self.threads.shutdown()

    def run(self, groups: dict[int, list[Cell]], enough: Callable[[int], bool]) -> Iterator[tuple[int, list[Outcome]]]:
        """The number of each group that ends, and the outcomes of its unfinished cells.

        enough: whether a group is to be stopped.
        """
        self.stops = {number: threading.Event() for number in groups}
        futures: dict[int, list[Future[Outcome]]] = {}
        for number, cells in groups.items():
            futures[number] = [self.threads.submit(perform, cell, self.limits, self.stops[number]) for cell in unfinished(cells)]
        while futures:
            for number in list(futures):
                if all(future.done() for future in futures[number]):
                    yield number, [future.result() for future in futures.pop(number)]
                elif enough(number):
                    self.stops[number].set()
            if futures:
                time.sleep(LOOK)


def execute(engine: Local | Ray, cells: list[Cell], limits: Limits, retries: int = 0) -> list[Outcome]:
    """Run unfinished cells, those that read another's run after it; the outcomes of those that failed."""
    given_up = []
    for later in False, True:
        todo, failed = [cell for cell in unfinished(cells) if (cell.needed is not None) == later], []
        for _ in range(retries + 1):
            failed = attempt(engine, todo, limits, cells)
            todo = [outcome.cell for outcome in failed]
        given_up += failed
    return given_up


def unfinished(cells: list[Cell]) -> list[Cell]:
    """The cells that have no result."""
    return [cell for cell in cells if not RunFolder(cell.folder).finished]


def attempt(engine: Local | Ray, todo: list[Cell], limits: Limits, cells: list[Cell]) -> list[Outcome]:
    """Run some of the cells, a line each as it ends; the outcomes of those that failed."""
    failed, left, console, began = [], unfinished(cells), Console(stderr=True, highlight=False), time.monotonic()
    with closing(engine.run(todo, limits)) as outcomes, console.status("training"):
        for ended, outcome in enumerate(outcomes, 1):
            if outcome.status == LATER and limits.end < inf:
                continue  # its time is over
            if outcome.status:
                failed.append(outcome)
            else:
                left = [cell for cell in left if cell is not outcome.cell]
            about = timedelta(seconds=round((time.monotonic() - began) / ended * len(left)))
            console.print(f"{outcome_text(outcome)}; {len(left)} of {len(cells)} cells left, about {about}", markup=False, soft_wrap=True)
    return failed


def outcome_text(outcome: Outcome) -> str:
    """How a cell ended: its test error, or that on validation images where some were held out."""
    cell = outcome.cell
    if outcome.status:
        return f"{cell.name} seed {cell.seed}: status {outcome.status}: {outcome.message}"
    result = RunFolder(cell.folder).read_result()
    kind = "test" if result.get("validation_error") is None else "validation"
    error = result["test_error_averaged"] if kind == "test" else result["validation_error"]
    return f"{cell.name} seed {cell.seed}: {kind} error {error:.2f} %, {timedelta(seconds=round(result['seconds']))}"
