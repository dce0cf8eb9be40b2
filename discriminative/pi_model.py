"""The Pi model: f~ is a second pass of the student under its own noise (Sec. 3.1; Laine and Aila)."""

from typing import Literal

from torch import Tensor

from discriminative.objective import Objective
from gan_sntg.data.loader import Examples
from gan_sntg.networks.batch_norm import frozen_statistics

Gradient = Literal["both", "student"]  # of R_C: into both passes, as in the authors' code, or the target a constant


class PiModel(Objective):
    """theta' = theta: mirrored alike, translated and disturbed anew, without moving statistics."""

    def __init__(self, gradient: Gradient = "both", **kwargs):
        """gradient: whom R_C moves: both passes, or the student's alone."""
        super().__init__(**kwargs)
        self.gradient = gradient

    def targets(self, view: Examples, logits: Tensor) -> Tensor:
        """softmax of the second pass (reference 1.3)."""
        with frozen_statistics(self.net):
            targets = self.predict(self.translated(view.x))[1].softmax(1)
        return targets if self.gradient == "both" else targets.detach()
