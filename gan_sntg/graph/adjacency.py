"""Adjacency W of a batch: the teacher's learned graph, or one fixed before training (Sec. 5.3)."""

import io
import re
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_sntg.configurable import Configurable
from gan_sntg.data.loader import UNLABELED, Pool
from gan_sntg.errors import InputError
from gan_sntg.files.array_files import cached, key_of, read_npz
from gan_sntg.files.atomic import write_atomically, writing
from gan_sntg.files.mapped import taken
from gan_sntg.files.paths import at_home
from gan_sntg.graph.loss import Graph, same_class
from gan_sntg.graph.neighbors import nearest
from gan_sntg.graph.pairs import Pairs

NEIGHBORS, PREDICTIONS = "neighbors", "predictions"  # the kinds of files, and the words of `gan-sntg graph` that make them


class Adjacency(Configurable, ABC):
    """W of the contrastive loss (Eq. 8), for pairs of examples in a batch."""

    asks_known = True  # whether W depends on the targets of images whose label is known

    @abstractmethod
    def weights(self, targets: Tensor, y: Tensor, index: Tensor, i: Tensor, j: Tensor) -> Tensor:
        """W_ij in [0, 1] of the pairs (i, j) of places in the batch: [S], as targets, without gradient.

        targets [B, K]: the teacher's probabilities; y [B]: labels, UNLABELED where hidden; index [B]: of the training images; i, j [S].
        """

    def check(self, sha256: str, num_examples: int, num_classes: int) -> None:
        """Raise InputError where the graph was made of other data than those with this hash, N and K."""

    def prepare(self, pool: Pool) -> None:
        """Find in the pool what the graph is made of. Raises InputError where it draws images outside."""

    def companions(self, index: Tensor, generator: torch.Generator) -> Tensor | None:
        """Images [B] to take in place of those at `index` [B], to bring neighbours together; None: no others."""
        return None

    def pairs(self, pairs: Pairs, order: Tensor) -> Pairs:
        """Pairs of a reordered batch. order [B]: where each image stood in the batch that came."""
        return pairs


class TeacherGraph(Adjacency):
    """The learned graph: W from the teacher's present targets, 0-1 (Eq. 6) or soft (Sec. 4.1).

    With `merge` a known label overrides the teacher, as in the authors' code. Without, as Eq. 6 has it, no label is looked at: what a
    teacher needs that is to correct noisy ones (reference 1.7). W below `threshold` is 0, of a graph that is not 0-1 by itself.
    """

    def __init__(self, kind: Graph = Graph.hard, merge: bool = True, threshold: float = 0.0):
        """kind: 0-1 by the class (hard, Eq. 6), or soft; merge: known labels override the teacher.

        threshold: W below it is 0, in 0..1. Raises InputError.
        """
        self.kind, self.merge, self.threshold, self.asks_known = kind, merge, threshold, not merge
        if not 0 <= threshold <= 1 or (threshold and kind is Graph.hard):
            raise InputError(f"the threshold of TeacherGraph is {threshold:g}, its kind {kind.name}; give one in 0..1, of a graph not 0-1")

    def weights(self, targets: Tensor, y: Tensor, index: Tensor, i: Tensor, j: Tensor) -> Tensor:
        """As `kind` has it; index is not used."""
        w = self.kind(targets, y if self.merge else torch.full_like(y, UNLABELED), i, j)
        return w.where(w >= self.threshold, 0) if self.threshold else w


