"""A package of a user's own: a data set, a network and a GAN that this project does not know."""

from mypackage.gan import MeanMatchingGAN
from mypackage.resnet import SmallResNet
from mypackage.stripes import Stripes

__all__ = ["MeanMatchingGAN", "SmallResNet", "Stripes"]
