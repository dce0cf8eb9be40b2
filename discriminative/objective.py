"""The objective of Alg. 1, which every discriminative method minimises.

L_S + w(t) [lambda1 R_C + lambda2 R_S]; how f~ is made is the method's own.
"""

from abc import abstractmethod
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gan_sntg.data.augmentation import Augmentation
from gan_sntg.data.dataset import Dataset
from gan_sntg.data.loader import UNLABELED, Batch, Examples, Pool
from gan_sntg.distributed.ranks import process_group
from gan_sntg.errors import InputError
from gan_sntg.graph.adjacency import Adjacency, DrawnNeighborGraph, TeacherGraph
from gan_sntg.graph.loss import Distance, pair_loss
from gan_sntg.graph.pairs import Halves, Pairing, all_pairs
from gan_sntg.graph.telemetry import graph_telemetry
from gan_sntg.losses import squared_error, supervised_loss
from gan_sntg.networks.classifiers import Classifier
from gan_sntg.networks.ema import Average
from gan_sntg.networks.noise import drawing_from
from gan_sntg.networks.weight_norm import data_dependent_init
from gan_sntg.rng import preserved
from gan_sntg.schedules import Schedule, ramp_up
from gan_sntg.training.meter import Terms
from gan_sntg.training.method import Method
from gan_sntg.training.optim import Adam, set_learning_rate, trainable


class Stream(Enum):
    """`mixed`: one batch of the pool, labels where known (Pi, TempEns); `two`: labelled images, then others whose labels are hidden."""

    mixed = "mixed"
    two = "two"


class Divisor(Enum):
    """Of L_S: `batch`, all images of its pass, as in the authors' code (Alg. 1), or `labeled`, those with a label."""

    batch = "batch"
    labeled = "labeled"


class Pass(NamedTuple):
    """The forward passes of a step: `view` with h [B, D] and targets [B, K] for the graph, and a pair of tensors for each other term.

    labeled: logits, y; consistency: targets, logits; clean: logits of undisturbed images, where a method has them.
    """

    view: Examples
    h: Tensor
    targets: Tensor
    labeled: tuple[Tensor, Tensor]
    consistency: tuple[Tensor, Tensor]
    clean: Tensor | None = None


