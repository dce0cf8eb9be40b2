"""Teachers f~ from which the GAN's graph can be built (reference 6)."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from gan_sntg.configurable import Configurable
from gan_sntg.data.loader import Examples
from gan_sntg.distributed import all_gather
from gan_sntg.networks.ema import Average
from gan_sntg.networks.passes import EagerForward, mode


class Teacher(Configurable, nn.Module, ABC):
    """f~: `targets(...)` gives probabilities [B, K] without gradient; `update` follows D after its step."""

    execution: EagerForward = EagerForward()  # how a network passes over a batch in training

    def start(self, net: nn.Module, num_examples: int, num_classes: int) -> None:
        """Make buffers: called once before training, with D on its device, N training images and K classes."""

    @abstractmethod
    def targets(self, net: nn.Module, view: Examples, logits: Tensor, generator: torch.Generator) -> Tensor:
        """f~(x) [B, K]. logits [B, K]: the student's own of this pass; generator: for the teacher's noise."""

    def update(self, net: nn.Module) -> None:
        """Follow D after its step."""

    @torch.no_grad()
    def predict(self, net: nn.Module, x: Tensor, generator: torch.Generator | None, training: bool) -> Tensor:
        """softmax [B, K] of one more pass, in training or evaluation mode."""
        with mode(net, training):
            return self.execution(net, x, generator)[1].softmax(1)


class SamePass(Teacher):
    """The student's own prediction: free, and the weakest teacher (reference 6, B)."""

    def targets(self, net: nn.Module, view: Examples, logits: Tensor, generator: torch.Generator) -> Tensor:
        """softmax of the given logits."""
        return logits.detach().softmax(1)


class SecondPass(Teacher):
    """A second pass of D with noise of its own, as the Pi model's (reference 6, A)."""

    def targets(self, net: nn.Module, view: Examples, logits: Tensor, generator: torch.Generator) -> Tensor:
        """One more pass in training mode."""
        return self.predict(net, view.x, generator, training=True)


class NoiseFree(Teacher):
    """D as it is, without noise (reference 6, C)."""

    def targets(self, net: nn.Module, view: Examples, logits: Tensor, generator: torch.Generator) -> Tensor:
        """One more pass in evaluation mode."""
        return self.predict(net, view.x, None, training=False)


class Averaged(Teacher):
    """An exponential moving average of D's weights, de-biased, without noise (reference 6, D)."""

    def __init__(self, decay: float = 0.999):
        """decay: of the averaged weights, per step."""
        super().__init__()
        self.decay = decay  # a step

    def start(self, net: nn.Module, num_examples: int, num_classes: int) -> None:
        """Make the average."""
        self.average = Average(net, self.decay)

    def targets(self, net: nn.Module, view: Examples, logits: Tensor, generator: torch.Generator) -> Tensor:
        """One pass of the averaged network; before its first update, D's own prediction."""
        return self.predict(self.average.net, view.x, None, training=False) if self.average.count else logits.detach().softmax(1)

    def update(self, net: nn.Module) -> None:
        """Fold D's weights in."""
        self.average.update(net)


class Ensemble(Teacher):
    """De-biased average of each image's predictions (Eq. 3; reference 6, E); the present one if unseen."""

    ensemble: Tensor
    visits: Tensor

    def __init__(self, alpha: float = 0.6):
        """alpha: momentum of an image's averaged prediction, per epoch."""
        super().__init__()
        self.alpha = alpha  # momentum a visit

    def start(self, net: nn.Module, num_examples: int, num_classes: int) -> None:
        """Make F~ [N, K] and the number of visits [N]."""
        like = next(net.parameters())
        self.register_buffer("ensemble", like.new_zeros(num_examples, num_classes))
        self.register_buffer("visits", like.new_zeros(num_examples, dtype=torch.int64))

    @torch.no_grad()
    def targets(self, net: nn.Module, view: Examples, logits: Tensor, generator: torch.Generator) -> Tensor:
        """F~ / (1 - alpha^n) of the visits before this one; then this one is folded in, if D is training."""
        p, index = logits.detach().softmax(1), view.index
        visits = self.visits[index].unsqueeze(1)
        before = self.ensemble[index] / (1 - self.alpha**visits).clamp(min=1e-12)
        if net.training:
            index, seen = all_gather(index), all_gather(p)
            self.ensemble[index] = self.alpha * self.ensemble[index] + (1 - self.alpha) * seen
            self.visits[index] += 1
        return torch.where(visits > 0, before, p)
