"""Where do the cells of a grid run? On this machine's cores, or as tasks of a Ray cluster; the same call, the same outcomes."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Protocol

from gan_sntg.commands.tasks import Children, Outcome, Task, perform
from gan_sntg.core.errors import InputError

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
