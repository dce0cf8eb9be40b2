"""Milliseconds and memory of a step of every generative method and the Ladder, on real images.

python scripts/benchmarks/method_steps.py [--threads 2] -> results/method_steps.json, .md      ten minutes on two idle cores

Each configuration, with its SNTG past all ramps, takes one step and then five that are timed, in a process of its own: MNIST in float32,
SVHN (the part SVHNPart, with 1,000 labels) and CIFAR-10 in bfloat16. Medians, and the process's largest memory, data included. A loss term
that is not finite ends the script.
"""

import resource
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch

from gan_sntg.errors import UnhealthyError
from gan_sntg.experiments.report import markdown_table
from gan_sntg.experiments.scripts import machine, run_script, write_results
from gan_sntg.networks.passes import Precision
from gan_sntg.runs.build import build
from gan_sntg.runs.options import config_parser
from gan_sntg.training.term_check import last_with_all

STEPS = 5
GANS = ("fm_gan", "bad_gan", "cat_gan", "ct_gan", "manifold_gan", "ali")
SETS = {
    "mnist_100": (Precision.float32, [*GANS, "triple_gan_dense", "ladder", "ladder_gamma"], []),
    "svhn_1000": (Precision.bfloat16, ["fm_gan", "bad_gan", "ali", "triple_gan"], ["--data", "SVHNPart"]),
    "cifar10_4000": (Precision.bfloat16, [*GANS, "triple_gan", "ladder_conv"], []),
}


def measured(config: str, precision: Precision, words: list[str], threads: int) -> dict:
    """Milliseconds of each timed step and GiB of this process. Raises UnhealthyError."""
    torch.set_num_threads(threads)
    parser = config_parser()
    options = parser.parse_args(["--config", config, *words, "--device", "cpu"])
    parts, times = build(parser, options), []
    parts.method.start(parts.streams.example(parts.method.start_size, "start"))
    batches, t = parts.streams.epoch(), last_with_all(parts.method, options.epochs)
    for _ in range(1 + STEPS):
        batch, begun = next(batches), time.perf_counter()
        with precision(torch.device("cpu")):
            terms = parts.method.step(batch, t)
        times.append(1000 * (time.perf_counter() - begun))
        if odd := [name for name, value in terms.items() if not value.isfinite()]:
            raise UnhealthyError(f"{config}: {', '.join(odd)} is not finite")
    return {"ms": times[1:], "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def main(threads: int = 2) -> None:
    """Measure all, one after another, and write the table."""
    found, rows = {}, []
    for name, (precision, methods, words) in SETS.items():
        for method in methods:
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                own = found[f"{name}/{method}"] = pool.submit(measured, f"{name}/{method}", precision, words, threads).result()
            ms, least = statistics.median(own["ms"]), statistics.median(found[f"{name}/fm_gan"]["ms"])
            rows.append([f"{name}/{method}", precision.name, f"{ms:.0f}", f"{ms / least:.1f}", f"{own['gib']:.1f}"])
            print(*rows[-1], flush=True)
    table = markdown_table(["configuration", "precision", "ms a step", "of FM-GAN's", "GiB"], rows)
    about = machine(threads)
    write_results("method_steps", {"steps": found, **about}, f"{about['machine']}, PyTorch {about['torch']}\n\n{table}")


if __name__ == "__main__":
    run_script(main)
