"""The SNTG regulariser as one object, the same for both families (Sec. 4), and its telemetry."""

import math
from enum import member

import torch
from torch import Tensor, nn

from gan_sntg.configurable import Choice, Configurable
from gan_sntg.data.dataset import Dataset
from gan_sntg.data.loader import UNLABELED, Examples, Pool
from gan_sntg.distributed import all_gather, own_rows
from gan_sntg.errors import InputError
from gan_sntg.graph.adjacency import Adjacency, DrawnNeighborGraph, TeacherGraph
from gan_sntg.graph.balance import Balance
from gan_sntg.graph.loss import contrastive, pair_loss
from gan_sntg.graph.pairs import Distance, Halves, Pairing, Pairs, all_pairs
from gan_sntg.schedules import ramp_up_down

EXPECTED = 36  # images of a class, of which a right teacher finds under a third by chance once in 30,000 batches


class Embedding(Choice):
    """What the graph shapes: `hidden`, h (the paper), EmbedNN's `output`, the logits, or their `softmax`."""

    hidden = member(lambda h, logits: h)
    output = member(lambda h, logits: logits)
    softmax = member(lambda h, logits: logits.softmax(1))


class SNTG(Configurable, nn.Module):
    """R_S of Eq. 7 with its weight lambda_2, ramp, graph W, pairs, distance, margins and balance.

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
        attraction_margin: float = 0.0,
        repulsion: float = 1.0,
        confidence: float = 0.0,
        balance: Balance | None = None,
        embed: Embedding = Embedding.hidden,
        stop_epochs: float | None = None,
    ):
        """Choose the weight over time, the loss of a pair, the graph and its pairs.

        weight: lambda_2, beside the method's w(t); 0: no SNTG.
        ramp_epochs: over which the weight rises from 0.
        start_epochs: when it begins to rise.
        margin: m of Eq. 8, the distance within which others are pushed apart.
        distance: of two features, rms (the authors' code) or euclidean (Eq. 8).
        pairing: which pairs of a batch; null: `Halves`.
        graph: which of them are neighbours; null: `TeacherGraph`.
        labeled: a GAN's labelled images join the pairs, as those of discriminative methods do anyway.
        attraction_margin: distance within which neighbours are left alone, see `contrastive`; 0: none (Eq. 8).
        repulsion: weight of pushing others apart, beside 1 for drawing neighbours together.
        confidence: how sure the teacher must be of both images of a pair, or their labels known, for it to count.
        balance: of the teacher's targets among the classes; null: none.
        embed: what the graph shapes: h, the logits, or their softmax.
        stop_epochs: when the weight, which falls over as many epochs as it rose, is 0 again; null: never.

        attraction_margin, repulsion, confidence and balance are not in the paper. Raises InputError for an attraction that would end beyond
        the margin, and other impossible numbers.
        """
        super().__init__()
        if stop_epochs is not None and not start_epochs < stop_epochs:
            raise InputError(f"SNTG starts in epoch {start_epochs:g} and stops in epoch {stop_epochs:g}; let stop_epochs be the later one")
        if not (0 <= attraction_margin < margin and 0 <= repulsion < math.inf and 0 <= confidence <= 1):
            raise InputError(
                f"SNTG cannot have margin {margin:g}, attraction_margin {attraction_margin:g}, repulsion {repulsion:g} and confidence "
                f"{confidence:g}; give 0 <= attraction_margin < margin, a repulsion of at least 0 and a confidence in 0..1"
            )
        self.weight, self.ramp_epochs, self.start_epochs, self.stop_epochs = weight, ramp_epochs, start_epochs, stop_epochs
        self.margin, self.distance, self.labeled = margin, distance, labeled
        self.attraction_margin, self.repulsion, self.confidence, self.balance = attraction_margin, repulsion, confidence, balance
        self.pairing, self.graph, self.embed = pairing or Halves(), graph or TeacherGraph(), embed

    def forward(self, h: Tensor, targets: Tensor, y: Tensor, index: Tensor, generator: torch.Generator, in_order: bool = False) -> Tensor:
        """R_S, a mean over a batch's pairs. h [B, D], targets [B, K] -> scalar; gradient into h alone.

        y [B]: labels, UNLABELED where hidden; index [B]: of the training images. in_order: the rows are of several kinds in turn, so
        that an order is drawn in which halves mix them. Of several processes, all see the pairs of the whole batch.
        """
        h, targets, y, index = (all_gather(part) for part in (h, targets.detach(), y, index))
        if self.balance is not None:
            targets = self.balance(targets, update=True)
        order = torch.arange(len(h), device=h.device)
        if in_order:
            order = torch.randperm(len(h), generator=generator, device=h.device)
            h, targets, y, index = (part[order] for part in (h, targets, y, index))
        pairs = self.graph.pairs(self.pairing(len(h), generator), order)
        w, kept = self.graph.weights(targets, y, index, *pairs), self.kept(targets, y, pairs)
        return pair_loss(h, pairs, w, self.margin, self.distance, self.attraction_margin, self.repulsion, kept)

    def kept(self, targets: Tensor, y: Tensor, pairs: Pairs) -> Tensor | None:
        """1 for pairs [S] of images that are sure or known, else 0; None: all count."""
        if not self.confidence:
            return None
        sure = ((targets.amax(1) >= self.confidence) | (y != UNLABELED)).to(targets.dtype)
        return sure[pairs.i] * sure[pairs.j]

    @property
    def asks_known(self) -> bool:
        """Whether R_S depends on the targets of images whose label is known."""
        return bool(self.weight) and (self.balance is not None or self.graph.asks_known)

    def weight_at(self, t: float, w: float = 1.0) -> float:
        """w(t) lambda_2 times its own ramps in epoch t; w: w(t) of the method, 1 where it has none."""
        return w * self.weight * ramp_up_down(t, self.ramp_epochs, self.start_epochs, self.stop_epochs)

    def check(self, batch_size: int) -> None:
        """Raise InputError where the pairing cannot pair a batch of this size."""
        if self.weight:
            self.pairing(batch_size, torch.Generator())

    def prepare(self, data: Dataset, pool: Pool) -> None:
        """Make the graph ready. Raises InputError where it is of other data or draws outside the pool."""
        self.graph.check(data.sha256, data.num_examples, data.num_classes)
        if self.labeled and isinstance(self.graph, DrawnNeighborGraph):
            raise InputError(f"sntg.labeled is set, but {type(self.graph).__name__} pairs unlabelled images alone; leave one of them out")
        if self.balance is not None:
            if not isinstance(self.graph, TeacherGraph):
                raise InputError(f"a balance is of a teacher, whom {type(self.graph).__name__} does not ask; leave one of them out")
            self.balance.start(data.num_classes, pool.y[pool.labeled], pool.view(pool.unlabeled[:1]).x)
        if self.weight:
            self.graph.prepare(pool)

    def companions(self, view: Examples, pool: Pool, generator: torch.Generator) -> Examples:
        """The examples to train on in place of `view`: others where the graph brings neighbours together."""
        chosen = self.graph.companions(all_gather(view.index), generator) if self.weight else None
        return view if chosen is None else pool.view(own_rows(chosen))

    @torch.no_grad()
    def telemetry(self, h: Tensor, targets: Tensor, truth: Tensor) -> dict[str, Tensor]:
        """Quality of the balanced 0-1 graph (no labels merged) over all pairs, against the hidden labels.

        h [B, D], targets [B, K], truth [B]. least_share: the least mean probability of a class over its prior, before balancing; NaN where
        fewer than EXPECTED images of a class are expected, so that chance decides. kept: share of the pairs that are sure. Precision and
        recall are of W_ij = 1; shares and accuracy in 0..1; NaN where there is nothing to count. What is compared with `truth` leaves out
        the images of which it is UNLABELED: those whose label training knows, or nobody.
        """
        pairs = i, j = all_pairs(len(h), h.device)
        shares, prior = targets.mean(0), torch.full_like(targets[0], 1 / targets.shape[1])
        if self.balance is not None:
            targets, prior = self.balance(targets), self.balance.prior
        expected = len(h) * prior
        kept = self.kept(targets, torch.full_like(truth, UNLABELED), pairs)
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
            "graph/unweighted_loss": contrastive(d, positive.to(d.dtype), self.margin, self.attraction_margin, self.repulsion).mean(),
            "graph/least_share": (shares / prior).where(expected.min() >= EXPECTED, torch.nan).min(),
            **({} if kept is None else {"graph/kept": kept.mean()}),
        }
