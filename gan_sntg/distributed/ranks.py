"""Which part of a step is this process's, where several take it together? Its rows of each batch, and what is reduced over all ranks.

Rank r of W holds rows r, r + W, r + 2 W, ... of a batch: then its rows of a concatenation are those of the parts, one after another,
and what is drawn for all, one row an example, is cut the same way. Every rank has all generators in the same states.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

from torch import Tensor


class Scope(Enum):
    """Over the examples of which ranks something is taken: of each `rank` by itself, or of `all`."""

    rank = "rank"
    all = "all"


class SingleProcess:
    """The one process of a run: every batch is all its own, and nothing is reduced."""

    world, rank, first = 1, 0, True
    shares_statistics = False

    def sliced(self, t: Tensor) -> Tensor:
        """This rank's rows of a batch [B, ...] that all know: [B / W, ...]."""
        return t

    def drawn(self, n: int, draw: Callable[[int], Tensor]) -> Tensor:
        """What `draw` gives for the n examples that are here, a row each."""
        return draw(n)

    def gathered(self, t: Tensor) -> Tensor:
        """The batch [B, ...] whose rows t [B / W, ...] are here; the gradient goes back to the rank that each row came from."""
        return t

    def mean(self, t: Tensor) -> Tensor:
        """The mean of t over the ranks, any shape, with its gradient."""
        return t

    def means(self, h: Tensor) -> Tensor:
        """h [B, D], or all that a function of h.mean(0) over all ranks needs: that mean as [1, D], with its gradient."""
        return h

    def total(self, count: Tensor) -> Tensor:
        """A number of examples, summed over the ranks; no gradient."""
        return count

    def largest(self, numbers: list[int]) -> list[int]:
        """Each number's largest value over the ranks."""
        return numbers

    @contextmanager
    def agreed(self) -> Iterator[None]:
        """Within it, ranks work apart; none goes on before all are done, and an error of one ends all (`ElsewhereError` on the others)."""
        yield


SINGLE_PROCESS = SingleProcess()
_present = SINGLE_PROCESS


def process_group() -> SingleProcess:
    """Who takes the present step: `SINGLE_PROCESS`, or within `stepping` the ranks that take it together."""
    return _present


@contextmanager
def stepping(team: SingleProcess) -> Iterator[None]:
    """Within it, the ranks of `team` compute the terms of one step, each of its own rows."""
    global _present
    before, _present = _present, team
    try:
        yield
    finally:
        _present = before
