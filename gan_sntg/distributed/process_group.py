"""The processes of torchrun: how they start, what they agree on, and how one that fails ends all."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
import torch.distributed.nn  # imported later, it would hold the process group of then in its defaults, which so would never end

from gan_sntg.distributed import all_reduce, rank, world_size
from gan_sntg.errors import ElsewhereError, InputError, NonFiniteError, StoppedError, UnhealthyError

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # that torchrun sets, and LOCAL_RANK
PATIENCE = timedelta(hours=6)  # while the first rank evaluates, the others wait


def launched() -> int:
    """Number of processes that torchrun started; 1 without it. Raises InputError for partial variables."""
    world = os.environ.get("WORLD_SIZE", "1")
    if world == "1":
        return 1
    missing = [name for name in VARIABLES if name not in os.environ]
    if missing or not world.isdecimal() or world == "0":
        problem = f"{', '.join(missing)} is missing" if missing else "that is not a number of processes"
        raise InputError(
            f"WORLD_SIZE is {world!r} in the environment, but {problem}; start several processes by torchrun, or unset it for one"
        )
    return int(world)


@contextmanager
def started() -> Iterator[None]:
    """Within it, this process is one of those that torchrun started."""
    if launched() == 1:
        yield
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    try:
        with said_once(NonFiniteError, UnhealthyError, StoppedError):
            yield
    finally:
        dist.destroy_process_group()


@contextmanager
def said_once(*alike: type[Exception]) -> Iterator[None]:
    """Within it, ranks raise these errors alike: the first as they are, the others by ElsewhereError."""
    try:
        yield
    except alike as error:
        if os.environ.get("RANK", "0") == "0":
            raise
        raise ElsewhereError("another rank says why", 2 if isinstance(error, InputError) else getattr(error, "status", 1)) from error


@contextmanager
def agreed() -> Iterator[None]:
    """Within it, ranks work apart; none goes on before all are done, and an error of one ends all."""
    failed = None
    try:
        yield
    except Exception as error:
        if world_size() == 1:
            raise
        failed = error
    statuses = [0] * world_size()
    statuses[rank()] = 0 if failed is None else 2 if isinstance(failed, InputError) else 1
    statuses = largest(statuses)
    lowest = next((r for r, status in enumerate(statuses) if status), None)
    if lowest == rank() and failed is not None:
        raise failed
    if lowest is not None:
        raise ElsewhereError("another rank says why", statuses[lowest])


def on_first(work: Callable, *arguments) -> None:
    """Let the first rank alone do work; none goes on before it is done, and an error of it ends all."""
    with agreed():
        if rank() == 0:
            work(*arguments)


def largest(numbers: list[int]) -> list[int]:
    """Each number's largest value over the ranks, by way of the CPU: no device is waited for."""
    return numbers if world_size() == 1 else all_reduce(torch.tensor(numbers), dist.ReduceOp.MAX).tolist()


def own_device(device: torch.device) -> torch.device:
    """The device of this rank, of GPUs the LOCAL_RANK-th. Raises InputError where there are too few."""
    if world_size() == 1 or device.type != "cuda":
        return device
    local, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if local >= there:
        raise InputError(f"this machine has {there} GPUs, but process {local + 1} on it asks for one; give --nproc-per-node {there}")
    torch.cuda.set_device(local)
    return torch.device("cuda", local)
