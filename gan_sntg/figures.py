"""How do figures look that are plotted, not drawn by a generator?"""

import io
from pathlib import Path

import torch
from matplotlib.figure import Figure

from gan_sntg.core.checkpoint import write_atomically
from gan_sntg.core.evaluate import BINS, Reliability


def save_reliability(path: Path, table: Reliability) -> None:
    """Write as PNG: for each bin of confidence the share that is right (bars) and the mean confidence (dots), images below."""
    figure = Figure(figsize=(5, 6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    left, filled = torch.arange(BINS) / BINS, table.count > 0
    bars = {"align": "edge", "edgecolor": "white"}
    top.bar(left[filled], table.accuracy[filled], 1 / BINS, color="lightsteelblue", label="accuracy", **bars)
    top.plot([0, 1], [0, 1], "k--", linewidth=1, label="calibrated")
    top.plot(table.confidence, table.accuracy, "o", color="tab:red", markersize=4, clip_on=False, label="at the mean confidence")
    top.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
    top.set_title(f"{int(table.count.sum()):,} images, ECE {table.calibration_error:.4f}")
    figure.legend(loc="outside lower center", ncols=3, fontsize="small")
    bottom.bar(left, table.count, 1 / BINS, color="tab:gray", **bars)
    bottom.set(xlabel="confidence", ylabel="images")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    write_atomically(path, buffer.getbuffer())
