"""Errors and calibration of classifiers, and samples; `fidelity` is slow to load, and imported apart."""

from gan_sntg.evaluation.classification import (
    Reliability,
    class_errors,
    confusion_matrix,
    error_rate,
    logits_of,
    outputs_of,
    percent_wrong,
    reliability,
)
from gan_sntg.evaluation.samples import draw, draw_batches, grid, interpolate_z, png, save_files, save_npz, save_png, z_bank

__all__ = ["Reliability", "class_errors", "confusion_matrix", "error_rate", "logits_of", "outputs_of", "percent_wrong", "reliability"]
__all__ += ["draw", "draw_batches", "grid", "interpolate_z", "png", "save_files", "save_npz", "save_png", "z_bank"]
