"""The contract of a method, the training loop, optimizers and checkpoints."""

from gan_sntg.training.loop import Progress, fit
from gan_sntg.training.meter import Meter, Terms
from gan_sntg.training.method import Method
from gan_sntg.training.optim import Adam, AdamInside

__all__ = ["Adam", "AdamInside", "Meter", "Method", "Progress", "Terms", "fit"]
