"""CT-GAN + SNTG: FM-GAN whose D agrees with itself over two passes of its noise (Wei et al. 2018)."""

from torch import Tensor

from gan_sntg.data.loader import Examples
from gan_sntg.errors import InputError
from gan_sntg.losses import squared_error
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.training.meter import Terms


class CTGAN(FeatureMatchingGAN):
    """FM-GAN, and a consistency of D's predictions and features over two passes with noise of their own.

    weight (mean (p - p')^2 + feature_weight mean (h - h')^2), over unlabelled images, classes or features, with gradient through both
    passes. Weight 0 is FM-GAN, bit for bit: no second pass is made. Defaults are the source's for CIFAR-10; for MNIST it has weight 0.05,
    and feature_weight 0.
    """

    def __init__(self, consistency_weight: float = 0.5, feature_weight: float = 0.1, **kwargs):
        """consistency_weight: of both parts; feature_weight: of the features' part beside the classes'.

        Raises InputError below 0.
        """
        super().__init__(**kwargs)
        if not (0 <= consistency_weight < float("inf") and 0 <= feature_weight < float("inf")):
            given = f"consistency_weight {consistency_weight:g} and feature_weight {feature_weight:g}"
            raise InputError(f"CT-GAN cannot have {given}; give finite numbers of 0 or more")
        self.consistency_weight, self.feature_weight = consistency_weight, feature_weight

    def weights(self) -> dict[str, float]:
        """FM-GAN's, and that of the consistency."""
        return super().weights() | {"d/consistency": self.consistency_weight}

    def graph_term(self, views: list[tuple], t: int) -> Terms:
        """The consistency, and R_S of the first pass's h, whose teacher is given the second pass.

        So the teacher `SamePass` is a second pass that costs nothing. views: (examples, h, logits), unlabelled first.
        """
        if not self.consistency_weight:
            return super().graph_term(views, t)
        (unlabeled, h, logits), *others = views
        second, term = self.consistency(unlabeled, h, logits)
        return term | super().graph_term([second, *others], t)

    def consistency(self, view: Examples, h: Tensor, logits: Tensor) -> tuple[tuple[Examples, Tensor, Tensor], Terms]:
        """The view with h of the first pass and logits of a second one, and the term of both."""
        h_second, logits_second = self.discriminate(view.x)
        gap = squared_error(logits_second.softmax(1), logits) + self.feature_weight * (h - h_second).square().mean()
        return (view, h, logits_second), {"d/consistency": self.consistency_weight * gap}
