"""A package of a user's own: a network and a GAN that this project does not know."""

from mypackage.gan import MeanMatchingGAN
from mypackage.resnet import SmallResNet

__all__ = ["MeanMatchingGAN", "SmallResNet"]
