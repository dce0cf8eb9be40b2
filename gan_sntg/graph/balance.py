"""Balanced targets: a teacher's probabilities, moved so that its classes have the shares of a prior."""

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn

from gan_sntg.configurable import Configurable
from gan_sntg.errors import InputError

Prior = Literal["uniform", "labels"] | list[float]  # share of each class: all alike, those of the known labels, or one's own estimate
MOMENTUM = 0.99  # of the running mean, a step
LEAST = 1e-6  # what a class's mean probability counts as, at least


class Balance(Configurable, nn.Module, ABC):
    """Targets f~ [B, K] of any teacher -> balanced ones, rows of sum 1, without gradient."""

    prior: Tensor

    def __init__(self, prior: Prior = "uniform"):
        """prior: shares of the classes: uniform, or those of the labels."""
        super().__init__()
        self.given = prior

    def start(self, num_classes: int, labels: Tensor, like: Tensor) -> None:
        """Make buffers, of the type and device of `like`. Raises InputError for an impossible prior.

        labels [L]: those that are known.
        """
        if isinstance(self.given, str):
            counts = torch.bincount(labels, minlength=num_classes)
            shares = counts.tolist() if self.given == "labels" else [1.0] * num_classes
        else:
            shares = self.given
        if len(shares) != num_classes or not all(0 < share < float("inf") for share in shares):
            raise InputError(
                f"the prior of a balanced teacher is {self.given!r}, which makes shares {shares}; there must be one above 0 for each of "
                f"{num_classes} classes: give prior: uniform, or a list of them"
            )
        self.register_buffer("prior", like.new_tensor(shares) / sum(shares))

    @abstractmethod
    def forward(self, targets: Tensor, update: bool = False) -> Tensor:
        """Balanced targets. update: whether these are a training step's, to be remembered."""


class DistributionAlignment(Balance):
    """f~_k prior_k / (running mean of f~)_k, renormalised (Berthelot et al. 2020, ReMixMatch, sec. 3.1)."""

    mean: Tensor

    def start(self, num_classes: int, labels: Tensor, like: Tensor) -> None:
        """Make the running mean [K], whose sum de-biases it."""
        super().start(num_classes, labels, like)
        self.register_buffer("mean", torch.zeros_like(self.prior))

    def forward(self, targets: Tensor, update: bool = False) -> Tensor:
        """By the mean of this step's targets and those before it; before the first step targets stay."""
        if update:
            self.mean.mul_(MOMENTUM).add_((1 - MOMENTUM) * targets.detach().mean(0))
        total = self.mean.sum()
        shares = (self.mean / total).where(total > 0, self.prior).clamp(min=LEAST)
        moved = targets.detach() * (self.prior / shares)
        return moved / moved.sum(1, keepdim=True)


class EqualShares(Balance):
    """Each image counts once, and class k has its prior's share of all (Asano et al. 2020, Sec. 3.1).

    All are a batch and the last `queue` targets before it; f~ to the power `sharpness`, renormalised, is scaled by `rounds` of columns,
    then rows (Sinkhorn & Knopp 1967).
    """

    recent: Tensor
    held: Tensor

    def __init__(self, prior: Prior = "uniform", queue: int = 0, rounds: int = 10, sharpness: float = 1.0):
        """prior: shares of the classes: uniform, or those of the labels.

        queue: images before the batch that are balanced with it; rounds: of scaling columns, then rows; sharpness: power of the targets.
        Raises InputError for rounds or a sharpness of 0.
        """
        super().__init__(prior)
        if queue < 0 or rounds < 1 or not 0 < sharpness < float("inf"):
            raise InputError(f"EqualShares has queue {queue}, rounds {rounds}, sharpness {sharpness:g}; give at least 0, 1 and above 0")
        self.queue, self.rounds, self.sharpness = queue, rounds, sharpness

    def start(self, num_classes: int, labels: Tensor, like: Tensor) -> None:
        """Make an empty queue [Q, K], and which of its rows are held [Q]."""
        super().start(num_classes, labels, like)
        self.register_buffer("recent", self.prior.repeat(self.queue, 1))
        self.register_buffer("held", torch.zeros_like(self.recent[:, 0]))

    def forward(self, targets: Tensor, update: bool = False) -> Tensor:
        """The rows of this batch; its targets then join the queue."""
        every = torch.cat([self.recent, targets.detach().to(self.prior.dtype)])
        held = torch.cat([self.held, torch.ones_like(every[self.queue :, 0])]).unsqueeze(1)
        shared = (self.sharpness * every.clamp(min=torch.finfo(every.dtype).tiny).log()).softmax(1)
        for _ in range(self.rounds):
            columns = (held * shared).sum(0) / held.sum()
            shared = shared * (self.prior / columns.clamp(min=torch.finfo(every.dtype).tiny))
            shared = shared / shared.sum(1, keepdim=True)
        if update and self.queue:
            self.recent.copy_(every[-self.queue :])
            self.held.copy_(held[-self.queue :, 0])
        return shared[self.queue :].to(targets.dtype)
