"""FM-GAN with another loss of G: the squared distance of logits' means beside that of features'."""

from gan_sntg.data import Batch
from gan_sntg.distributed import all_mean
from gan_sntg.methods import FeatureMatchingGAN
from gan_sntg.training import Terms


class MeanMatchingGAN(FeatureMatchingGAN):
    """G matches mean logits too, with weight `logits_weight`."""

    def __init__(self, logits_weight: float = 0.5, **kwargs):
        super().__init__(**kwargs)
        self.logits_weight = logits_weight

    def weights(self) -> dict[str, float]:
        return super().weights() | {"g/logits": self.logits_weight}

    def generator_terms(self, batch: Batch, t: int) -> Terms:
        real = batch.unlabeled_g.x
        h_real, logits_real = (found.detach() for found in self.discriminate(real))
        h_fake, logits_fake = self.discriminate(self.generate(len(real)))
        means = [all_mean(values.mean(0)) for values in (h_real, h_fake, logits_real, logits_fake)]
        return {
            "g/matching": (means[0] - means[1]).square().mean(),
            "g/logits": self.logits_weight * (means[2] - means[3]).square().mean(),
        }
