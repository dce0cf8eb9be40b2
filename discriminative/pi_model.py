"""The Pi model: f~ is a second pass of the student under its own noise (Sec. 3.1; Laine and Aila)."""

from enum import Enum

from torch import Tensor

from discriminative.objective import Objective
from gan_sntg.data.loader import Examples
from gan_sntg.networks.batch_norm import frozen_statistics


class Gradient(Enum):
    """Of R_C: into `both` passes, as in the authors' code, or into the `student` alone, the target a constant."""

    both = "both"
    student = "student"


class PiModel(Objective):
    """theta' = theta: mirrored alike, translated and disturbed anew; running statistics follow the first pass alone."""

    def __init__(self, gradient: Gradient = Gradient.both, **kwargs):
        """gradient: where R_C's goes."""
        super().__init__(**kwargs)
        self.gradient = gradient

    def targets(self, view: Examples, logits: Tensor) -> Tensor:
        """softmax of the second pass (reference 1.3)."""
        with frozen_statistics(self.net):
            targets = self.predict(self.translated(view.x))[1].softmax(1)
        return targets if self.gradient is Gradient.both else targets.detach()
