"""Endless orders of examples in batches, which a checkpoint holds."""

from copy import copy
from typing import Self

import torch
from torch import Tensor

from gan_sntg.rng import go_on


class IndexSampler:
    """Endless index batches: permutation after permutation of `index`.

    With `drop_last` a rest smaller than a batch is dropped, so that no batch holds an example twice; without it the next
    permutation goes on where the last one ended, for sets smaller than a batch.
    """

    def __init__(self, index: Tensor, batch_size: int, generator: torch.Generator, drop_last: bool):
        """index [n] on the generator's device."""
        self.index, self.batch_size, self.generator, self.drop_last = index, batch_size, generator, drop_last
        self.order, self.position = index[:0], 0

    def next(self) -> Tensor:
        """Next `batch_size` indices."""
        while len(self.order) - self.position < self.batch_size:
            rest = self.order[len(self.order) :] if self.drop_last else self.order[self.position :]
            self.order, self.position = torch.cat([rest, self.next_pass()]), 0
        self.position += self.batch_size
        return self.order[self.position - self.batch_size : self.position]

    def next_pass(self) -> Tensor:
        """The indices in an order that is drawn anew."""
        return self.index[torch.randperm(len(self.index), generator=self.generator, device=self.index.device)]

    def fork(self, generator: torch.Generator | None = None) -> Self:
        """A sampler that will draw what this one will, and moves nothing of it. generator: at its state."""
        other = copy(self)
        if generator is None:
            generator = torch.Generator(self.generator.device)
            generator.set_state(self.generator.get_state())
        other.generator = generator
        return other

    def state_dict(self) -> dict:
        """Present order, the place in it, and the generator."""
        return {"order": self.order, "position": self.position, "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict, step: int = 0) -> None:
        """Go on from a state of `step`. Raises ValueError where its order is not of these examples."""
        order, position = state["order"].to(self.index.device), state["position"]
        if order.dtype != self.index.dtype or order.ndim != 1 or not torch.isin(order, self.index).all():
            raise ValueError("the order of a stream is not one of these examples")
        if type(position) is not int or not 0 <= position <= len(order):
            raise ValueError(f"a stream cannot go on from {position}")
        self.order, self.position = order, position
        go_on(self.generator, state["generator"], step)


class ClassBalancedSampler(IndexSampler):
    """Endless index batches of each class as often as of another, whatever its number of examples.

    A pass is K batches, K being the number of classes with examples: as many of each class in all, and in every batch at most one more of
    a class than of another. Within a class the examples come permutation after permutation.
    """

    def __init__(self, index: Tensor, y: Tensor, batch_size: int, generator: torch.Generator):
        """index [n], of the classes y [n]; generator: on the CPU, wherever they are."""
        super().__init__(index, batch_size, generator, drop_last=False)
        of_class = [index[y == k].cpu() for k in y.unique()]
        self.classes = [IndexSampler(own, batch_size, generator, drop_last=False) for own in of_class]

    def next_pass(self) -> Tensor:
        """K batches, each shuffled."""
        k, size = len(self.classes), self.batch_size
        y = torch.randperm(k, generator=self.generator).repeat(size).view(k, size)  # in turn, so that no count is two more than another
        y = y.gather(1, torch.rand(k, size, generator=self.generator).argsort(1)).flatten()
        order = torch.empty(k * size, dtype=self.index.dtype)
        for number, own in enumerate(self.classes):
            order[y == number] = own.next()
        return order.to(self.index.device)

    def fork(self, generator: torch.Generator | None = None) -> Self:
        """As of an `IndexSampler`; the classes draw from one generator."""
        other = super().fork(generator)
        other.classes = [own.fork(other.generator) for own in self.classes]
        return other

    def state_dict(self) -> dict:
        """As of an `IndexSampler`, with the orders of the classes."""
        return super().state_dict() | {"classes": [{"order": own.order, "position": own.position} for own in self.classes]}

    def load_state_dict(self, state: dict, step: int = 0) -> None:
        """As of an `IndexSampler`. Raises ValueError where the classes are others."""
        for own, saved in zip(self.classes, state["classes"], strict=True):
            own.load_state_dict(saved | {"generator": state["generator"]}, step)
        super().load_state_dict(state, step)
