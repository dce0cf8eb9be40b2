"""Temporal ensembling: f~ averages each image's earlier predictions (Eq. 3; Laine and Aila)."""

import torch
from torch import Tensor

from discriminative.objective import Objective
from gan_sntg.data.dataset import Dataset
from gan_sntg.data.loader import Examples, Pool
from gan_sntg.distributed import all_gather


class TemporalEnsembling(Objective):
    """F~ <- alpha F~ + (1 - alpha) f after each epoch that saw the image; f~ = F~ / (1 - alpha^n).

    n: epochs that saw it; f: the predictions of the training passes themselves. An image not yet seen has the present prediction as its
    target: a row of zeros would be class 0 in the graph.
    """

    ensemble: Tensor
    latest: Tensor
    seen: Tensor
    epochs: Tensor

    def __init__(self, alpha: float = 0.6, **kwargs):
        """alpha: momentum of an image's averaged prediction, per epoch."""
        super().__init__(**kwargs)
        self.alpha = alpha

    def prepare(self, data: Dataset, pool: Pool) -> None:
        """Make room for a prediction of each image. Raises InputError as `Objective` does."""
        super().prepare(data, pool)
        like, n = next(self.net.parameters()), data.num_examples
        self.register_buffer("ensemble", like.new_zeros(n, data.num_classes))
        self.register_buffer("latest", like.new_zeros(n, data.num_classes))
        self.register_buffer("seen", like.new_zeros(n, dtype=torch.bool))
        self.register_buffer("epochs", like.new_zeros(n, dtype=torch.int64))

    @torch.no_grad()
    def targets(self, view: Examples, logits: Tensor) -> Tensor:
        """De-biased ensemble of earlier epochs; in training, keep the present prediction for `end_epoch`."""
        p, index = logits.softmax(1), view.index
        if self.training:
            every = all_gather(index)
            self.latest[every], self.seen[every] = all_gather(p), torch.ones_like(every, dtype=torch.bool)
        epochs = self.epochs[index].unsqueeze(1)
        return torch.where(epochs > 0, self.ensemble[index] / (1 - self.alpha**epochs).clamp(min=1e-12), p)

    @torch.no_grad()
    def end_epoch(self) -> None:
        """Eq. 3 for the images of this epoch."""
        seen = self.seen.unsqueeze(1)
        self.ensemble.copy_(torch.where(seen, self.alpha * self.ensemble + (1 - self.alpha) * self.latest, self.ensemble))
        self.epochs += self.seen
        self.seen.zero_()
