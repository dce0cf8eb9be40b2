"""The SNTG regulariser as one object, the same for both families (Sec. 4), and its telemetry."""

import torch
from torch import Tensor

from gan_sntg.configurable import Configurable
from gan_sntg.data.dataset import Dataset
from gan_sntg.data.loader import UNLABELED, Examples, Pool
from gan_sntg.distributed import all_gather, own_rows
from gan_sntg.errors import InputError
from gan_sntg.graph.adjacency import Adjacency, DrawnNeighborGraph, TeacherGraph
from gan_sntg.graph.loss import contrastive, pair_loss
from gan_sntg.graph.pairs import Distance, Halves, Pairing, all_pairs
from gan_sntg.schedules import ramp_up


class SNTG(Configurable):
    """R_S of Eq. 7 with its weight lambda_2, ramp, graph W, pairs, distance and margin.

    Weight 0 is the method without SNTG, bit for bit: nothing is computed, and nothing is drawn.
    """

    def __init__(
        self,
        weight: float = 0.0,
        ramp_epochs: float = 0,
        start_epochs: float = 0,
        margin: float = 1.0,
        distance: Distance = Distance.rms,
        pairing: Pairing | None = None,
        graph: Adjacency | None = None,
        labeled: bool = False,
    ):
        """weight: lambda_2, ramped from start_epochs on, beside the method's w(t); margin: m of Eq. 8.

        pairing, graph: `Halves` and `TeacherGraph` where not given. labeled: whether a GAN's labelled images join the pairs, which the
        passes of discriminative methods hold anyway.
        """
        self.weight, self.ramp_epochs, self.start_epochs = weight, ramp_epochs, start_epochs
        self.margin, self.distance, self.labeled = margin, distance, labeled
        self.pairing, self.graph = pairing or Halves(), graph or TeacherGraph()

    def __call__(self, h: Tensor, targets: Tensor, y: Tensor, index: Tensor, generator: torch.Generator, in_order: bool = False) -> Tensor:
        """R_S, a mean over a batch's pairs. h [B, D], targets [B, K] -> scalar; gradient into h alone.

        y [B]: labels, UNLABELED where hidden; index [B]: of the training images. in_order: the rows are of several kinds in turn, so
        that an order is drawn in which halves mix them. Of several processes, all see the pairs of the whole batch.
        """
        h, targets, y, index = (all_gather(part) for part in (h, targets.detach(), y, index))
        order = torch.arange(len(h), device=h.device)
        if in_order:
            order = torch.randperm(len(h), generator=generator, device=h.device)
            h, targets, y, index = (part[order] for part in (h, targets, y, index))
        pairs = self.graph.pairs(self.pairing(len(h), generator), order)
        return pair_loss(h, pairs, self.graph.weights(targets, y, index, *pairs), self.margin, self.distance)

    def weight_at(self, t: float, w: float = 1.0) -> float:
        """w(t) lambda_2 times its own ramp in epoch t; w: w(t) of the method, 1 where it has none."""
        return w * self.weight * ramp_up(t, self.ramp_epochs, self.start_epochs)

    def check(self, batch_size: int) -> None:
        """Raise InputError where the pairing cannot pair a batch of this size."""
        if self.weight:
            self.pairing(batch_size, torch.Generator())

    def prepare(self, data: Dataset, pool: Pool) -> None:
        """Raise InputError where the graph is of other data, or draws images outside the pool."""
        self.graph.check(data.sha256, data.num_examples, data.num_classes)
        if isinstance(self.graph, DrawnNeighborGraph) and len(pool.unlabeled) < data.num_examples:
            raise InputError("DrawnNeighborGraph draws from all training images; leave --validation out, or choose another graph")

    def companions(self, view: Examples, pool: Pool, generator: torch.Generator) -> Examples:
        """The examples to train on in place of `view`: others where the graph brings neighbours together."""
        chosen = self.graph.companions(all_gather(view.index), generator) if self.weight else None
        return view if chosen is None else pool.view(own_rows(chosen))

    @torch.no_grad()
    def telemetry(self, h: Tensor, targets: Tensor, truth: Tensor) -> dict[str, Tensor]:
        """Quality of the teacher's 0-1 graph (no labels merged) over all pairs, against the hidden labels.

        h [B, D], targets [B, K], truth [B]. Precision and recall are of W_ij = 1; shares and accuracy in 0..1;
        NaN where there is nothing to count. What is compared with `truth` leaves out the images of which it is UNLABELED.
        """
        pairs = i, j = all_pairs(len(h), h.device)
        classes, known = targets.argmax(1), truth != UNLABELED
        positive, same, judged = classes[i] == classes[j], truth[i] == truth[j], known[i] & known[j]
        d = self.distance(h, pairs)
        right = (positive & same & judged).sum()
        return {
            "graph/precision": right / (positive & judged).sum(),
            "graph/recall": right / (same & judged).sum(),
            "graph/teacher_accuracy": (classes == truth)[known].float().mean(),
            "graph/teacher_confidence": targets.max(1).values.mean(),
            "graph/negatives_inside_margin": (d[~positive] < self.margin).float().mean(),
            "graph/distance_positive": d[positive].mean(),
            "graph/distance_negative": d[~positive].mean(),
            "graph/unweighted_loss": contrastive(d, positive.to(d.dtype), self.margin).mean(),
        }
