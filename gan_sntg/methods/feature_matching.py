"""FM-GAN + SNTG: the feature-matching Improved GAN with the graph on D's features (reference 5, 6)."""

import torch
from torch import Tensor

from gan_sntg.data.loader import Batch
from gan_sntg.distributed import all_mean
from gan_sntg.losses import Matching, fake_loss, real_loss, supervised_loss
from gan_sntg.methods.base import GenerativeMethod
from gan_sntg.networks.weight_norm import fixed_weights
from gan_sntg.training.meter import Terms


class FeatureMatchingGAN(GenerativeMethod):
    """Improved GAN: D tells K classes and real from generated; G matches mean real features (Eq. 9)."""

    def __init__(self, matching: Matching = Matching.squared, **kwargs):
        """matching: G's loss, squared (Eq. 9) or absolute difference of mean features."""
        super().__init__(**kwargs)
        self.matching = matching

    def weights(self) -> dict[str, float]:
        """Those of the GAN are 1."""
        return {"d/labeled": 1, "d/unlabeled": 1, "d/generated": 1, "d/graph": self.sntg.weight, "g/matching": 1}

    def discriminator_terms(self, batch: Batch, t: int) -> Terms:
        """L_lab + L_unl (reference 5) and the weighted R_S, from one pass over all three kinds of images."""
        labeled = batch.view("labeled")
        unlabeled = self.sntg.companions(batch.view("unlabeled"), self.pool, self.generators["graph"])
        with torch.no_grad():
            fake = self.generate(len(unlabeled.x))
        sizes = [len(labeled.x), len(unlabeled.x), len(fake)]
        h, logits = self.discriminate(torch.cat([labeled.x, unlabeled.x, fake]))
        h_labeled, h_unlabeled, _ = h.split(sizes)
        l_labeled, l_unlabeled, l_fake = logits.split(sizes)
        return {
            "d/labeled": supervised_loss(l_labeled, labeled.y),
            "d/unlabeled": real_loss(l_unlabeled),
            "d/generated": fake_loss(l_fake),
            **self.unlabeled_terms(l_unlabeled),
            **self.graph_term([(unlabeled, h_unlabeled, l_unlabeled), (labeled, h_labeled, l_labeled)], t),
        }

    def generator_terms(self, batch: Batch, t: int) -> Terms:
        """Feature matching (Eq. 9); no gradient into the real branch or D's weights, made once for both."""
        real = batch.view("unlabeled_g").x
        with fixed_weights(self.discriminator):
            with torch.no_grad():
                h_real, _ = self.discriminate(real)
            z = self.draw_z(len(real))
            h_fake, _ = self.discriminate(fake := self.execution(self.generator, z, None))
        matching = self.matching(*(all_mean(h.mean(0, keepdim=True)) for h in (h_real, h_fake)))
        return {"g/matching": matching, **self.generated_terms(z, fake, h_fake, t)}

    def unlabeled_terms(self, logits: Tensor) -> Terms:
        """Further weighted terms of D; logits [B, K]: of its pass over unlabelled images."""
        return {}

    def generated_terms(self, z: Tensor, fake: Tensor, h: Tensor, t: int) -> Terms:
        """Further weighted terms of G, with gradient into it.

        z [B, latent], fake: images of G from it, h [B, D]: D's features of them.
        """
        return {}
