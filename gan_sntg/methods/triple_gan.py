"""Triple-GAN + SNTG: C learns from a D of pairs, and from a G of images of a class (Li et al. 2017)."""

import math
from typing import Literal

import torch
from torch import Tensor

from gan_sntg.data.loader import Batch, Examples
from gan_sntg.distributed import all_mean
from gan_sntg.errors import InputError
from gan_sntg.losses import entropy, false_pair_loss, pair_cost, squared_error, supervised_loss, true_pair_loss, uniform_cross_entropy
from gan_sntg.methods.three_players import ThreePlayers
from gan_sntg.networks.batch_norm import frozen_statistics
from gan_sntg.networks.weight_norm import fixed_weights
from gan_sntg.training.meter import Terms

Tried = Literal["argmax", "integrated"]  # the classes of x that C tries on D: its own, as in the source's runs, or all of them


class TripleGAN(ThreePlayers):
    """D tells true pairs of image and class from those of G and of C; C is taught by D and G's images.

    L_D = BCE(1; labelled, C's) + 1/2 BCE(0; G's) + 1/2 BCE(0; C's), L_G = 1/2 BCE(1; G's), L_C = CE + w(t) [R_C + R_S] + entropy +
    balance + alpha_adv 1/2 sum_k p_k BCE(1; x, k) + alpha_G CE of G's images. C's pairs are those of a training-mode argmax, as in the
    source. Unlike there, C's labelled and unlabelled images pass together, as in the Pi model of two streams: which C is, bit for bit,
    where alpha_adv and alpha_G are 0 (without R_C: C alone), for D and G draw numbers of their own and leave C's statistics.
    """

    def __init__(
        self,
        labeled_share: float = 0.2,
        adversarial_weight: float = 0.0,
        tried: Tried = "argmax",
        generated_weight: float = 0.0,
        generated_start_epochs: float = 0,
        consistency_weight: float = 0.0,
        entropy_weight: float = 0.0,
        balance_weight: float = 0.0,
        **kwargs,
    ):
        """Take the weights of C's terms.

        labeled_share: labelled pairs among true ones.
        adversarial_weight: alpha_adv, of what D thinks of C's classes.
        tried: classes of an image of which C asks D; D itself is given C's likeliest class (source: there too all, with "integrated").
        generated_weight: alpha_G, of the classes of G's images.
        generated_start_epochs: when G's images begin to teach C.
        consistency_weight: of R_C.
        entropy_weight: of C's entropy.
        balance_weight: of CE(uniform, mean p), in pretraining by the entropy's weight.

        Raises InputError.
        """
        super().__init__(**kwargs)
        if not 0 < labeled_share < 1:
            raise InputError(f"labeled_share is {labeled_share:g}; give the share of labelled pairs among D's true ones, between 0 and 1")
        self.labeled_share, self.tried, self.generated_start_epochs = labeled_share, tried, generated_start_epochs
        self.adversarial_weight, self.generated_weight, self.consistency_weight = adversarial_weight, generated_weight, consistency_weight
        self.entropy_weight, self.balance_weight = entropy_weight, balance_weight

    def weights(self) -> dict[str, float]:
        """At the end of all ramps, w(t) without the factor of the labels."""
        d = {"d/labeled": self.labeled_share, "d/pseudo": 1 - self.labeled_share, "d/generated": 0.5, "d/classified": 0.5}
        fixed = {"g/adversarial": 0.5, "net/labeled": 1.0, "net/graph": self.w.max_weight * self.sntg.weight}
        return d | fixed | self.weights_at(math.inf, 1.0)

    def weights_at(self, t: float, share: float) -> dict[str, float]:
        """Of C's terms but L_S and R_S, the weights in epoch t; share: labels / images of the pool."""
        taught = t >= self.pretraining_epochs
        return {
            "net/consistency": self.w.at(t, share) * self.consistency_weight,
            "net/entropy": self.entropy_weight,
            "net/balance": self.balance_weight if taught else self.entropy_weight,
            "net/adversarial": self.adversarial_weight * taught,
            "net/generated": self.generated_weight * (taught and t >= self.generated_start_epochs),
        }

    def discriminator_terms(self, batch: Batch, t: int) -> Terms:
        """L_D; images of G and classes by C are constants."""
        labeled, unlabeled, others = (batch.view(name) for name in self.views)
        with torch.no_grad(), frozen_statistics(self.net):
            fake, y = self.generate(batch)
            pseudo = self.classify(torch.cat([others.x, unlabeled.x]), "pairs")[1].argmax(1)
        x, sizes = torch.cat([labeled.x, others.x, unlabeled.x, fake]), [len(labeled.x), len(others.x), len(unlabeled.x), len(fake)]
        s_labeled, s_pseudo, s_classified, s_fake = self.judge(x, torch.cat([labeled.y, pseudo, y])).split(sizes)
        return {
            "d/labeled": self.labeled_share * true_pair_loss(s_labeled),
            "d/pseudo": (1 - self.labeled_share) * true_pair_loss(s_pseudo),
            "d/generated": 0.5 * false_pair_loss(s_fake),
            "d/classified": 0.5 * false_pair_loss(s_classified),
        }

    def generator_terms(self, batch: Batch, t: int) -> Terms:
        """L_G of fresh images."""
        with fixed_weights(self.discriminator):
            return {"g/adversarial": 0.5 * true_pair_loss(self.judge(*self.generate(batch)))}

    def classifier_terms(self, batch: Batch, t: int) -> Terms:
        """L_C; a term of weight 0 is left out. Its first pass alone moves running statistics."""
        view, n = self.joined(batch)
        h, logits = self.classify(view.x)
        with frozen_statistics(self.net):
            second = self.classify(view.x)[1] if self.consistency_weight else logits
            found = {
                "net/consistency": lambda: squared_error(second[n:].softmax(1), logits[n:]),
                "net/entropy": lambda: entropy(logits[n:]),
                "net/balance": lambda: uniform_cross_entropy(all_mean(logits[n:].softmax(1).mean(0))),
                "net/adversarial": lambda: self.adversarial(view.x[n:], logits[n:]),
                "net/generated": lambda: self.generated(batch),
            }
            terms = {"net/labeled": supervised_loss(logits, view.y) / (n / len(view.y))}
            terms |= {name: weight * found[name]() for name, weight in self.weights_at(t, self.share).items() if weight}
            rows = slice(0 if self.sntg.labeled else n, None)
            return terms | self.graph_term(Examples(*(part[rows] for part in view)), h[rows], second[rows], t)

    def adversarial(self, x: Tensor, logits: Tensor) -> Tensor:
        """1/2 sum_k p_k BCE(1; x, k) over the classes tried, D a constant. x [B, C, H, W], logits [B, K]."""
        every = torch.arange(logits.shape[1], device=x.device).expand_as(logits)
        y = logits.argmax(1, keepdim=True) if self.tried == "argmax" else every
        with torch.no_grad():
            scores = self.judge(x.repeat_interleave(y.shape[1], 0), y.flatten())
        return 0.5 * pair_cost(logits, y, scores.view(y.shape))

    def generated(self, batch: Batch) -> Tensor:
        """CE of C on images of G, which are constants."""
        with torch.no_grad():
            x, y = self.generate(batch)
        return supervised_loss(self.classify(x)[1], y)
