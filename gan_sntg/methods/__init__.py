"""Generative methods, one file each."""

from gan_sntg.methods.ali import ALI
from gan_sntg.methods.bad_gan import BadGAN
from gan_sntg.methods.base import GenerativeMethod
from gan_sntg.methods.cat_gan import CatGAN
from gan_sntg.methods.ct_gan import CTGAN
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.methods.manifold_gan import ManifoldGAN
from gan_sntg.methods.triple_gan import TripleGAN

__all__ = ["ALI", "BadGAN", "CTGAN", "CatGAN", "FeatureMatchingGAN", "GenerativeMethod", "ManifoldGAN", "TripleGAN"]
