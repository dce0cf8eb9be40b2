"""Mean teacher: f~ comes from an average of the student's weights (Eq. 4; Tarvainen and Valpola)."""

import copy

import torch
from torch import Tensor, nn

from discriminative.objective import Objective
from gan_sntg.data.loader import Batch, Examples


class MeanTeacher(Objective):
    """theta' <- alpha theta' + (1 - alpha) theta after each step, from theta' = theta; evaluated too.

    The teacher sees images mirrored, translated and disturbed on its own, in training mode, and keeps running statistics of its own.
    alpha is `early_decay` for the first `early_epochs` (reference 3: 0.99 while w rises on SVHN).
    """

    def __init__(self, decay: float = 0.999, early_decay: float = 0.999, early_epochs: float = 0, **kwargs):
        """decay: alpha, in [0, 1); early_decay: alpha of the first epochs; early_epochs: how many these are."""
        super().__init__(**kwargs)
        self.decay, self.early_decay, self.early_epochs = decay, early_decay, early_epochs
        self.teacher = copy.deepcopy(self.net).requires_grad_(False)
        del self.average  # the teacher is one

    @property
    def classifiers(self) -> dict[str, nn.Module]:
        """The student, and the teacher as the averaged network."""
        return {"last": self.net, "averaged": self.teacher}

    def start(self, batch: Batch) -> None:
        """The teacher begins as the initialised student."""
        super().start(batch)
        self.teacher.load_state_dict(self.net.state_dict())

    @torch.no_grad()
    def follow(self, t: int) -> None:
        """Eq. 4, after each step."""
        alpha = self.early_decay if t < self.early_epochs else self.decay
        averaged: list[Tensor] = list(self.teacher.parameters())
        followed: list[Tensor] = list(self.net.parameters())
        torch._foreach_lerp_(averaged, followed, 1 - alpha)  # pyright: ignore[reportPrivateImportUsage]

    @torch.no_grad()
    def targets(self, view: Examples, logits: Tensor) -> Tensor:
        """softmax of the teacher's pass, without gradient."""
        x = self.augmentation(view.x, self.generators["augmentation"])
        return self.execution(self.teacher, x, self.generators["noise"])[1].softmax(1)
