"""Cosine of VAT's adversarial direction with that of float32, by the way that finds it.

python scripts/studies/vat_direction.py [--config mnist10k_100/vat_ent] [--steps 400] -> results/vat_direction.json, .md     three minutes

A network of the configuration is trained for some steps. Then, on five batches of the pool, each way starts from the same images, noise and
random directions as differences in float32 do. The last way is differences in float32 by the network whose weights are rounded to
bfloat16: what rounding them alone does to the direction.
"""

import copy
import statistics

import torch
import torch.nn.functional as F
from torch import Tensor

from discriminative.vat import VAT
from gan_sntg.experiments.report import markdown_table
from gan_sntg.experiments.scripts import machine, run_script, write_results
from gan_sntg.networks.batch_norm import frozen_statistics
from gan_sntg.networks.noise import RepeatedDraws
from gan_sntg.networks.passes import Precision
from gan_sntg.runs.build import build
from gan_sntg.runs.options import config_parser

BATCHES, CPU = 5, torch.device("cpu")
WAYS = {
    "differences, float32": ("differences", Precision.float32, False),
    "derivatives, float32": ("derivatives", Precision.float32, False),
    "differences, run in bfloat16": ("differences", Precision.bfloat16, False),
    "derivatives, run in bfloat16": ("derivatives", Precision.bfloat16, False),
    "differences, float32, weights rounded to bfloat16": ("differences", Precision.float32, True),
}


def direction(method: VAT, x: Tensor, way: str, seed: int) -> Tensor:
    """The unit direction [B, ...] that a way finds."""
    method.probe, precision, rounded = WAYS[way]
    method.seed(seed, CPU)
    before = copy.deepcopy(method.net.state_dict())
    with torch.no_grad():
        for p in method.net.parameters():
            p.copy_(p.bfloat16() if rounded else p)
    try:
        with precision(CPU), frozen_statistics(method.net):
            return method.direction(x, RepeatedDraws(method.generators["noise"]))[2].detach()
    finally:
        method.net.load_state_dict(before)


def main(config: str = "mnist10k_100/vat_ent", steps: int = 400, threads: int = 1) -> None:
    """Train, compare, and write both files."""
    torch.set_num_threads(threads)
    parser = config_parser()
    options = parser.parse_args(["--config", config, "--precision", "bfloat16", "--device", "cpu"])
    parts = build(parser, options)
    method = parts.method
    method.start(parts.streams.example(method.start_size, "start"))
    done = 0
    while done < steps:
        for batch in parts.streams.epoch():
            with Precision.bfloat16(CPU):
                method.step(batch, 0)
            if (done := done + 1) >= steps:
                break
    cosines: dict[str, list[float]] = {way: [] for way in list(WAYS)[1:]}
    for seed, batch in zip(range(BATCHES), parts.streams.epoch(), strict=False):
        x = batch.view("unlabeled").x
        reference = direction(method, x, next(iter(WAYS)), seed)
        for way, found in cosines.items():
            found += F.cosine_similarity(direction(method, x, way, seed).flatten(1), reference.flatten(1)).tolist()
    rows = [
        [way, *(f"{value:.4f}" for value in (statistics.mean(found), statistics.median(found), min(found)))]
        for way, found in cosines.items()
    ]
    table = markdown_table(["way", "mean cosine", "median", "least"], rows)
    command = f"python scripts/studies/vat_direction.py --config {config} --steps {steps}"
    about = {"command": command, "images": len(next(iter(cosines.values())))} | machine()
    write_results("vat_direction", about | {"cosines": cosines}, f"`{command}`, {about['images']} images\n\n{table}")


if __name__ == "__main__":
    run_script(main)
