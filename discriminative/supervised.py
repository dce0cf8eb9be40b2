"""What do the labels alone give? The baseline that every method must beat: cross-entropy on the labelled images."""

import torch
from torch import nn

from gan_sntg.core.average import Average
from gan_sntg.core.consistency import supervised_loss
from gan_sntg.core.data.streams import Batch
from gan_sntg.core.engine import Method, Terms, descend
from gan_sntg.core.layers import drawing_from
from gan_sntg.core.optim import AdamInside, set_learning_rate, trainable
from gan_sntg.core.schedules import linear_tail
from gan_sntg.core.weight_norm import data_dependent_init


class Supervised(Method):
    """Cross-entropy on the labelled stream, with the optimizer, noise and averaging of FM-GAN's discriminator."""

    def __init__(
        self,
        net: nn.Module,
        learning_rate: float = 3e-3,
        decay_epochs: float | None = None,
        beta1: float = 0.5,
        average_decay: float = 0.9999,
    ):
        """net: x -> (h, logits); decay_epochs: see `linear_tail`; average_decay: of the average for testing."""
        super().__init__()
        self.net, self.average = net, Average(net, average_decay)
        self.learning_rate, self.decay_epochs = learning_rate, decay_epochs
        self.optimizers = {"net": AdamInside(trainable(net), learning_rate, (beta1, 0.999))}

    @property
    def classifiers(self) -> dict[str, nn.Module]:
        """The network as it is, its de-biased average, and the zero-start average."""
        return {"last": self.net, "averaged": self.average.net, "zero_start": self.average.zero_start(self.net)}

    def start(self, batch: Batch) -> None:
        """Data-dependent initialisation from unlabelled images, as FM-GAN's."""
        with drawing_from(self.net, self.generators["noise"]):
            data_dependent_init(self.net, batch.unlabeled.x)

    def step(self, batch: Batch, t: int) -> Terms:
        """One descent of the cross-entropy."""
        self.settings = {"learning_rate": self.learning_rate * linear_tail(t, self.decay_epochs)}
        set_learning_rate(self.optimizers["net"], self.settings["learning_rate"])
        terms = descend(self.optimizers["net"], self.terms(batch, t))
        self.average.update(self.net)
        return terms

    def terms(self, batch: Batch, t: int) -> Terms:
        """Alg. 1 without its unsupervised part."""
        with drawing_from(self.net, self.generators["noise"]):
            _, logits = self.net(batch.labeled.x)
        return {"net/labeled": supervised_loss(logits, batch.labeled.y)}

    def telemetry(self, batch: Batch) -> dict[str, float | torch.Tensor]:
        """The learning rate."""
        return self.settings
