"""FM-GAN + SNTG: the feature-matching Improved GAN with the graph on D's features (reference 5, 6)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gan_sntg.data.loader import Batch, Examples
from gan_sntg.distributed.ranks import process_group
from gan_sntg.graph.loss import Distance, Graph, pair_loss
from gan_sntg.graph.pairs import Pairing
from gan_sntg.graph.teachers import Teacher
from gan_sntg.losses import Matching, fake_loss, real_loss, supervised_loss
from gan_sntg.methods.telemetry import gan_telemetry
from gan_sntg.networks.dense_gan import Discriminator, Generator
from gan_sntg.networks.ema import Average
from gan_sntg.networks.noise import drawing_from
from gan_sntg.networks.weight_norm import data_dependent_init, fixed_weights, starts_from_data
from gan_sntg.schedules import linear_tail, ramp_up
from gan_sntg.training.meter import Terms
from gan_sntg.training.method import Method
from gan_sntg.training.optim import AdamInside, set_learning_rate, trainable


class FeatureMatchingGAN(Method):
    """The feature-matching Improved GAN whose D gets `graph_weight` * w(t) * R_S on its features of the unlabelled images.

    `graph_weight: 0` is FM-GAN bit for bit: the graph's draws come from a generator of their own.
    """

    purposes = ("noise", "z", "graph")

    def __init__(
        self,
        discriminator: Discriminator,
        generator: Generator,
        teacher: Teacher,
        pairing: Pairing,
        num_examples: int,
        num_classes: int,
        matching: Matching = Matching.squared,
        learning_rate: float = 3e-3,
        decay_epochs: float | None = None,
        beta1: float = 0.5,
        average_decay: float = 0.9999,
        graph_weight: float = 0.0,
        graph_ramp_epochs: float = 80,
        graph_start_epochs: float = 0,
        graph_labeled: bool = False,
        margin: float = 1.0,
        distance: Distance = Distance.rms,
        graph: Graph = Graph.hard,
    ):
        """graph_*: weight lambda_2, its ramp and start in epochs, and whether labelled images join the pairs; margin m of Eq. 8.

        decay_epochs: see `linear_tail`; average_decay: of D's average for testing.
        """
        super().__init__()
        self.discriminator, self.generator = discriminator, generator
        self.teacher, self.pairing = teacher, pairing
        self.teacher.start(discriminator, num_examples, num_classes)
        self.average = Average(discriminator, average_decay)
        self.matching, self.distance, self.graph, self.margin = matching, distance, graph, margin
        self.learning_rate, self.decay_epochs = learning_rate, decay_epochs
        self.graph_weight, self.graph_labeled = graph_weight, graph_labeled
        self.graph_ramp_epochs, self.graph_start_epochs = graph_ramp_epochs, graph_start_epochs
        self.optimizers = {
            "d": AdamInside(trainable(discriminator), learning_rate, (beta1, 0.999)),
            "g": AdamInside(trainable(generator), learning_rate, (beta1, 0.999)),
        }

    @property
    def classifiers(self) -> dict[str, nn.Module]:
        """D as it is, its de-biased average, and the zero-start average that the source tests with."""
        return {"last": self.discriminator, "averaged": self.average.net, "zero_start": self.average.zero_start(self.discriminator)}

    @property
    def losses(self) -> dict[str, tuple[nn.Module, Callable[[Batch, int], Terms]]]:
        """D's terms, then G's."""
        return {
            "d": (self.discriminator, self.discriminator_terms),
            "g": (self.generator, lambda batch, t: self.generator_terms(batch)),
        }

    def weights(self) -> dict[str, float]:
        """Those of the GAN are 1."""
        return {"d/labeled": 1, "d/unlabeled": 1, "d/generated": 1, "d/graph": self.graph_weight, "g/matching": 1}

    def check(self, batch_size: int, labeled_batch_size: int) -> None:
        """Raise InputError where the pairing cannot pair such a batch."""
        if self.graph_weight:
            self.pairing(batch_size + labeled_batch_size * self.graph_labeled, torch.Generator())

    def start(self, batch: Batch) -> None:
        """Data-dependent initialisation of D from unlabelled images, and from z of what in G asks for it (reference 5)."""
        with drawing_from(self.discriminator, self.generators["noise"]):
            data_dependent_init(self.discriminator, batch.unlabeled.x)
        if starts_from_data(self.generator):  # no z is drawn otherwise: the dense pair's z stay as they were
            data_dependent_init(self.generator, self.draw_z(len(batch.unlabeled.x)))

    def step(self, batch: Batch, t: int) -> Terms:
        """D's step, the averages, then G's step on the independent unlabelled batch."""
        rate = self.learning_rate * linear_tail(t, self.decay_epochs)
        for optimizer in self.optimizers.values():
            set_learning_rate(optimizer, rate)
        self.settings = {"learning_rate": rate, "weight/graph": self.graph_weight_at(t)}
        terms = self.descend("d", self.discriminator_terms, batch, t)
        self.average.update(self.discriminator)
        self.teacher.update(self.discriminator)
        return terms | self.descend("g", self.generator_terms, batch)

    def discriminator_terms(self, batch: Batch, t: int) -> Terms:
        """L_lab + L_unl (reference 5) and the weighted R_S, from one forward pass over all three kinds of images."""
        labeled, unlabeled = batch.labeled, batch.unlabeled
        with torch.no_grad():
            fake = self.generate(len(unlabeled.x))
        sizes = [len(labeled.x), len(unlabeled.x), len(fake)]
        h, logits = self.discriminate(torch.cat([labeled.x, unlabeled.x, fake]))
        h_labeled, h_unlabeled, _ = h.split(sizes)
        l_labeled, l_unlabeled, l_fake = logits.split(sizes)
        terms = {
            "d/labeled": supervised_loss(l_labeled, labeled.y),
            "d/unlabeled": real_loss(l_unlabeled),
            "d/generated": fake_loss(l_fake),
        }
        if weight := self.graph_weight_at(t):
            views = [(unlabeled, h_unlabeled, l_unlabeled)] + [(labeled, h_labeled, l_labeled)] * self.graph_labeled
            terms["d/graph"] = weight * self.graph_term(views)
        return terms

    def generator_terms(self, batch: Batch) -> Terms:
        """Feature matching (Eq. 9): the real branch carries no graph, D's weights no gradient; they are made once for both branches."""
        real = batch.unlabeled_g.x
        with fixed_weights(self.discriminator):
            with torch.no_grad():
                h_real, _ = self.discriminate(real)
            h_fake, _ = self.discriminate(self.generate(len(real)))
        return {"g/matching": self.matching(process_group().means(h_real), process_group().means(h_fake))}

    def in_force(self, t: int | None = None) -> tuple:
        """The graph's weight, which G's terms do not depend on."""
        return () if t is None else (self.graph_weight_at(t),)

    def graph_weight_at(self, t: int) -> float:
        """lambda_2 w(t)."""
        return self.graph_weight * ramp_up(t, self.graph_ramp_epochs, self.graph_start_epochs)

    def graph_term(self, views: list[tuple[Examples, Tensor, Tensor]]) -> Tensor:
        """R_S over the given (view, h, logits), in an order drawn anew so that halves mix all kinds."""
        generator = self.generators["graph"]
        targets = torch.cat([self.teacher.targets(self.discriminator, view, logits, generator) for view, _, logits in views])
        h, y = torch.cat([h for _, h, _ in views]), torch.cat([view.y for view, _, _ in views])
        h, y, targets = process_group().paired(h, y, targets)
        if len(views) > 1:
            order = torch.randperm(len(h), generator=generator, device=h.device)
            h, y, targets = h[order], y[order], targets[order]
        pairs = self.pairing(len(h), generator)
        return pair_loss(h, pairs, self.graph(targets, y, *pairs), self.margin, self.distance)

    def discriminate(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(h, logits) of D, its noise from the nets' own generator."""
        return self.execution(self.discriminator, x, self.generators["noise"])

    def generate(self, n: int) -> Tensor:
        """n images of G, [n, C, H, W]."""
        return self.execution(self.generator, self.draw_z(n), None)

    def draw_z(self, n: int) -> Tensor:
        """z [n, latent], uniform in [0, 1]."""
        generator, like = self.generators["z"], next(self.generator.parameters())
        latent, form = self.generator.latent, {"device": generator.device, "dtype": like.dtype}
        return process_group().drawn(n, lambda rows: torch.rand(rows, latent, generator=generator, **form))

    def telemetry(self, batch: Batch) -> dict[str, float | Tensor]:
        """Learning rate and graph's weight of the last step, and the figures of `gan_telemetry`."""
        nets = self.discriminator, self.generator, self.teacher
        return self.settings | gan_telemetry(*nets, batch.unlabeled, self.matching, self.distance, self.margin)
