"""Temporal ensembling: f~ averages each image's earlier predictions (Eq. 3; Laine and Aila)."""

import torch
from torch import Tensor

from discriminative.objective import Objective
from gan_sntg.data.loader import Examples
from gan_sntg.distributed.ranks import process_group


class TemporalEnsembling(Objective):
    """F~ <- alpha F~ + (1 - alpha) f after each epoch, for the images that it saw; f~ = F~ / (1 - alpha^n) after n such epochs.

    f are the predictions of the training passes themselves. An image not yet seen has the present prediction as its target: a row
    of zeros would be class 0 in the graph; the weight of the first epoch is 0 anyhow.
    """

    def __init__(self, num_examples: int, num_classes: int, alpha: float = 0.6, **kwargs):
        """alpha: momentum an epoch."""
        super().__init__(**kwargs)
        self.alpha = alpha
        self.register_buffer("ensemble", torch.zeros(num_examples, num_classes))
        self.register_buffer("latest", torch.zeros(num_examples, num_classes))
        self.register_buffer("seen", torch.zeros(num_examples, dtype=torch.bool))
        self.register_buffer("epochs", torch.zeros(num_examples, dtype=torch.int64))

    @torch.no_grad()
    def targets(self, view: Examples, logits: Tensor) -> Tensor:
        """The de-biased ensemble of earlier epochs; while training, the present prediction is kept for `end_epoch`."""
        p, index = logits.softmax(1), view.index
        if self.training:
            every = process_group().gathered(index)
            self.latest[every], self.seen[every] = process_group().gathered(p), torch.ones_like(every, dtype=torch.bool)
        epochs = self.epochs[index].unsqueeze(1)
        return torch.where(epochs > 0, self.ensemble[index] / (1 - self.alpha**epochs).clamp(min=1e-12), p)

    @torch.no_grad()
    def end_epoch(self) -> None:
        """Eq. 3 for the images of this epoch."""
        seen = self.seen.unsqueeze(1)
        self.ensemble.copy_(torch.where(seen, self.alpha * self.ensemble + (1 - self.alpha) * self.latest, self.ensemble))
        self.epochs += self.seen
        self.seen.zero_()
