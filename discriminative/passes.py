"""What does a step of the discriminative family look at? How its images are drawn, and what its forward passes give."""

from enum import Enum
from typing import NamedTuple

from torch import Tensor

from gan_sntg.core.data.streams import View


class Stream(Enum):
    """`mixed`: one batch of the pool, labels where known (Pi, TempEns); `two`: labelled images, then others whose labels are hidden."""

    mixed = "mixed"
    two = "two"


class Divisor(Enum):
    """Of L_S: `batch`, all images of its pass, as in the authors' code (Alg. 1), or `labeled`, those with a label."""

    batch = "batch"
    labeled = "labeled"


class Pass(NamedTuple):
    """The forward passes of a step: `view` with h [B, D] and targets [B, K] for the graph, and a pair of tensors for each other term.

    labeled: logits, y; consistency: targets, logits; clean: logits of undisturbed images, where a method has them.
    """

    view: View
    h: Tensor
    targets: Tensor
    labeled: tuple[Tensor, Tensor]
    consistency: tuple[Tensor, Tensor]
    clean: Tensor | None = None
