"""One run trained by several processes: the process group and each rank's share of a batch."""

from torch import Tensor

from gan_sntg.distributed import ranks


def all_mean(t: Tensor) -> Tensor:
    """The mean of t over the processes that take the present step, any shape, with its gradient; t itself where there is one."""
    return ranks.process_group().mean(t)


def all_gather(t: Tensor) -> Tensor:
    """The rows [B, ...] of all processes, of which t [B / W, ...] are here, with their gradient; t itself where there is one."""
    return ranks.process_group().gathered(t)


def own_rows(t: Tensor) -> Tensor:
    """This process's rows [B / W, ...] of a batch [B, ...] that all know; t itself where there is one."""
    return ranks.process_group().sliced(t)


__all__ = ["all_gather", "all_mean", "own_rows"]
