"""Base of generative methods: D with K logits, G, averages, teacher and SNTG."""

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gan_sntg.data.dataset import Dataset
from gan_sntg.data.loader import Batch, Pool
from gan_sntg.graph.sntg import SNTG
from gan_sntg.graph.teachers import Averaged, Teacher
from gan_sntg.losses import matching_squared
from gan_sntg.methods.telemetry import health_telemetry
from gan_sntg.networks.batch_norm import frozen_statistics
from gan_sntg.networks.ema import Average
from gan_sntg.networks.gan import Discriminator, Generator
from gan_sntg.networks.passes import drawing_from, mode
from gan_sntg.networks.weight_norm import data_dependent_init, starts_from_data
from gan_sntg.schedules import linear_tail
from gan_sntg.training.cuda_graphs import Recordable
from gan_sntg.training.meter import Terms
from gan_sntg.training.method import Method
from gan_sntg.training.optim import AdamEpsilon, adam, set_learning_rate, trainable


class GenerativeMethod(Recordable, Method):
    """A GAN that classifies: D's step with SNTG on its features, the averages, G's step (reference 5, 6).

    A method says `discriminator_terms`, `generator_terms` and `weights`; `graph_term` gives R_S, by draws of a generator of its own.
    """

    purposes = ("noise", "z", "graph")
    matching: Callable[[Tensor, Tensor], Tensor] = staticmethod(matching_squared)  # of mean features, watched in every GAN
    generator: Generator
    pool: Pool

    def __init__(
        self,
        discriminator: Discriminator,
        generator: Generator,
        teacher: Teacher | None = None,
        sntg: SNTG | None = None,
        learning_rate: float = 3e-3,
        decay_epochs: float | None = None,
        beta1: float = 0.5,
        average_decay: float = 0.9999,
        beta2: float = 0.999,
        adam_epsilon: AdamEpsilon = "inside_sqrt",
        generator_learning_rate: float | None = None,
        generator_beta1: float | None = None,
        least_learning_rate: float = 0.0,
    ):
        """Take the networks, the graph, and the options of both optimizers.

        discriminator: D, the classifier.
        generator: G.
        teacher: who gives the graph its classes; null: `Averaged`.
        sntg: the graph loss R_S on D's features; null: none.
        learning_rate: of D's Adam.
        decay_epochs: when the rates have fallen to 0, by `linear_tail`; null: they stay.
        beta1, beta2: of Adam.
        average_decay: of D's averaged weights, per step.
        adam_epsilon: where Adam's epsilon stands, outside or inside the root.
        generator_learning_rate: of G's Adam; null: D's.
        generator_beta1: of G's Adam; null: D's.
        least_learning_rate: below which neither rate decays.
        """
        super().__init__()
        self.discriminator, self.generator = discriminator, generator
        self.teacher, self.sntg = teacher or Averaged(), sntg or SNTG()
        self.average = Average(discriminator, average_decay)
        self.learning_rate, self.decay_epochs, self.least_learning_rate = learning_rate, decay_epochs, least_learning_rate
        self.relative_rates = {"d": 1.0, "g": 1.0 if generator_learning_rate is None else generator_learning_rate / learning_rate}
        beta1s = {"d": beta1, "g": beta1 if generator_beta1 is None else generator_beta1}
        nets = {"d": discriminator, "g": generator}
        self.optimizers = {name: adam(trainable(net), learning_rate, (beta1s[name], beta2), adam_epsilon) for name, net in nets.items()}

    @abstractmethod
    def discriminator_terms(self, batch: Batch, t: int) -> Terms:
        """D's weighted terms, named `d/...`."""

    @abstractmethod
    def generator_terms(self, batch: Batch, t: int) -> Terms:
        """G's weighted terms, named `g/...`."""

    @property
    def classifiers(self) -> dict[str, nn.Module]:
        """D as it is, its de-biased average, and the zero-start average that the source tests with."""
        return {"last": self.discriminator, "averaged": self.average.net, "zero_start": self.average.zero_start(self.discriminator)}

    @property
    def losses(self) -> dict[str, tuple[nn.Module, Callable[[Batch, int], Terms]]]:
        """D's terms, then G's."""
        return {"d": (self.discriminator, self.discriminator_terms), "g": (self.generator, self.generator_terms)}

    def prepare(self, data: Dataset, pool: Pool) -> None:
        """Fit D to the pool and make the teacher. Raises InputError where the graph is one of other data."""
        self.pool = pool
        self.discriminator.fit(pool)
        self.teacher.start(self.discriminator, data.num_examples, data.num_classes)
        self.sntg.prepare(data, pool)

    def check(self, batch_size: int, labeled_batch_size: int) -> None:
        """Raise InputError where SNTG cannot pair such a batch."""
        self.sntg.check(batch_size + labeled_batch_size * self.sntg.labeled)

    def start(self, batch: Batch) -> None:
        """Initialise D from unlabelled images, and G from z where it asks for it (reference 5)."""
        x = batch.view("unlabeled").x
        with drawing_from(self.discriminator, self.generators["noise"]):
            data_dependent_init(self.discriminator, x)
        if starts_from_data(self.generator):  # no z is drawn otherwise: the dense pair's z stay as they were
            data_dependent_init(self.generator, self.draw_z(len(x)))

    def step(self, batch: Batch, t: int) -> Terms:
        """D's step, the averages, then G's step on the independent unlabelled batch."""
        rates = self.learning_rates(t)
        for name, optimizer in self.optimizers.items():
            set_learning_rate(optimizer, rates[name])
        self.settings = {"learning_rate": rates["d"], "weight/graph": self.sntg.weight_at(t)}
        terms = self.descend("d", batch, t)
        self.average.update(self.discriminator)
        self.teacher.update(self.discriminator)
        return terms | self.descend("g", batch, t)

    def learning_rates(self, t: int) -> dict[str, float]:
        """The rate of each optimizer in epoch t: its own base rate, and the factor that all share."""
        factor = self.learning_rate * linear_tail(t, self.decay_epochs)
        return {name: max(factor * relative, self.least_learning_rate) for name, relative in self.relative_rates.items()}

    def graph_term(self, views: list[tuple], t: int) -> Terms:
        """{"d/graph": lambda_2 w(t) R_S}, {} at weight 0. views: (examples, h, logits), unlabelled first."""
        weight, generator = self.sntg.weight_at(t), self.generators["graph"]
        if not weight:
            return {}
        views = views[: 1 + self.sntg.labeled]
        targets = torch.cat([self.teacher.targets(self.discriminator, view, logits, generator) for view, _, logits in views])
        h = torch.cat([self.sntg.embed(h, logits) for _, h, logits in views])
        y, index = (torch.cat([getattr(view, name) for view, _, _ in views]) for name in ("y", "index"))
        return {"d/graph": weight * self.sntg(h, targets, y, index, generator, in_order=len(views) > 1)}

    def graph_key(self, name: str, t: int) -> tuple:
        """The graph's weight, which G's terms do not depend on."""
        return (self.sntg.weight_at(t),) if name == "d" else ()

    def discriminate(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(h, logits) of D, its noise from the nets' own generator."""
        return self.execution(self.discriminator, x, self.generators["noise"])

    def generate(self, n: int) -> Tensor:
        """n images of G, [n, C, H, W]."""
        return self.execution(self.generator, self.draw_z(n), None)

    def draw_z(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """z [n, latent], uniform in [0, 1], from the generator "z" where none is given."""
        return self.generator.draw_z(n, generator or self.generators["z"])

    def judge_generated(self, fake: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """(h, logits) of D, in the mode that it is in, for G's images [B, C, H, W] of z [B, latent]."""
        return self.discriminator(fake)

    @torch.no_grad()
    def telemetry(self, batch: Batch) -> dict[str, float | Tensor]:
        """Settings of the last step, D's accuracy, matching gap, G's health and the graph; fixed draws.

        D evaluates and G normalises by its batch of B; statistics, modes and streams stay as they were.
        """
        view, nets = batch.view("unlabeled"), nn.ModuleList([self.discriminator, self.generator])
        draws = torch.Generator(view.x.device).manual_seed(0)
        z = self.draw_z(len(view.x), draws)
        with frozen_statistics(nets), drawing_from(nets, draws), mode(self.discriminator, False), mode(self.generator, True):
            h, logits = self.discriminator(view.x)
            h_fake, logits_fake = self.judge_generated(fake := self.generator(z), z)
            targets = self.teacher.targets(self.discriminator, view, logits, draws)
        return {
            **self.settings,
            "gan/real_accuracy": (torch.logsumexp(logits, 1) > 0).float().mean(),
            "gan/generated_accuracy": (torch.logsumexp(logits_fake, 1) < 0).float().mean(),
            "gan/matching_gap": self.matching(h, h_fake),
            **health_telemetry(h_fake, h, logits_fake),
            **self.generated_telemetry(fake),
            **self.sntg.telemetry(self.sntg.embed(h, logits), targets, view.y),
        }

    def generated_telemetry(self, fake: Tensor) -> dict[str, Tensor]:
        """Further figures of G's images [B, C, H, W], which leave the run as it was."""
        return {}
