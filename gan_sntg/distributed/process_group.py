"""The process group that torchrun starts: means and gathered batches with gradients, shared errors."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from gan_sntg.distributed.ranks import SINGLE_PROCESS, Scope, SingleProcess
from gan_sntg.errors import ElsewhereError, InputError, LostRankError, NonFiniteError, StoppedError, UnhealthyError, first_line


def reached(call: Callable, *arguments, **named) -> None:
    """A call of torch.distributed. Raises LostRankError where another rank is gone."""
    try:
        call(*arguments, **named)
    except RuntimeError as error:
        raise LostRankError(f"another rank is gone ({first_line(error)}); the same command goes on from the last checkpoint") from error


class Mean(torch.autograd.Function):
    """The mean over ranks, of any shape. Its derivative is the mean over ranks of the derivatives."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        """The same on all ranks."""
        total = x.detach().clone(memory_format=torch.contiguous_format)
        reached(dist.all_reduce, total)
        return total / dist.get_world_size()

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        """Of the sum of what the ranks descend, whose gradients are then averaged."""
        return Mean.forward(None, grad)


class Gathered(torch.autograd.Function):
    """Row k W + r is row k of rank r: x [n, ...] -> [n W, ...]. Its derivative sums what all ranks have for a row."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        """The same on all ranks."""
        parts = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
        reached(dist.all_gather, parts, x.detach().contiguous())
        return torch.stack(parts, 1).flatten(0, 1)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        """Of the sum of what the ranks descend."""
        total = grad.clone(memory_format=torch.contiguous_format)
        reached(dist.all_reduce, total)
        return total[dist.get_rank() :: dist.get_world_size()]


class ProcessGroup(SingleProcess):
    """The ranks of a torch.distributed process group.

    Gradients are those of the mean over ranks of what each descends: with slices of one size, a mean over examples is a mean over all.
    """

    def __init__(self, statistics: Scope = Scope.all):
        """statistics: over whose examples batch norms take theirs."""
        self.world, self.rank = dist.get_world_size(), dist.get_rank()
        self.first, self.shares_statistics = self.rank == 0, statistics is Scope.all

    def sliced(self, t: Tensor) -> Tensor:
        """See above."""
        return t[self.rank :: self.world]

    def drawn(self, n: int, draw: Callable[[int], Tensor]) -> Tensor:
        """This rank's rows of what is drawn for all."""
        return self.sliced(draw(n * self.world))

    def gathered(self, t: Tensor) -> Tensor:
        """See above."""
        return Gathered.apply(t)

    def mean(self, t: Tensor) -> Tensor:
        """See above."""
        return Mean.apply(t)

    def means(self, h: Tensor) -> Tensor:
        """The mean."""
        return self.mean(h.mean(0, keepdim=True))

    def total(self, count: Tensor) -> Tensor:
        """See above."""
        count = count.clone()
        reached(dist.all_reduce, count)
        return count

    def largest(self, numbers: list[int]) -> list[int]:
        """By way of the CPU: no device is waited for."""
        found = torch.tensor(numbers)
        reached(dist.all_reduce, found, op=dist.ReduceOp.MAX)
        return found.tolist()

    @contextmanager
    def agreed(self) -> Iterator[None]:
        """Of several ranks that fail, the lowest says why."""
        failed = None
        try:
            yield
        except Exception as error:
            failed = error
        statuses = [0] * self.world
        statuses[self.rank] = 0 if failed is None else 2 if isinstance(failed, InputError) else 1
        statuses = self.largest(statuses)
        lowest = next((rank for rank, status in enumerate(statuses) if status), None)
        if lowest == self.rank:
            raise failed
        if lowest is not None:
            raise ElsewhereError(statuses[lowest])

    def average(self, tensors: list[Tensor]) -> None:
        """Put in each tensor's place its mean over the ranks: one message for each dtype."""
        for dtype in dict.fromkeys(t.dtype for t in tensors):
            same = [t for t in tensors if t.dtype == dtype]
            flat = torch.cat([t.reshape(-1) for t in same])
            reached(dist.all_reduce, flat)
            flat /= self.world
            for t, mean in zip(same, flat.split([t.numel() for t in same]), strict=True):
                t.copy_(mean.view_as(t))

    def spread(self, tensors: list[Tensor]) -> None:
        """Put in each tensor's place that of the first rank."""
        for t in tensors:
            found = t.clone(memory_format=torch.contiguous_format)
            reached(dist.broadcast, found, 0)
            t.copy_(found)


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
def started(statistics: Scope) -> Iterator[SingleProcess]:
    """Within it, this process is one of those that torchrun started, or `ALONE`.

    What all ranks raise alike is raised by the first; the others end by ElsewhereError.
    """
    if world_size() == 1:
        yield SINGLE_PROCESS
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE)
    team = ProcessGroup(statistics)
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


def own_device(team: SingleProcess, device: torch.device) -> torch.device:
    """The device of this rank: of a machine's GPUs the LOCAL_RANK-th. Raises InputError where there are fewer than processes."""
    if team.world == 1 or device.type != "cuda":
        return device
    local, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if local >= there:
        raise InputError(f"this machine has {there} GPUs, but process {local + 1} on it asks for one; give --nproc-per-node {there}")
    torch.cuda.set_device(local)
    return torch.device("cuda", local)
