"""The contract of a method, the training loop, optimizers and checkpoints."""

from gan_sntg.training.loop import Progress, fit
from gan_sntg.training.meter import Meter, Terms
from gan_sntg.training.method import Method
from gan_sntg.training.optim import AdamInside

__all__ = ["AdamInside", "Meter", "Method", "Progress", "Terms", "fit"]
