"""Generative semi-supervised learning: the feature-matching GAN with Smooth Neighbors on Teacher Graphs."""

__version__ = "0.1.0"