class GraphFile(Adjacency):
    """A graph from an .npz file: `table`, a row per training image, pinned to the bytes of the data."""

    kind: str
    table: Tensor
    asks_known = False

    def __init__(self, file: str):
        """file: written by `gan-sntg graph`. Raises InputError where it is missing or invalid."""
        self.path, self.again = at_home(file), f"make it with `gan-sntg graph {self.kind}`"
        if not self.path.is_file():
            raise InputError(f"the graph file {self.path} does not exist; {self.again}")
        kind, self.sha256 = map(_text, read_npz(self.path, ("kind", "sha256"), remedy=self.again).values())
        if kind not in (NEIGHBORS, PREDICTIONS) or not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise self.damaged("its kind or sha256 is invalid")
        if kind != self.kind:
            raise InputError(f"{self.path} holds {kind}, not {self.kind}; give another file, or {self.again}")

    def damaged(self, what: str) -> InputError:
        """The error of a file that cannot be used."""
        return InputError(f"{self.path} is damaged: {what}; {self.again}")

    def check(self, sha256: str, num_examples: int, num_classes: int) -> None:
        """Raise InputError unless the graph was made of data with this hash, N and K."""
        if self.sha256 != sha256:
            hashes = f"SHA-256 {self.sha256[:12]}..., here {sha256[:12]}..."
            raise InputError(f"{self.path} was made of other data ({hashes}); {self.again} of these")
        if len(self.table) != num_examples:
            raise self.damaged(f"it is of {len(self.table)} images, not of the {num_examples} there are")

    def rows(self, index: Tensor) -> Tensor:
        """The rows of the table at `index`, on whose device it stays."""
        self.table = self.table.to(index.device)
        return self.table[index]


class FixedGraph(GraphFile):
    """Second fixed graph of Sec. 5.3: W_ij = 1 if a finished run predicted one class of both images.

    With `merge` a known label overrides the prediction (reference 8). A run that knew other labels would tell this one of them.
    """

    kind = PREDICTIONS

    def __init__(self, file: str, merge: bool = True):
        """file: written by `gan-sntg graph predictions`; merge: known labels override the predictions.

        Raises InputError where the file is missing or invalid.
        """
        super().__init__(file)
        (classes,) = read_npz(self.path, ("classes",), remedy=self.again).values()
        if classes.dtype != np.int64 or classes.ndim != 1 or not len(classes):
            raise self.damaged(f"classes is {classes.dtype} {list(classes.shape)}, not int64 [images]")
        if classes.min() < 0:
            raise self.damaged(f"it names a class {classes.min()}")
        self.table, self.merge = torch.from_numpy(classes), merge

    def check(self, sha256: str, num_examples: int, num_classes: int) -> None:
        """Raise InputError unless the graph was made of data with this hash, N and K."""
        super().check(sha256, num_examples, num_classes)
        if self.table.max() >= num_classes:
            raise self.damaged(f"it names a class {self.table.max()}, but there are {num_classes}")

    def weights(self, targets: Tensor, y: Tensor, index: Tensor, i: Tensor, j: Tensor) -> Tensor:
        """From the file; of targets only their type counts."""
        classes = self.rows(index)
        if self.merge:
            classes = torch.where(y == UNLABELED, classes, y)
        return same_class(classes, i, j).to(targets.dtype)


class NeighborGraph(GraphFile):
    """First fixed graph of Sec. 5.3: W_ij = 1 if i or j is among the other's k nearest in pixel space.

    The paper does not say how the relation is made symmetric; either way suffices here (reference 8). W_ii = 0, labels are ignored.
    """

    kind = NEIGHBORS

    def __init__(self, file: str):
        """file: written by `gan-sntg graph neighbors`. Raises InputError where it is missing or invalid."""
        super().__init__(file)
        neighbors, k = read_npz(self.path, ("neighbors", "k"), remedy=self.again).values()
        if neighbors.dtype != np.int32 or neighbors.ndim != 2 or k.tolist() != neighbors.shape[1] or 0 in neighbors.shape:
            raise self.damaged(f"neighbors is {neighbors.dtype} {list(neighbors.shape)}, not int32 [images, k] with its own k")
        n = len(neighbors)
        rows = np.sort(np.column_stack([np.arange(n), neighbors]), axis=1)  # each with the image itself
        if rows.min() < 0 or rows.max() >= n or (rows[:, 1:] == rows[:, :-1]).any():
            raise self.damaged(f"the neighbours of an image are not different other images in 0..{n - 1}")
        self.table = torch.from_numpy(np.ascontiguousarray(neighbors))

    def weights(self, targets: Tensor, y: Tensor, index: Tensor, i: Tensor, j: Tensor) -> Tensor:
        """From the file; of targets only their type counts, y is not used."""
        a, b = index[i], index[j]
        joined = (self.rows(a) == b.unsqueeze(1)) | (self.rows(b) == a.unsqueeze(1))
        return joined.any(1).to(targets.dtype)


