"""How do several processes train one run? Each takes its rows of every batch; all descend the mean of their terms.

    torchrun --nproc-per-node 2 -m gan_sntg train --config ... --out runs/a

Every rank holds the whole state, the same, and draws for the whole batch: a checkpoint does not depend on their number.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gan_sntg.core.data.streams import Batch, Streams
from gan_sntg.core.engine import Method
from gan_sntg.core.errors import ElsewhereError, InputError, NonFiniteError, StoppedError, UnhealthyError
from gan_sntg.core.layers import BatchNorm
from gan_sntg.core.meter import Terms
from gan_sntg.core.ranks import ALONE, Alone, Scope, stepping
from gan_sntg.core.replay import Direct, gradients, named
from gan_sntg.core.running_mean import RunningMean
from gan_sntg.core.team import Team

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # that torchrun sets, and LOCAL_RANK
PATIENCE = timedelta(hours=6)  # while the first rank evaluates, the others wait


def world_size() -> int:
    """How many processes torchrun started; 1 without it. Raises InputError where its variables are not all there."""
    world = os.environ.get("WORLD_SIZE", "1")
    if world == "1":
        return 1
    missing = [name for name in VARIABLES if name not in os.environ]
    if missing or not world.isdecimal():
        raise InputError(
            f"WORLD_SIZE is {world!r} in the environment, but {', '.join(missing) or 'that is no number'} "
            f"{'is missing' if missing else ''}; start several processes by torchrun, or unset WORLD_SIZE for one"
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


def check_sizes(team: Alone, **sizes: int) -> None:
    """Raise InputError unless every batch can be cut into one part a rank, all of one size: else a mean of means is no mean."""
    for name, size in sizes.items():
        if size % team.world:
            raise InputError(
                f"{name} is {size}, which {team.world} processes cannot share evenly; give a multiple of {team.world}, "
                "or another --nproc-per-node"
            )


class Reduced(Direct):
    """The gradients of the mean of the ranks' terms, and those means: one message, the same numbers on every rank.

    Running statistics that the terms moved go with it: afterwards they are the mean of the ranks' own.
    """

    def __init__(self, team: Team):
        """team: of which this process is one."""
        self.team = team

    def __call__(self, method, params: list[Tensor], function: Callable[..., Terms], batch: Batch, *shared) -> Terms:
        """As `Direct`; batch: this rank's rows."""
        with stepping(self.team):
            terms = function(batch, *shared)
            values = gradients(params, terms)
        self.team.average([values, *(p.grad for p in params if p.grad is not None), *running_statistics(method)])
        return named(terms, values)


def running_statistics(net: nn.Module) -> list[Tensor]:
    """Those that a training-mode pass may have moved."""
    layers = [m for m in net.modules() if m.training]
    found = [m.running for m in layers if isinstance(m, RunningMean)]
    norms = [m for m in layers if isinstance(m, _BatchNorm) and m.running_mean is not None]
    return found + [statistic for m in norms for statistic in (m.running_mean, m.running_var)]


def join(team: Alone, method: Method, streams: Streams) -> None:
    """Let a method whose state is the same on all ranks take its steps together, each of its rows of the streams' batches.

    The first rank's weights and statistics go to all: ranks on unlike machines may round an initialisation differently.
    Raises InputError where a layer cannot take its statistics over all ranks.
    """
    if team.world == 1:
        return
    foreign = [type(m).__name__ for m in method.modules() if isinstance(m, _BatchNorm) and not isinstance(m, BatchNorm)]
    if foreign and team.shares_statistics:
        raise InputError(
            f"{foreign[0]} takes its statistics over the examples of one process; "
            "give --batch_statistics rank, or build the network with gan_sntg.core.layers.BatchNorm"
        )
    with torch.no_grad():
        team.spread([*method.parameters(), *method.buffers()])
    method.descent, streams.ranks = Reduced(team), team


def check_equal(team: Alone, method: Method, streams: Streams) -> None:
    """Raise UnhealthyError unless weights, generators and orders of data are the same on all ranks, bit for bit."""
    if team.world == 1:
        return
    digest = hashlib.sha256()
    generators = [*method.generators.values(), *(stream.generator for stream in streams.streams.values())]
    for tensor in (*method.parameters(), *(generator.get_state() for generator in generators)):
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).data)
    mine = int.from_bytes(digest.digest()[:7], "big")
    if team.largest([mine, -mine]) != [mine, -mine]:
        raise UnhealthyError("the ranks have come apart: their weights or generators are no longer the same; go on from a checkpoint")
