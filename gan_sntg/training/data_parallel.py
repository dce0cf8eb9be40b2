"""How do several processes train one run? Each takes its rows of every batch; all descend the mean of their terms.

Every rank holds the whole state, the same, and draws for the whole batch: a checkpoint does not depend on their number.
"""

import hashlib
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gan_sntg.data.loader import Batch, Loader
from gan_sntg.distributed.process_group import ProcessGroup
from gan_sntg.distributed.ranks import SingleProcess, stepping
from gan_sntg.errors import InputError, UnhealthyError
from gan_sntg.networks.batch_norm import BatchNorm, RunningMean
from gan_sntg.training.cuda_graphs import EagerGradients, gradients, named
from gan_sntg.training.meter import Terms
from gan_sntg.training.method import Method


def check_sizes(team: SingleProcess, **sizes: int) -> None:
    """Raise InputError unless every batch can be cut into one part a rank, all of one size: else a mean of means is no mean."""
    for name, size in sizes.items():
        if size % team.world:
            raise InputError(
                f"{name} is {size}, which {team.world} processes cannot share evenly; give a multiple of {team.world}, "
                "or another --nproc-per-node"
            )


def check_norms(team: SingleProcess, method: Method) -> None:
    """Raise InputError where a layer cannot take its statistics over all ranks, and is to."""
    foreign = [type(m).__name__ for m in method.modules() if isinstance(m, _BatchNorm) and not isinstance(m, BatchNorm)]
    if foreign and team.shares_statistics:
        raise InputError(
            f"{foreign[0]} takes its statistics over the examples of one process; "
            "give --batch_statistics rank, or build the network with gan_sntg.networks.BatchNorm"
        )


class DistributedGradients(EagerGradients):
    """The gradients of the mean of the ranks' terms, and those means: one message, the same numbers on every rank.

    Running statistics that the terms moved go with it: afterwards they are the mean of the ranks' own.
    """

    def __init__(self, team: ProcessGroup):
        """team: of which this process is one."""
        self.team = team

    def __call__(self, method, name: str, params: list[Tensor], function: Callable[..., Terms], batch: Batch, t: int) -> Terms:
        """As `Direct`; batch: this rank's rows."""
        with stepping(self.team):
            terms = function(batch, t)
            values = gradients(params, terms)
        self.team.average([values, *(p.grad for p in params if p.grad is not None), *running_statistics(method)])
        return named(terms, values)


def running_statistics(net: nn.Module) -> list[Tensor]:
    """Those that a training-mode pass may have moved."""
    layers = [m for m in net.modules() if m.training]
    found = [m.running for m in layers if isinstance(m, RunningMean)]
    norms = [m for m in layers if isinstance(m, _BatchNorm) and m.running_mean is not None]
    return found + [statistic for m in norms for statistic in (m.running_mean, m.running_var)]


def join(team: SingleProcess, method: Method, streams: Loader) -> None:
    """Let a method whose state is the same on all ranks take its steps together, each of its rows of the streams' batches.

    The first rank's weights and statistics go to all: ranks on unlike machines may round an initialisation differently.
    """
    if team.world == 1:
        return
    with torch.no_grad():
        team.spread([*method.parameters(), *method.buffers()])
    method.gradients, streams.ranks = DistributedGradients(team), team


def check_equal(team: SingleProcess, method: Method, streams: Loader) -> None:
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
