"""Objective of Alg. 1, which every discriminative method minimises."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_sntg.data.augmentation import Augmentation
from gan_sntg.data.dataset import Dataset
from gan_sntg.data.loader import UNLABELED, Batch, Examples, Pool
from gan_sntg.distributed import all_mean
from gan_sntg.errors import InputError
from gan_sntg.graph.adjacency import DrawnNeighborGraph
from gan_sntg.graph.loss import with_labels
from gan_sntg.graph.sntg import SNTG
from gan_sntg.losses import squared_error, supervised_loss
from gan_sntg.networks.classifiers import Classifier
from gan_sntg.networks.ema import Average
from gan_sntg.networks.passes import drawing_from
from gan_sntg.networks.weight_norm import data_dependent_init
from gan_sntg.rng import preserve_generators
from gan_sntg.schedules import RampedWeight, Schedule
from gan_sntg.training.cuda_graphs import Recordable
from gan_sntg.training.meter import Terms
from gan_sntg.training.method import Method
from gan_sntg.training.optim import AdamEpsilon, adam, set_learning_rate, trainable

Stream = Literal["mixed", "two"]  # one batch of the pool, labels where known; or labelled images, then others whose labels are hidden
TargetsFor = Literal["all", "needed"]
Divisor = Literal["batch", "labeled"]  # of L_S: all images of its pass, as in the authors' code (Alg. 1), or those with a label


class Pass(NamedTuple):
    """A step's passes: `view`, h [B, D] and targets [B, K] for the graph; two tensors per other term.

    h is what `SNTG.embed` takes of the pass.
    labeled: logits, y; consistency: targets, logits; clean: logits of undisturbed images, for VAT's entropy.
    """

    view: Examples
    h: Tensor
    targets: Tensor
    labeled: tuple[Tensor, Tensor]
    consistency: tuple[Tensor, Tensor]
    clean: Tensor | None = None


class Objective(Recordable, Method):
    """L_S + w(t) [lambda1 R_C + lambda2 R_S] (Alg. 1). A method says `targets`, or the whole of `passes`."""

    pool: Pool
    purposes = ("noise", "augmentation", "graph")
    divergence = staticmethod(squared_error)

    def __init__(
        self,
        net: Classifier,
        schedule: Schedule,
        learning_rate: float,
        sntg: SNTG | None = None,
        augmentation: Augmentation | None = None,
        adam_epsilon: AdamEpsilon = "outside_sqrt",
        average_decay: float = 0.999,
        stream: Stream = "mixed",
        divisor: Divisor = "batch",
        w: RampedWeight | None = None,
        consistency_weight: float = 1.0,
        targets_for: TargetsFor = "all",
    ):
        """Take the network, its schedule, and the weights of consistency and graph.

        net: the classifier.
        schedule: of the learning rate and of Adam's betas.
        learning_rate: of Adam.
        sntg: the graph loss R_S on h; null: none.
        augmentation: of training images; null: none.
        adam_epsilon: where Adam's epsilon stands, outside or inside the root.
        average_decay: of the averaged weights, per step.
        stream: mixed, one batch of the pool, labels where known; two, labelled images and others.
        divisor: of L_S, the images of its pass (Alg. 1) or those with a label.
        w: w(t) of Alg. 1, its height and ramp.
        consistency_weight: lambda1, of R_C.
        targets_for: images that get a target: all of the step, or those of two streams that need one.

        Raises InputError where sntg is a GAN's.
        """
        super().__init__()
        self.net, self.average = net, Average(net, average_decay)
        self.schedule, self.learning_rate, self.augmentation = schedule, learning_rate, augmentation or Augmentation()
        self.sntg, self.w, self.consistency_weight = sntg or SNTG(), w or RampedWeight(), consistency_weight
        self.stream, self.divisor, self.targets_for, self.share = stream, divisor, targets_for, 1.0
        self.optimizers = {"net": adam(trainable(net), learning_rate, schedule.at(0)[1], adam_epsilon)}
        if self.sntg.labeled:
            raise InputError("sntg.labeled is a GAN's: the passes of this method hold the labelled images anyway; leave it out")

    @property
    def views(self) -> tuple[str, ...]:
        """The fields of a batch that it asks for."""
        return ("unlabeled",) if self.stream == "mixed" else ("labeled", "unlabeled")

    @property
    def draws_neighbors(self) -> bool:
        """Whether the graph brings neighbours into the unlabelled half of a step."""
        return isinstance(self.sntg.graph, DrawnNeighborGraph)

    @property
    def classifiers(self) -> dict[str, nn.Module]:
        """The network, its de-biased average, and the authors' zero-start average (reference 1.5)."""
        return {"last": self.net, "averaged": self.average.net, "zero_start": self.average.zero_start(self.net)}

    @property
    def losses(self) -> dict[str, tuple[nn.Module, Callable[[Batch, int], Terms]]]:
        """All terms move the one network."""
        return {"net": (self.net, self.terms)}

    def weights(self) -> dict[str, float]:
        """That of L_S is 1; those of R_C and R_S without the factor of the labels."""
        by_term = {"net/consistency": self.consistency_weight, "net/graph": self.sntg.weight}
        return {"net/labeled": 1.0} | {term: self.w.max_weight * weight for term, weight in by_term.items()}

    def prepare(self, data: Dataset, pool: Pool) -> None:
        """Count the labels, fit the net to the pool. Raises InputError where the graph is of other data."""
        self.pool, self.share = pool, len(pool.labeled) / len(pool.unlabeled)
        self.net.fit(pool)
        self.sntg.prepare(data, pool)

    def check(self, batch_size: int, labeled_batch_size: int) -> None:
        """Raise InputError where SNTG cannot pair such a batch."""
        self.sntg.check(batch_size + (labeled_batch_size if self.stream == "two" and not self.draws_neighbors else 0))

    def start(self, batch: Batch) -> None:
        """Data-dependent initialisation from images of the pool, augmented as in training (reference 1.1)."""
        x = self.augmentation(batch.view("unlabeled").x, self.generators["augmentation"])
        with drawing_from(self.net, self.generators["noise"]):
            data_dependent_init(self.net, x)

    def step(self, batch: Batch, t: int) -> Terms:
        """One descent, then the average."""
        factor, betas = self.schedule.at(t)
        rate = self.learning_rate * factor
        set_learning_rate(self.optimizers["net"], rate, betas)
        weights = {"weight/consistency": self.consistency_weight_at(t), "weight/graph": self.graph_weight_at(t)}
        self.settings = {"learning_rate": rate} | weights
        terms = self.descend("net", batch, t)
        self.follow(t)
        return terms

    def graph_key(self, name: str, t: int) -> tuple:
        """The weights of R_C and R_S."""
        return self.consistency_weight_at(t), self.graph_weight_at(t)

    def follow(self, t: int) -> None:
        """Move what follows the student after its step in epoch t."""
        self.average.update(self.net)

    def terms(self, batch: Batch, t: int) -> Terms:
        """Alg. 1, line 8, term by term; one of weight 0 is left out."""
        return self.weighted(self.passes(batch), t)

    def weighted(self, found: Pass, t: int) -> Terms:
        """The terms of these passes in epoch t."""
        logits, y = found.labeled
        share = 1.0
        if self.divisor == "labeled":
            share = all_mean((y != UNLABELED).sum() / len(y)).clamp(min=1e-9)  # without a label the term is 0
        terms = {"net/labeled": supervised_loss(logits, y) / share}
        if weight := self.consistency_weight_at(t):
            terms["net/consistency"] = weight * self.divergence(*found.consistency)
        if weight := self.graph_weight_at(t):
            terms["net/graph"] = weight * self.graph_term(found)
        return terms

    def consistency_weight_at(self, t: int) -> float:
        """w(t) lambda1."""
        return self.w.at(t, self.share) * self.consistency_weight

    def graph_weight_at(self, t: int) -> float:
        """w(t) lambda2, with SNTG's own ramp; 0 in the first epoch."""
        return self.sntg.weight_at(t, self.w.at(t, self.share))

    def passes(self, batch: Batch) -> Pass:
        """One pass over all images of the step, which alone moves running statistics, and f~ for them.

        Images are mirrored before `targets` sees them, and translated after, so that both may share the one and not the other. Of two
        streams R_C asks for the second's targets alone, and a graph that merges labels takes the first's as one-hot rows: with targets_for
        "needed" those get no target, and a target's pass, with its batch statistics, is over the second stream.
        """
        view = self.view(batch)
        h, logits = self.predict(self.translated(view.x))
        labeled = len(batch.view("labeled").y) if len(self.views) == 2 else 0
        told = labeled if self.targets_for == "needed" and not self.sntg.asks_known else 0
        targets = self.targets(Examples(*(part[told:] for part in view)), logits[told:])
        every = with_labels(F.pad(targets, (0, 0, told, 0)), view.y) if told else targets
        return Pass(view, self.sntg.embed(h, logits), every, (logits, view.y), (targets[labeled - told :], logits[labeled:]))

    @abstractmethod
    def targets(self, view: Examples, logits: Tensor) -> Tensor:
        """f~(x) [B, K], probabilities.

        view: mirrored images, those of the step that get one; logits [B, K]: the student's own of them.
        """

    def view(self, batch: Batch) -> Examples:
        """Mirrored images of the step; of two streams, labelled ones first and other labels hidden."""
        views = [v for name in self.views if (v := getattr(batch, name)) is not None]
        if batch.unlabeled is not None:
            views[-1] = self.sntg.companions(views[-1], self.pool, self.generators["graph"])
        if len(views) == 2:
            views[1] = views[1]._replace(y=torch.full_like(views[1].y, UNLABELED))
        x, y, index = (torch.cat(parts) for parts in zip(*views, strict=True))
        return Examples(self.augmentation.flipped(x, self.generators["augmentation"]), y, index)

    def translated(self, x: Tensor) -> Tensor:
        """Each image moved by its own random translation."""
        return self.augmentation.translated(x, self.generators["augmentation"])

    def predict(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(h, logits) of the student, its noise from the nets' own generator."""
        return self.execution(self.net, x, self.generators["noise"])

    def graph_term(self, found: Pass) -> Tensor:
        """R_S over the images of the pass, in an order drawn anew so that halves mix all kinds.

        Where neighbours are drawn, which is not for images of the labelled stream, those are left out.
        """
        first = len(found.h) - len(found.consistency[0]) if self.draws_neighbors else 0
        parts = (part[first:] for part in (found.h, found.targets, found.view.y, found.view.index))
        return self.sntg(*parts, self.generators["graph"], in_order=True)

    @torch.no_grad()
    def telemetry(self, batch: Batch) -> dict[str, float | Tensor]:
        """Weights, learning rate and the teacher's 0-1 graph, without noise; leaves the run as it was."""
        view = batch.view("unlabeled")
        self.eval()
        with preserve_generators(self.generators):
            h, logits = self.net(view.x)
            targets = self.targets(view, logits)
        self.train()
        return {**self.settings, **self.sntg.telemetry(self.sntg.embed(h, logits), targets, view.y)}
