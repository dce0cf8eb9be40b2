"""One run on several processes: each takes its rows of a batch; all descend the mean of terms.

Every rank holds the whole state, the same: a checkpoint is that of one process. In a step each draws numbers of its own.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from gan_sntg.data.loader import Batch, Loader
from gan_sntg.distributed import all_reduce, rank, world_size
from gan_sntg.distributed.process_group import largest
from gan_sntg.errors import InputError, UnhealthyError
from gan_sntg.networks.batch_norm import BatchNorm
from gan_sntg.training.cuda_graphs import EagerGradients
from gan_sntg.training.meter import Terms
from gan_sntg.training.method import Method
from gan_sntg.training.optim import parameters

SHARED = "graph"  # the purpose of the generator that draws for the whole batch: pairs are the same on all ranks


def check_shares(method: Method, **sizes: int) -> None:
    """Raise InputError unless ranks can share these batches, and layers see the statistics of all."""
    for name, size in sizes.items():
        if size % world_size():
            raise InputError(
                f"{name} is {size}, which {world_size()} processes cannot share evenly; give a multiple of {world_size()}, "
                "or another --nproc-per-node"
            )
    foreign = [type(m).__name__ for m in method.modules() if isinstance(m, _BatchNorm) and not isinstance(m, BatchNorm)]
    if foreign and world_size() > 1:
        raise InputError(
            f"{foreign[0]} takes its statistics over the examples of one process; build the network with gan_sntg.networks.BatchNorm"
        )


@contextmanager
def own_draws(generators: dict[str, torch.Generator]) -> Iterator[None]:
    """Within it, a rank draws numbers of its own; outside, generators are the same on all ranks."""
    states = {}
    for generator in (generator for purpose, generator in generators.items() if purpose != SHARED):
        seed = torch.randint(2**62, (), generator=generator, device=generator.device)
        states[generator] = generator.get_state()
        generator.manual_seed(int(seed) + rank())
    yield
    for generator, state in states.items():
        generator.set_state(state)


class DistributedGradients(EagerGradients):
    """Gradients of the mean of the ranks' terms, and those means, the same on every rank."""

    def __call__(self, method, name: str, batch: Batch, t: int) -> Terms:
        """As `EagerGradients`; batch: this rank's rows."""
        with own_draws(method.generators):
            terms = super().__call__(method, name, batch, t)
        average([*terms.values(), *(p.grad for p in parameters(method.optimizers[name]) if p.grad is not None)])
        return terms


def average(tensors: list[Tensor]) -> None:
    """Put in each tensor's place its mean over the ranks: one message for each dtype."""
    for dtype in dict.fromkeys(t.dtype for t in tensors):
        same = [t for t in tensors if t.dtype == dtype]
        mean = all_reduce(torch.cat([t.flatten() for t in same])) / world_size()
        for t, own in zip(same, mean.split([t.numel() for t in same]), strict=True):
            t.copy_(own.view_as(t))


def join(method: Method) -> None:
    """Let a method take its steps with the other ranks, from the first one's weights and statistics."""
    if world_size() == 1:  # unlike machines may round an initialisation differently
        return
    with torch.no_grad():
        for t in (t for t in (*method.parameters(), *method.buffers()) if t.is_floating_point()):
            t.copy_(all_reduce(t if rank() == 0 else torch.zeros_like(t)))
    method.gradients = DistributedGradients()


def check_equal(method: Method, streams: Loader) -> None:
    """Raise UnhealthyError unless weights, generators and data orders are equal on all ranks."""
    if world_size() == 1:
        return
    digest = hashlib.sha256()
    generators = [*method.generators.values(), *(stream.generator for stream in streams.streams.values())]
    for tensor in (*method.parameters(), *(generator.get_state() for generator in generators)):
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).data)
    mine = int.from_bytes(digest.digest()[:7], "big")
    if largest([mine, -mine]) != [mine, -mine]:
        raise UnhealthyError("the ranks have come apart: their weights or generators are no longer the same; go on from a checkpoint")
