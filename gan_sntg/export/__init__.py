"""Exported runs: safetensors weights, the classifier as a program, and a card that describes them."""

from gan_sntg.export.load import Card, Classifier, ImageGenerator, load_export

__all__ = ["Card", "Classifier", "ImageGenerator", "load_export"]
