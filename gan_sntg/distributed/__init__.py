"""One run on several processes of torchrun: means and rows over all of them, with their gradients.

Process r of W has the rows r, r + W, r + 2 W, ... of each batch, and its gradients are averaged with those of the others. A method needs
`all_mean` where a loss is no mean over examples, and `all_gather` where it needs the rows of the others.
"""

import torch
import torch.distributed as dist
from einops import rearrange
from torch import Tensor

from gan_sntg.errors import LostRankError, first_line

__all__ = ["all_gather", "all_mean", "own_rows", "rank", "all_reduce", "world_size"]


def world_size() -> int:
    """How many processes train the run."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """The number of this process among them, from 0, which alone evaluates, writes and speaks."""
    return dist.get_rank() if dist.is_initialized() else 0


def all_mean(t: Tensor) -> Tensor:
    """The mean of t over all processes, any shape, with its gradient; t itself with one process."""
    return t if world_size() == 1 else Sum.apply(t) / world_size()


def all_gather(t: Tensor) -> Tensor:
    """The batch [n W, ...] whose rows t [n, ...] are here, with its gradient; t itself with one process."""
    if world_size() == 1:
        return t
    rows = t.new_zeros(len(t), world_size(), *t.shape[1:])
    rows[:, rank()] = t
    return rearrange(Sum.apply(rows), "row rank ... -> (row rank) ...")


def own_rows(t: Tensor) -> Tensor:
    """The rows of this process, [B / W, ...], of a batch [B, ...] that all know."""
    return t[rank() :: world_size()]


class Sum(torch.autograd.Function):
    """Sum over processes; its derivative is the sum of derivatives (torch's own is deprecated)."""

    @staticmethod
    def forward(ctx, t: Tensor) -> Tensor:
        """The same on all processes."""
        return all_reduce(t)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        """dL/dt of the sum L of what all processes descend."""
        return all_reduce(grad)

    @staticmethod
    def jvp(ctx, tangent: Tensor) -> Tensor:
        """The sum's derivative where t moves by `tangent` on each process."""
        return all_reduce(tangent)


def all_reduce(t: Tensor, op=dist.ReduceOp.SUM) -> Tensor:
    """t reduced over processes by `op`, without gradient. Raises LostRankError where one is gone."""
    total = t.detach().clone(memory_format=torch.contiguous_format)
    try:
        dist.all_reduce(total, op)
    except RuntimeError as error:
        raise LostRankError(f"another rank is gone ({first_line(error)}); the same command goes on from the last checkpoint") from error
    return total
