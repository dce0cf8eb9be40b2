"""Adjacency W of a batch: the teacher's learned graph, or one fixed before training (Sec. 5.3)."""

from abc import ABC, abstractmethod
from pathlib import Path

import torch
from torch import Tensor

from gan_sntg.configurable import Configurable
from gan_sntg.data.loader import UNLABELED
from gan_sntg.graph.fixed_graphs import Table, read_neighbors, read_predictions
from gan_sntg.graph.loss import Graph, same_class
from gan_sntg.graph.pairs import Pairs


class Adjacency(Configurable, ABC):
    """W of the contrastive loss (Eq. 8), for pairs of examples in a batch."""

    table: Table | None = None  # of a graph that is read from a file

    @abstractmethod
    def weights(self, targets: Tensor, y: Tensor, index: Tensor, i: Tensor, j: Tensor) -> Tensor:
        """W_ij in [0, 1] of the pairs (i, j) of places in the batch: [S], as targets, without gradient.

        targets [B, K]: the teacher's probabilities; y [B]: labels, UNLABELED where hidden; index [B]: of the training images; i, j [S].
        """

    def check(self, sha256: str, num_examples: int, num_classes: int) -> None:
        """Raise InputError where the graph was made of other data than those with this hash, N and K."""
        if self.table is not None:
            self.table.check(sha256, num_examples, num_classes)

    def companions(self, index: Tensor, generator: torch.Generator) -> Tensor | None:
        """Images [B] to take in place of those at `index` [B], to bring neighbours together; None: no others."""
        return None

    def pairs(self, pairs: Pairs, order: Tensor) -> Pairs:
        """Pairs of a reordered batch. order [B]: where each image stood in the batch that came."""
        return pairs


class TeacherGraph(Adjacency):
    """The learned graph: W from the teacher's present targets, 0-1 (Eq. 6) or soft (Sec. 4.1).

    With `merge` a known label overrides the teacher, as in the authors' code. Without, as Eq. 6 has it, no label is looked at: what a
    teacher needs that is to correct noisy ones (reference 1.7).
    """

    def __init__(self, kind: Graph = Graph.hard, merge: bool = True):
        """kind: the function of W."""
        self.kind, self.merge = kind, merge

    def weights(self, targets: Tensor, y: Tensor, index: Tensor, i: Tensor, j: Tensor) -> Tensor:
        """As `kind` has it; index is not used."""
        return self.kind(targets, y if self.merge else torch.full_like(y, UNLABELED), i, j)


class FixedGraph(Adjacency):
    """Second fixed graph of Sec. 5.3: W_ij = 1 if a finished run predicted one class of both images.

    With `merge` a known label overrides the prediction (reference 8). A run that knew other labels would tell this one of them.
    """

    table: Table

    def __init__(self, file: str, merge: bool = True):
        """file: of `gan-sntg graph predictions`. Raises InputError where it is missing or invalid."""
        self.merge, self.table = merge, read_predictions(Path(file))

    def weights(self, targets: Tensor, y: Tensor, index: Tensor, i: Tensor, j: Tensor) -> Tensor:
        """From the file; of targets only their type counts."""
        classes = self.table.on(index.device)[index]
        if self.merge:
            classes = torch.where(y == UNLABELED, classes, y)
        return same_class(classes, i, j).to(targets.dtype)


class NeighborGraph(Adjacency):
    """First fixed graph of Sec. 5.3: W_ij = 1 if i or j is among the other's k nearest in pixel space.

    The paper does not say how the relation is made symmetric; either way suffices here (reference 8). W_ii = 0, labels are ignored.
    """

    table: Table

    def __init__(self, file: str):
        """file: of `gan-sntg graph neighbors`. Raises InputError where it is missing or invalid."""
        self.table = read_neighbors(Path(file))

    def weights(self, targets: Tensor, y: Tensor, index: Tensor, i: Tensor, j: Tensor) -> Tensor:
        """From the file; of targets only their type counts, y is not used."""
        neighbors, a, b = self.table.on(index.device), index[i], index[j]
        joined = (neighbors[a] == b.unsqueeze(1)) | (neighbors[b] == a.unsqueeze(1))
        return joined.any(1).to(targets.dtype)


class DrawnNeighborGraph(NeighborGraph):
    """NeighborGraph whose batches pair each first-half image with a drawn neighbour (reference 8, b)."""

    def companions(self, index: Tensor, generator: torch.Generator) -> Tensor:
        """The first half of `index`, one neighbour of each, uniform over its k nearest, and a last odd one."""
        neighbors, half = self.table.on(index.device), len(index) // 2
        drawn = torch.randint(neighbors.shape[1], (half,), generator=generator, device=index.device)
        return torch.cat([index[:half], neighbors[index[:half], drawn].long(), index[2 * half :]])

    def pairs(self, pairs: Pairs, order: Tensor) -> Pairs:
        """Pairs of each former first-half image with its neighbour, then those of the pairing."""
        now, half = order.argsort(), len(order) // 2
        return Pairs(torch.cat([now[:half], pairs.i]), torch.cat([now[half : 2 * half], pairs.j]))