class Objective(Method):
    """w(t) = max_weight * (labels / images, if `scaled`) * ramp. A method says `targets`, or the whole of `passes`."""

    purposes = ("noise", "augmentation", "graph")
    divergence = staticmethod(squared_error)

    def __init__(
        self,
        net: Classifier,
        schedule: Schedule,
        learning_rate: float,
        pairing: Pairing | None = None,
        graph: Adjacency | None = None,
        augmentation: Augmentation | None = None,
        adam: Adam = Adam.outside,
        average_decay: float = 0.999,
        stream: Stream = Stream.mixed,
        divisor: Divisor = Divisor.batch,
        max_weight: float = 1.0,
        scaled: bool = True,
        ramp_epochs: float | None = 80,
        consistency_weight: float = 1.0,
        graph_weight: float = 0.0,
        graph_ramp_epochs: float = 0,
        margin: float = 1.0,
        distance: Distance = Distance.rms,
    ):
        """consistency_weight, graph_weight: lambda1, lambda2; ramp_epochs: of w, null for none; graph_ramp_epochs: of R_S beside it.

        pairing, graph: `Halves` and `TeacherGraph` where not given; augmentation: none; average_decay: of the average for testing.
        """
        super().__init__()
        self.net, self.average = net, Average(net, average_decay)
        self.schedule, self.learning_rate, self.augmentation = schedule, learning_rate, augmentation or Augmentation()
        self.pairing, self.graph, self.margin, self.distance = pairing or Halves(), graph or TeacherGraph(), margin, distance
        self.stream, self.divisor, self.max_weight, self.scaled, self.ramp_epochs = stream, divisor, max_weight, scaled, ramp_epochs
        self.consistency_weight, self.graph_weight, self.graph_ramp_epochs = consistency_weight, graph_weight, graph_ramp_epochs
        self.optimizers = {"net": adam(trainable(net), learning_rate, schedule.betas(0))}

    @property
    def views(self) -> tuple[str, ...]:
        """What of a batch it asks for."""
        return ("unlabeled",) if self.stream is Stream.mixed else ("labeled", "unlabeled")

    @property
    def classifiers(self) -> dict[str, nn.Module]:
        """The network as it is, its de-biased average, and the zero-start average that the authors test with (reference 1.5)."""
        return {"last": self.net, "averaged": self.average.net, "zero_start": self.average.zero_start(self.net)}

    @property
    def losses(self) -> dict[str, tuple[nn.Module, Callable[[Batch, int], Terms]]]:
        """All terms move the one network."""
        return {"net": (self.net, self.terms)}

    def weights(self) -> dict[str, float]:
        """That of L_S is 1; those of R_C and R_S without the factor of the labels."""
        by_term = {"net/consistency": self.consistency_weight, "net/graph": self.graph_weight}
        return {"net/labeled": 1.0} | {term: self.max_weight * weight for term, weight in by_term.items()}

    def prepare(self, source: Dataset, pool: Pool) -> None:
        """Count the labels. Raises InputError where the graph is one of other data."""
        self.pool, self.scale = pool, len(pool.labeled) / len(pool.unlabeled) if self.scaled else 1.0
        self.graph.check(source.sha256, source.num_examples, source.num_classes)
        if isinstance(self.graph, DrawnNeighborGraph) and (self.stream is Stream.two or len(pool.unlabeled) < source.num_examples):
            raise InputError("DrawnNeighborGraph draws from all training images in one stream; use stream: mixed, and no validation images")

    def check(self, batch_size: int, labeled_batch_size: int) -> None:
        """Raise InputError where the pairing cannot pair such a batch."""
        if self.graph_weight:
            self.pairing(batch_size + (labeled_batch_size if self.stream is Stream.two else 0), torch.Generator())

    def start(self, batch: Batch) -> None:
        """Data-dependent initialisation from images of the pool, augmented as in training (reference 1.1)."""
        x = self.augmentation(batch.unlabeled.x, self.generators["augmentation"])
        with drawing_from(self.net, self.generators["noise"]):
            data_dependent_init(self.net, x)

    def step(self, batch: Batch, t: int) -> Terms:
        """One descent, then the average."""
        rate = self.learning_rate * self.schedule.factor(t)
        set_learning_rate(self.optimizers["net"], rate, self.schedule.betas(t))
        weights = {"weight/consistency": self.consistency_weight_at(t), "weight/graph": self.graph_weight_at(t)}
        self.settings = {"learning_rate": rate} | weights
        terms = self.descend("net", self.terms, batch, t)
        self.follow(t)
        return terms

    def in_force(self, t: int | None = None) -> tuple:
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
        if self.divisor is Divisor.labeled:
            share = process_group().total((y != UNLABELED).sum()).clamp(min=1) / (len(y) * process_group().world)
        terms = {"net/labeled": supervised_loss(logits, y) / share}
        if weight := self.consistency_weight_at(t):
            terms["net/consistency"] = weight * self.divergence(*found.consistency)
        if weight := self.graph_weight_at(t):
            terms["net/graph"] = weight * self.graph_term(found)
        return terms

    def weight_at(self, t: int) -> float:
        """w(t)."""
        return self.max_weight * self.scale * (1.0 if self.ramp_epochs is None else ramp_up(t, self.ramp_epochs))

    def consistency_weight_at(self, t: int) -> float:
        """w(t) lambda1."""
        return self.weight_at(t) * self.consistency_weight

    def graph_weight_at(self, t: int) -> float:
        """w(t) lambda2, with the graph's own ramp; 0 in the first epoch."""
        return self.weight_at(t) * self.graph_weight * ramp_up(t, self.graph_ramp_epochs)

    def passes(self, batch: Batch) -> Pass:
        """One pass of the student over all images of the step, which alone moves its running statistics, and f~ for them.

        Images are mirrored before `targets` sees them, and translated after, so that both may share the one and not the other.
        """
        view = self.view(batch)
        h, logits = self.predict(self.translated(view.x))
        targets = self.targets(view, logits)
        asked = slice(len(batch.labeled.y) if len(self.views) == 2 else 0, None)  # of two streams, not the labelled
        return Pass(view, h, targets, (logits, view.y), (targets[asked], logits[asked]), logits)

    @abstractmethod
    def targets(self, view: Examples, logits: Tensor) -> Tensor:
        """f~(x) [B, K], probabilities. view: mirrored images, labels, indices; logits [B, K]: the student's own of this pass."""

    def view(self, batch: Batch) -> Examples:
        """The images of the step, mirrored; of two streams the labelled first, the labels of the others hidden."""
        views = [v for name in self.views if (v := getattr(batch, name)) is not None]
        if self.graph_weight:
            (every,) = process_group().paired(views[-1].index)
            if (chosen := self.graph.companions(every, self.generators["graph"])) is not None:
                views[-1] = self.pool.view(process_group().unpaired(chosen))
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
        """R_S over the images of the pass, in an order drawn anew so that halves mix all kinds."""
        generator = self.generators["graph"]
        paired = process_group().paired(found.h, found.targets, found.view.y, found.view.index)
        order = torch.randperm(len(paired[0]), generator=generator, device=found.h.device)
        h, targets, y, index = (part[order] for part in paired)
        pairs = self.graph.pairs(self.pairing(len(h), generator), order)
        return pair_loss(h, pairs, self.graph.weights(targets, y, index, *pairs), self.margin, self.distance)

    @torch.no_grad()
    def telemetry(self, batch: Batch) -> dict[str, float | Tensor]:
        """Weights, learning rate, and what the teacher's 0-1 graph is worth; without noise, augmentation or a trace in the run."""
        self.eval()
        with preserved(self.generators):
            h, logits = self.net(batch.unlabeled.x)
            targets = self.targets(batch.unlabeled, logits)
        self.train()
        pairs = all_pairs(len(h), h.device)
        return {**self.settings, **graph_telemetry(h, targets, batch.unlabeled.y, pairs, self.distance, self.margin)}