class DrawnNeighborGraph(NeighborGraph):
    """NeighborGraph whose batches pair each first-half image with a drawn neighbour (reference 8, b)."""

    def prepare(self, pool: Pool) -> None:
        """Raise InputError where the file has neighbours outside the pool."""
        if len(pool.unlabeled) < len(pool.x):
            raise InputError(f"{self.path} draws from all training images; leave --validation out, or choose PoolNeighborGraph for a graph")

    def companions(self, index: Tensor, generator: torch.Generator) -> Tensor:
        """The first half of `index`, one neighbour of each, uniform over its k nearest, and a last odd one."""
        half = len(index) // 2
        drawn = torch.randint(self.table.shape[1], (half,), generator=generator, device=index.device)
        neighbors = self.rows(index[:half]).gather(1, drawn.unsqueeze(1)).squeeze(1)
        return torch.cat([index[:half], neighbors.long(), index[2 * half :]])

    def pairs(self, pairs: Pairs, order: Tensor) -> Pairs:
        """Pairs of each former first-half image with its neighbour, then those of the pairing."""
        now, half = order.argsort(), len(order) // 2
        return Pairs(torch.cat([now[:half], pairs.i]), torch.cat([now[half : 2 * half], pairs.j]))


class PoolNeighborGraph(DrawnNeighborGraph):
    """DrawnNeighborGraph of the k nearest within the pool, found once and kept in the user's cache."""

    def __init__(self, k: int = 10):
        """k: neighbours of an image, EmbedNN's 10 of Sec. 5.3."""
        self.k = k

    def check(self, sha256: str, num_examples: int, num_classes: int) -> None:
        """Data that it is made of are never others."""

    def prepare(self, pool: Pool) -> None:
        """Find the neighbours: table [N, k], -1 for images outside. Raises InputError unless 1 <= k < U."""
        x = taken(pool.kept, pool.unlabeled)
        blocks = nearest(x, self.k, pool.device)  # which refuses an impossible k before it finds any
        key, shapes = key_of(f"nearest-{self.k}", x), {"nearest": (len(x), self.k)}
        near = cached(key, shapes, lambda: {"nearest": torch.cat(list(blocks)).cpu()}, torch.int32)["nearest"].to(pool.device)
        self.table = torch.full((len(pool.x), self.k), UNLABELED, dtype=torch.int32, device=pool.device)
        self.table[pool.unlabeled] = pool.unlabeled[near].int()


def write_neighbors(path: Path, sha256: str, neighbors: Tensor) -> None:
    """Write neighbors int32 [N, k] of the data with this hash. Raises InputError on failure."""
    _write(path, kind=NEIGHBORS, sha256=sha256, neighbors=neighbors.numpy(), k=neighbors.shape[1])


def write_predictions(path: Path, sha256: str, classes: Tensor, method: str, test_error: str, split_sha256: str) -> None:
    """Write classes int64 [N] that a run predicted, and their origin. Raises InputError on failure."""
    _write(path, kind=PREDICTIONS, sha256=sha256, classes=classes.numpy(), method=method, test_error=test_error, split_sha256=split_sha256)


def _write(path: Path, **arrays: Any) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    with writing(path):
        write_atomically(path, buffer.getbuffer())


def _text(array: np.ndarray) -> str:
    """The text in an array of one; empty where there is none."""
    try:
        return array.item() if array.dtype.kind == "U" and array.shape == () else ""
    except SystemError:  # a code beyond the last character
        return ""
