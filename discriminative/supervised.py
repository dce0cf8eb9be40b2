"""Labels alone: the baseline that every method must beat; with a graph, L_S + R_S."""

from torch import Tensor

from discriminative.objective import Objective
from gan_sntg.data.dataset import Dataset
from gan_sntg.data.loader import Examples, Pool
from gan_sntg.errors import InputError


class Supervised(Objective):
    """Cross-entropy on the labels; f~ is the student's own prediction, so there is no consistency.

    Without a graph, only labelled images are drawn from `stream: two`.
    """

    def prepare(self, data: Dataset, pool: Pool) -> None:
        """Raise InputError where a consistency weight is set: its term would be 0."""
        super().prepare(data, pool)
        if self.consistency_weight:
            raise InputError(f"Supervised has no consistency term, but consistency_weight is {self.consistency_weight}; set it to 0")

    @property
    def views(self) -> tuple[str, ...]:
        """The fields of a batch that it asks for."""
        if self.stream == "mixed":
            return ("unlabeled",)
        return ("labeled", "unlabeled") if self.sntg.weight else ("labeled",)

    def targets(self, view: Examples, logits: Tensor) -> Tensor:
        """softmax of the student's own logits, without gradient."""
        return logits.detach().softmax(1)
