"""Generative methods, one file each."""

from gan_sntg.methods.base import GenerativeMethod
from gan_sntg.methods.feature_matching import FeatureMatchingGAN

__all__ = ["FeatureMatchingGAN", "GenerativeMethod"]
