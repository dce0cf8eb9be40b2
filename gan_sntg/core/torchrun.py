"""Which of torchrun's processes is this? What it set in the environment, the group that they form, and what is said by one for all.

torchrun --nproc-per-node 2 -m gan_sntg train --config ... --out runs/a
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from gan_sntg.core.errors import ElsewhereError, InputError, NonFiniteError, StoppedError, UnhealthyError
from gan_sntg.core.ranks import ALONE, Alone, Scope
from gan_sntg.core.team import Team

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # that torchrun sets, and LOCAL_RANK
PATIENCE = timedelta(hours=6)  # while the first rank evaluates, the others wait


def world_size() -> int:
    """How many processes torchrun started; 1 without it. Raises InputError where its variables are not all there."""
    world = os.environ.get("WORLD_SIZE", "1")
    if world == "1":
        return 1
    missing = [name for name in VARIABLES if name not in os.environ]
    if missing or not world.isdecimal() or world == "0":
        problem = f"{', '.join(missing)} is missing" if missing else "that is no number of processes"
        raise InputError(
            f"WORLD_SIZE is {world!r} in the environment, but {problem}; start several processes by torchrun, or unset it for one"
        )
    return int(world)


@contextmanager
def started(pairs: Scope, statistics: Scope) -> Iterator[Alone]:
    """Within it, this process is one of those that torchrun started, or `ALONE`.

    What all ranks raise alike is raised by the first; the others end by ElsewhereError.
    """
    if world_size() == 1:
        yield ALONE
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE)
    team = Team(pairs, statistics)
    try:
        yield team
    except (NonFiniteError, UnhealthyError, StoppedError) as error:
        if team.first:
            raise
        raise ElsewhereError(getattr(error, "status", 1)) from error
    finally:
        dist.destroy_process_group()


@contextmanager
def said_once() -> Iterator[None]:
    """Within it, before processes meet, an InputError is alike on all of them, and the first one's."""
    try:
        yield
    except InputError as error:
        if os.environ.get("RANK", "0") == "0":
            raise
        raise ElsewhereError(2) from error


def own_device(team: Alone, device: torch.device) -> torch.device:
    """The device of this rank: of a machine's GPUs the LOCAL_RANK-th. Raises InputError where there are fewer than processes."""
    if team.world == 1 or device.type != "cuda":
        return device
    local, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if local >= there:
        raise InputError(f"this machine has {there} GPUs, but process {local + 1} on it asks for one; give --nproc-per-node {there}")
    torch.cuda.set_device(local)
    return torch.device("cuda", local)
