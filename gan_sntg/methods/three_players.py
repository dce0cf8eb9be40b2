"""Base of GANs of three players: a classifier C, a discriminator D of pairs, a generator G by class."""

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gan_sntg.data.dataset import Dataset
from gan_sntg.data.loader import UNLABELED, Batch, Examples, Pool
from gan_sntg.distributed import own_rows, world_size
from gan_sntg.errors import InputError
from gan_sntg.graph.sntg import SNTG
from gan_sntg.graph.teachers import Averaged, Teacher
from gan_sntg.methods.telemetry import health_telemetry
from gan_sntg.networks.batch_norm import frozen_statistics
from gan_sntg.networks.classifiers import Classifier
from gan_sntg.networks.conditional import ConditionalGenerator, PairDiscriminator
from gan_sntg.networks.ema import Average
from gan_sntg.networks.passes import drawing_from, mode
from gan_sntg.networks.weight_norm import data_dependent_init
from gan_sntg.schedules import RampedWeight, Schedule
from gan_sntg.training.cuda_graphs import Recordable
from gan_sntg.training.meter import Terms
from gan_sntg.training.method import Method
from gan_sntg.training.optim import AdamEpsilon, adam, set_learning_rate, trainable


class ThreePlayers(Recordable, Method):
    """Steps of D, G and C in turn, after a pretraining of C alone; then C's average and teacher follow.

    C is evaluated, and has SNTG on its features. A method says the terms of each player and `weights`.
    """

    purposes = ("noise", "z", "graph", "pairs")  # "pairs": the noise of D, and of C where it classifies for D
    generator: ConditionalGenerator
    pool: Pool

    def __init__(
        self,
        net: Classifier,
        discriminator: PairDiscriminator,
        generator: ConditionalGenerator,
        schedule: Schedule,
        learning_rate: float,
        game_schedule: Schedule | None = None,
        game_learning_rate: float | None = None,
        pretraining_epochs: float = 0,
        teacher: Teacher | None = None,
        sntg: SNTG | None = None,
        w: RampedWeight | None = None,
        average_decay: float = 0.99,
        adam_epsilon: AdamEpsilon = "outside_sqrt",
        generated_ratio: float = 1.0,
    ):
        """Take the networks of the three, and C's and the game's rates.

        net: C, the classifier.
        discriminator: D, of pairs of image and class.
        generator: G, which draws by class.
        schedule: of C's learning rate and betas.
        learning_rate: of C's Adam.
        game_schedule: of D's and G's; null: C's.
        game_learning_rate: of D's and G's; null: C's.
        pretraining_epochs: of C alone, before the game.
        teacher: who gives the graph its classes; null: `Averaged`.
        sntg: the graph loss R_S on C's features; null: none.
        w: w(t) of consistency and graph; null: 1.
        average_decay: of C's averaged weights, per step.
        adam_epsilon: where Adam's epsilon stands, outside or inside the root.
        generated_ratio: images of G for each unlabelled one, in each step that has any; two at least, for batch norm.
        """
        super().__init__()
        self.net, self.discriminator, self.generator = net, discriminator, generator
        self.average, self.teacher, self.sntg = Average(net, average_decay), teacher or Averaged(), sntg or SNTG()
        self.learning_rate, self.w = learning_rate, w or RampedWeight(1.0, None, False)
        game = game_schedule or schedule, (game_learning_rate or learning_rate) / learning_rate
        self.schedules = {"d": game, "g": game, "net": (schedule, 1.0)}  # with the rate relative to C's
        self.pretraining_epochs, self.generated_ratio = pretraining_epochs, generated_ratio
        betas = {name: own.at(0)[1] for name, (own, _) in self.schedules.items()}
        nets = {name: own for name, (own, _) in self.losses.items()}
        self.optimizers = {name: adam(trainable(own), learning_rate, betas[name], adam_epsilon) for name, own in nets.items()}

    @abstractmethod
    def classifier_terms(self, batch: Batch, t: int) -> Terms:
        """C's weighted terms, named `net/...`."""

    @abstractmethod
    def discriminator_terms(self, batch: Batch, t: int) -> Terms:
        """D's weighted terms, named `d/...`."""

    @abstractmethod
    def generator_terms(self, batch: Batch, t: int) -> Terms:
        """G's weighted terms, named `g/...`."""

    @abstractmethod
    def weights_at(self, t: float, share: float) -> dict[str, float]:
        """Of C's terms but L_S and R_S, the weights in epoch t; share: labels / images of the pool."""

    @property
    def classifiers(self) -> dict[str, nn.Module]:
        """C as it is, its de-biased average, and the zero-start average that the source tests with."""
        return {"last": self.net, "averaged": self.average.net, "zero_start": self.average.zero_start(self.net)}

    @property
    def losses(self) -> dict[str, tuple[nn.Module, Callable[[Batch, int], Terms]]]:
        """C's terms, D's and G's."""
        return {
            "net": (self.net, self.classifier_terms),
            "d": (self.discriminator, self.discriminator_terms),
            "g": (self.generator, self.generator_terms),
        }

    def prepare(self, data: Dataset, pool: Pool) -> None:
        """Fit C to the pool and make the teacher. Raises InputError where the graph is one of other data."""
        self.pool, self.share = pool, len(pool.labeled) / len(pool.unlabeled)
        self.net.fit(pool)
        self.teacher.start(self.net, data.num_examples, data.num_classes)
        self.sntg.prepare(data, pool)

    def check(self, batch_size: int, labeled_batch_size: int) -> None:
        """Raise InputError where SNTG cannot pair such a batch."""
        self.sntg.check(batch_size + labeled_batch_size * self.sntg.labeled)

    def check_length(self, epochs: int) -> None:
        """Raise InputError where the run ends before D and G begin."""
        if self.pretraining_epochs >= epochs:
            what = f"C alone trains for the first {self.pretraining_epochs:g} epochs, but the run has {epochs}, so that D and G never would"
            raise InputError(f"{what}; give more --epochs, or fewer --method.pretraining_epochs")

    def start(self, batch: Batch) -> None:
        """Initialise C from unlabelled images; D and G never start from data, as in the source."""
        with drawing_from(self.net, self.generators["noise"]):
            data_dependent_init(self.net, batch.view("unlabeled").x)

    def step(self, batch: Batch, t: int) -> Terms:
        """A descent of D, of G and of C, then C's average and teacher."""
        terms: Terms = {}
        self.settings = {"weight/graph": self.graph_weight_at(t)}
        for name in ("d", "g", "net") if t >= self.pretraining_epochs else ("net",):
            schedule, relative = self.schedules[name]
            factor, betas = schedule.at(t)
            self.settings["learning_rate"] = self.learning_rate * factor * relative  # the last is C's
            set_learning_rate(self.optimizers[name], self.settings["learning_rate"], betas)
            terms |= self.descend(name, batch, t)
        self.average.update(self.net)
        self.teacher.update(self.net)
        return terms

    def graph_weight_at(self, t: int) -> float:
        """w(t) lambda2, with SNTG's own ramp."""
        return self.sntg.weight_at(t, self.w.at(t, self.share))

    def graph_term(self, view: Examples, h: Tensor, logits: Tensor, t: int) -> Terms:
        """{"net/graph": w(t) lambda_2 R_S} of a view, {} at weight 0. h, logits: of all its images."""
        if not (weight := self.graph_weight_at(t)):
            return {}
        generator = self.generators["graph"]
        targets = self.teacher.targets(self.net, view, logits, generator)
        return {"net/graph": weight * self.sntg(h, targets, view.y, view.index, generator, in_order=self.sntg.labeled)}

    def graph_key(self, name: str, t: int) -> tuple:
        """The weights of C's terms."""
        return (self.graph_weight_at(t), *self.weights_at(t, self.share).values()) if name == "net" else ()

    def joined(self, batch: Batch) -> tuple[Examples, int]:
        """Labelled images, then unlabelled ones without the labels that they may have; how many are labelled."""
        labeled, unlabeled = batch.view("labeled"), self.sntg.companions(batch.view("unlabeled"), self.pool, self.generators["graph"])
        hidden = unlabeled._replace(y=torch.full_like(unlabeled.y, UNLABELED))
        return Examples(*(torch.cat(parts) for parts in zip(labeled, hidden, strict=True))), len(labeled.y)

    def classify(self, x: Tensor, purpose: str = "noise") -> tuple[Tensor, Tensor]:
        """(h, logits) of C, its noise from the generator of a purpose."""
        return self.execution(self.net, x, self.generators[purpose])

    def judge(self, x: Tensor, y: Tensor) -> Tensor:
        """D's logits [B] of the pairs of images x [B, C, H, W] and classes y [B]."""
        return self.execution(self.discriminator, (x, y), self.generators["pairs"])

    def generate(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Images of G and their classes [n], as many of each as can be."""
        n = max(2, round(self.generated_ratio * len(batch.view("unlabeled").x)))
        y = self.labels(n)
        return self.execution(self.generator, self.generator.of_classes(self.draw_z(n), y), None), y

    def labels(self, n: int) -> Tensor:
        """Classes 0, 1, ..., K - 1, 0, ... [n]; of several processes, this one's of all."""
        return own_rows(torch.arange(n * world_size(), device=next(self.generator.parameters()).device) % self.generator.num_classes)

    def draw_z(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """z [n, latent], uniform in [0, 1], from the generator "z" where none is given."""
        return self.generator.draw_z(n, generator or self.generators["z"])

    @torch.no_grad()
    def telemetry(self, batch: Batch) -> dict[str, float | Tensor]:
        """Settings of the last step, D's accuracy, G's health and classes, and the graph; fixed draws.

        C and D evaluate and G normalises by its batch of B; statistics, modes and streams stay as they were.
        """
        view, nets = batch.view("unlabeled"), nn.ModuleList([self.net, self.discriminator, self.generator])
        draws, y = torch.Generator(view.x.device).manual_seed(0), self.labels(len(view.x))
        z = self.generator.of_classes(self.draw_z(len(view.x), draws), y)
        with frozen_statistics(nets), drawing_from(nets, draws), mode(nets, False), mode(self.generator, True):
            h, logits = self.net(view.x)
            h_fake, logits_fake = self.net(fake := self.generator(z))
            real, generated = self.discriminator((view.x, logits.argmax(1))), self.discriminator((fake, y))
            targets = self.teacher.targets(self.net, view, logits, draws)
        return {
            **self.settings,
            "gan/real_accuracy": (real > 0).float().mean(),
            "gan/generated_accuracy": (generated < 0).float().mean(),
            "gan/own_class": (logits_fake.argmax(1) == y).float().mean(),
            **health_telemetry(h_fake, h, logits_fake),
            **self.sntg.telemetry(h, targets, view.y),
        }
