"""Cosine of VAT's adversarial direction with that of float32, by the way that finds it.

python scripts/studies/vat_direction.py [--config mnist10k_100/vat_ent] [--steps 400] -> results/vat_direction.json, .md     three minutes

A network of the configuration is trained for some steps at the full learning rate. Then, on five batches of the pool, each way starts from
the same images, noise and random directions as differences in float32 do. The last way is differences in float32 whose products take W
rounded to bfloat16, as a bfloat16 run's products do: what this rounding alone does to the direction.
"""

import itertools
import statistics
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from discriminative.vat import VAT
from gan_sntg.experiments.report import markdown_table
from gan_sntg.experiments.scripts import machine, run_script, write_results
from gan_sntg.networks.batch_norm import frozen_statistics
from gan_sntg.networks.noise import RepeatedDraws
from gan_sntg.networks.passes import Precision, mode
from gan_sntg.runs.build import build
from gan_sntg.runs.options import config_parser

BATCHES, CPU = 5, torch.device("cpu")
WAYS = {
    "differences, float32": ("differences", Precision.float32, False),
    "derivatives, float32": ("derivatives", Precision.float32, False),
    "differences, run in bfloat16": ("differences", Precision.bfloat16, False),
    "derivatives, run in bfloat16": ("derivatives", Precision.bfloat16, False),
    "differences, float32, W rounded to bfloat16": ("differences", Precision.float32, True),
}


class RoundedWeights(TorchFunctionMode):
    """Products with W rounded to bfloat16, and all else in float32."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in (F.conv2d, F.linear):
            args = args[0], args[1].bfloat16().float(), *args[2:]
        return func(*args, **(kwargs or {}))


def direction(method: VAT, x: Tensor, way: str, seed: int) -> Tensor:
    """The unit direction [B, ...] that a way finds."""
    method.probe, precision, rounded = WAYS[way]
    method.seed(seed, CPU)
    with precision(CPU), frozen_statistics(method.net), RoundedWeights() if rounded else nullcontext():
        return method.direction(x, RepeatedDraws(method.generators["noise"]))[2].detach()


def main(config: str = "mnist10k_100/vat_ent", steps: int = 400, threads: int = 1) -> None:
    """Train, compare, and write both files."""
    torch.set_num_threads(threads)
    parser = config_parser()
    options = parser.parse_args(["--config", config, "--precision", "bfloat16", "--device", "cpu"])
    parts = build(parser, options)
    method, pool = parts.method, parts.streams.pool
    method.start(parts.streams.example(method.start_size, "start"))
    batches = itertools.chain.from_iterable(parts.streams.epoch() for _ in itertools.count())
    for batch in itertools.islice(batches, steps):
        with Precision.bfloat16(CPU):
            method.step(batch, options.epochs // 2)  # past the ramps, before the rate falls
    with torch.no_grad(), mode(method.net, False):
        view = pool.view(pool.unlabeled[:1000], revealed=True)
        error = 100 * float((method.net(view.x)[1].argmax(1) != view.y).float().mean())
    cosines: dict[str, list[float]] = {way: [] for way in list(WAYS)[1:]}
    for seed, batch in enumerate(itertools.islice(batches, BATCHES)):
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
    n = len(next(iter(cosines.values())))
    about = {"command": command, "images": n, "error": error} | machine()
    heading = f"`{command}`: {n} images; the network has {error:.1f} % errors on 1,000 images of the pool"
    write_results("vat_direction", about | {"cosines": cosines}, f"{heading}\n\n{table}")


if __name__ == "__main__":
    run_script(main)
