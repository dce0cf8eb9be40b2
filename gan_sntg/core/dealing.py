"""How do runs that are computed as one draw? Each from its own generators, in the order in which it would draw alone."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class Rows(torch.autograd.Function):
    """Within vmap over S runs: `draw(generator)` of each run's own of S generators, all of one size, as the rows [S, ...]."""

    @staticmethod
    def forward(seat: Tensor, draw: Callable[[torch.Generator], Tensor], own: list[torch.Generator]) -> Tensor:
        """Outside vmap there are no runs to tell apart."""
        raise RuntimeError("runs draw abreast within torch.vmap only")

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:
        """Numbers that are drawn have no gradient."""

    @staticmethod
    def vmap(info, in_dims: tuple, seat: Tensor, draw: Callable[[torch.Generator], Tensor], own: list[torch.Generator]):
        """seat: any tensor with a row for each run."""
        return torch.stack([draw(generator) for generator in own]), 0


class Dealing(TorchFunctionMode):
    """Within it, and within vmap over S runs, whatever is drawn from a generator of the first run is drawn for each from its own.

    Holds for every function of torch that takes `generator=`, and for tensors that are contiguous in a run alone.
    """

    def __init__(self, seat: Tensor, runs: list[dict[str, torch.Generator]]):
        """seat: the scalar that vmap makes of [S]; runs: generators by purpose, of each run."""
        super().__init__()
        self.seat = seat
        self.own = {generator: [run[purpose] for run in runs] for purpose, generator in runs[0].items()}

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """The call as it is, or dealt out."""
        kwargs = kwargs or {}
        own = self.own.get(kwargs.get("generator"))
        if own is None:
            return func(*args, **kwargs)
        if not (args and isinstance(args[0], Tensor)):
            return Rows.apply(self.seat, lambda generator: func(*args, **kwargs | {"generator": generator}), own)
        filled, *rest = args  # such as x.normal_(generator=...)

        def fill(generator: torch.Generator) -> Tensor:
            row = torch.empty(filled.shape, dtype=filled.dtype, device=filled.device)
            return func(row, *rest, **kwargs | {"generator": generator})

        return filled.copy_(Rows.apply(self.seat, fill, own))
