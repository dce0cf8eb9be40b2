"""ALI + SNTG: D classifies pairs of an image and a z, which E infers (Dumoulin et al. 2016)."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from gan_sntg.data.loader import Batch
from gan_sntg.distributed import all_mean
from gan_sntg.errors import InputError
from gan_sntg.losses import fake_loss, mean_distance, real_loss, supervised_loss
from gan_sntg.methods.base import GenerativeMethod
from gan_sntg.networks.batch_norm import frozen_statistics
from gan_sntg.networks.gan import Generator
from gan_sntg.networks.inference import InferenceEncoder, InferringClassifier, JointDiscriminator
from gan_sntg.networks.passes import mode
from gan_sntg.networks.weight_norm import fixed_weights
from gan_sntg.training.meter import Terms
from gan_sntg.training.optim import trainable


class ALI(GenerativeMethod):
    """FM-GAN's terms for D, of pairs (x, E(x)) and (G(z), z); G and E exchange the roles of the two.

    The classifier is x -> D(x, E(x)), z sampled in training, its median in evaluation; it is what is averaged, and the graph is on its h.
    No semi-supervised code was published: assumptions are D's step before that of G and E, their loss, and that labels do not move E.
    """

    discriminator: InferringClassifier

    def __init__(
        self,
        discriminator: JointDiscriminator,
        encoder: InferenceEncoder,
        generator: Generator,
        generator_loss: Literal["adversarial", "matching"] = "adversarial",
        encoder_labeled_weight: float = 0.0,
        **kwargs,
    ):
        """Take three networks, and the loss of G and E.

        discriminator: D, of pairs of image and z.
        encoder: E, which infers z.
        generator: G.
        generator_loss: adversarial, or matching of mean features of both kinds of pairs.
        encoder_labeled_weight: of the labels' term for E.

        Raises InputError where it is negative, or z differ in size.
        """
        super().__init__(discriminator=InferringClassifier(discriminator, encoder), generator=generator, **kwargs)
        if encoder.latent != generator.latent:
            raise InputError(f"the encoder's latent is {encoder.latent}, the generator's {generator.latent}; give them the same")
        if not 0 <= encoder_labeled_weight < float("inf"):
            raise InputError(f"encoder_labeled_weight is {encoder_labeled_weight:g}; give a finite number of 0 or more")
        self.generator_loss, self.encoder_labeled_weight = generator_loss, encoder_labeled_weight
        self.optimizers["d"].param_groups[0]["params"] = trainable(discriminator)  # E is G's optimizer's
        self.optimizers["g"].add_param_group({"params": trainable(encoder)})

    @property
    def networks(self) -> dict[str, nn.Module]:
        """D and E each by itself, in place of the classifier that holds both."""
        return super().networks | {"discriminator": self.discriminator.pairs, "encoder": self.discriminator.encoder}

    @property
    def losses(self) -> dict[str, tuple[nn.Module, Callable[[Batch, int], Terms]]]:
        """D's terms, then those of G and E."""
        both = nn.ModuleList([self.generator, self.discriminator.encoder])
        return {"d": (self.discriminator.pairs, self.discriminator_terms), "g": (both, self.generator_terms)}

    def weights(self) -> dict[str, float]:
        """All are 1 but the graph's and that of E's labels."""
        exchanged = ("g/inferred", "g/generated") if self.generator_loss == "adversarial" else ("g/matching",)
        ones = dict.fromkeys(("d/labeled", "d/unlabeled", "d/generated", *exchanged), 1)
        return ones | {"d/graph": self.sntg.weight, "g/labeled": self.encoder_labeled_weight}

    def infer(self, x: Tensor) -> Tensor:
        """E's z [B, latent] of images, sampled in training."""
        return self.execution(self.discriminator.encoder, x, self.generators["noise"])

    def judge(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """(h, logits) of D for pairs, its noise from the nets' own generator."""
        return self.execution(self.discriminator.pairs, (x, z), self.generators["noise"])

    def discriminator_terms(self, batch: Batch, t: int) -> Terms:
        """FM-GAN's terms of pairs and the weighted R_S, from one pass; E and G are constants."""
        labeled = batch.view("labeled")
        unlabeled = self.sntg.companions(batch.view("unlabeled"), self.pool, self.generators["graph"])
        real, sizes = torch.cat([labeled.x, unlabeled.x]), [len(labeled.x), *[len(unlabeled.x)] * 2]
        with frozen_statistics(self.discriminator):
            with torch.no_grad():
                z = self.draw_z(len(unlabeled.x))
                pairs = torch.cat([real, self.execution(self.generator, z, None)]), torch.cat([self.infer(real), z])
            (h_labeled, h_unlabeled, _), (l_labeled, l_unlabeled, l_fake) = (part.split(sizes) for part in self.judge(*pairs))
            graph = self.graph_term([(unlabeled, h_unlabeled, l_unlabeled), (labeled, h_labeled, l_labeled)], t)
        terms = {"d/labeled": supervised_loss(l_labeled, labeled.y), "d/unlabeled": real_loss(l_unlabeled)}
        return terms | {"d/generated": fake_loss(l_fake)} | graph

    def generator_terms(self, batch: Batch, t: int) -> Terms:
        """softplus(Z(x, E(x))) + softplus(-Z(G(z), z)), batch means, or the matching; D is a constant."""
        x, labeled = batch.view("unlabeled_g").x, batch.view("labeled")
        fake, inferred = self.execution(self.generator, z := self.draw_z(len(x)), None), self.infer(x)
        with fixed_weights(self.discriminator.pairs), frozen_statistics(self.discriminator):
            (h, h_fake), (logits, logits_fake) = (part.chunk(2) for part in self.judge(torch.cat([x, fake]), torch.cat([inferred, z])))
            if self.generator_loss == "adversarial":
                terms: Terms = {"g/inferred": 2 * fake_loss(logits), "g/generated": 2 * real_loss(logits_fake)}
            else:
                terms = {"g/matching": mean_distance(*(all_mean(part.mean(0, keepdim=True)) for part in (h, h_fake)))}
            if weight := self.encoder_labeled_weight:
                terms["g/labeled"] = weight * supervised_loss(self.judge(labeled.x, self.infer(labeled.x))[1], labeled.y)
        return terms

    def judge_generated(self, fake: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """D of the pairs (G(z), z)."""
        return self.discriminator.pairs((fake, z))

    @torch.no_grad()
    def telemetry(self, batch: Batch) -> dict[str, float | Tensor]:
        """As any GAN's, and how far D's logits move with another image's z, and the error of G(E(x))."""
        x, nets = batch.view("unlabeled").x, nn.ModuleList([self.discriminator, self.generator])
        with frozen_statistics(nets), mode(self.discriminator, False), mode(self.generator, True):
            z = self.discriminator.encoder(x)
            logits, moved = (self.discriminator.pairs((x, own))[1] for own in (z, z.roll(1, 0)))
            own = {"gan/effect_of_z": (logits - moved).abs().mean(), "gan/reconstruction": (self.generator(z) - x).square().mean()}
        return super().telemetry(batch) | own
