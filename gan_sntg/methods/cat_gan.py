"""CatGAN + SNTG: D is sure of real images, unsure of generated ones, and uses all classes alike."""

from typing import Literal

import torch
from torch import Tensor

from gan_sntg.data.dataset import Dataset
from gan_sntg.data.loader import Batch, Pool
from gan_sntg.distributed import all_mean
from gan_sntg.errors import InputError
from gan_sntg.losses import entropy, marginal_entropy, prior_cross_entropy, supervised_loss
from gan_sntg.methods.base import GenerativeMethod
from gan_sntg.networks.batch_norm import frozen_statistics
from gan_sntg.networks.weight_norm import fixed_weights
from gan_sntg.training.meter import Terms

ClassPrior = Literal["uniform", "labels"]
OF_A_FAKE_CLASS = "gan/real_accuracy", "gan/generated_accuracy"


class CatGAN(GenerativeMethod):
    """L_D = -H[p(x)] + H(x) - H(G(z)) + lambda CE, L_G = -H[p(G(z))] + H(G(z)) (Springenberg 2015).

    H[p]: entropy of the batch's mean prediction; H: mean entropy of its predictions, of K classes, none of them for generated images.
    Each kind of image has a pass of its own, for D may have batch norm; only the unlabelled pass moves running statistics. The paper
    says neither lambda nor the optimizer: assumptions are labeled_weight 1 and the base's Adam.
    """

    views = ("labeled", "unlabeled")
    prior: Tensor

    def __init__(self, labeled_weight: float = 1.0, class_prior: ClassPrior = "uniform", **kwargs):
        """labeled_weight: lambda, at 0 of which there is no labelled pass, nor labelled images in the graph.

        class_prior: `uniform` for the paper's -H[p]; `labels` for the cross-entropy of p with the labels' shares, where classes are
        not equally frequent. Raises InputError for a negative weight.
        """
        super().__init__(**kwargs)
        if not 0 <= labeled_weight < float("inf"):
            raise InputError(f"labeled_weight is {labeled_weight:g}; give CatGAN's lambda, 0 or more")
        self.labeled_weight, self.class_prior = labeled_weight, class_prior

    def weights(self) -> dict[str, float]:
        """All are 1 but lambda and the graph's."""
        ones = dict.fromkeys(("d/marginal", "d/unlabeled", "d/generated", "g/marginal", "g/generated"), 1)
        return ones | {"d/labeled": self.labeled_weight, "d/graph": self.sntg.weight}

    def prepare(self, data: Dataset, pool: Pool) -> None:
        """Find the labels' shares too. Raises InputError where they are asked for and a class has no label."""
        super().prepare(data, pool)
        counts = torch.bincount(pool.y[pool.labeled], minlength=data.num_classes)
        if self.class_prior == "labels" and not counts.all():
            raise InputError(f"class_prior is labels, but of {data.num_classes} classes {int((counts == 0).sum())} have none; give uniform")
        shares = counts.to(next(self.discriminator.parameters()))
        self.register_buffer("prior", shares / shares.sum())

    def discriminator_terms(self, batch: Batch, t: int) -> Terms:
        """L_D and the weighted R_S of the unlabelled images; generated images are constants."""
        unlabeled = self.sntg.companions(batch.view("unlabeled"), self.pool, self.generators["graph"])
        with torch.no_grad():
            fake = self.generate(len(unlabeled.x))
        h, logits = self.discriminate(unlabeled.x)
        terms, views = {"d/marginal": self.marginal(logits), "d/unlabeled": entropy(logits)}, [(unlabeled, h, logits)]
        with frozen_statistics(self.discriminator):
            terms["d/generated"] = -entropy(self.discriminate(fake)[1])
            if self.labeled_weight:
                labeled = batch.view("labeled")
                views.append((labeled, *self.discriminate(labeled.x)))
                terms["d/labeled"] = self.labeled_weight * supervised_loss(views[1][2], labeled.y)
            return terms | self.graph_term(views, t)

    def generator_terms(self, batch: Batch, t: int) -> Terms:
        """L_G of fresh images, which D normalises by their own statistics and forgets."""
        with fixed_weights(self.discriminator), frozen_statistics(self.discriminator):
            _, logits = self.discriminate(self.generate(len(batch.view("unlabeled").x)))
        return {"g/marginal": self.marginal(logits), "g/generated": entropy(logits)}

    def marginal(self, logits: Tensor) -> Tensor:
        """Term that is least where the mean prediction, over all ranks, is the prior. [B, K] -> scalar."""
        p = all_mean(logits.softmax(1).mean(0))
        return -marginal_entropy(p) if self.class_prior == "uniform" else prior_cross_entropy(self.prior, p)

    def telemetry(self, batch: Batch) -> dict[str, float | Tensor]:
        """As any GAN's, but for what only a D with a fake class can tell: real images from generated ones."""
        return {name: value for name, value in super().telemetry(batch).items() if name not in OF_A_FAKE_CLASS}
