"""The cost of an epoch, and the memory of the pool, by the size of the pool.

python scripts/benchmarks/pool_speed.py                5 repeats -> results/pool_speed.json, .md      about 2 minutes on two cores
python scripts/benchmarks/pool_speed.py --mapped true  in memory and in a mapped file -> results/pool_mapped.json, .md        likewise

FM-GAN + SNTG of digits' small networks on the first 10,000, 20,000 and 50,000 training images of CIFAR-10: one pass over the pool
through `loop.fit`, and the batches of one pass alone. Medians of repeats in which the sizes take turns, or, of the largest, a pool in
memory and one in a mapped file. Needs CIFAR-10's files.
"""

import os
import statistics
import time
from collections import deque

import torch

from gan_sntg.data.loader import Loader, MappedPool, Pool
from gan_sntg.data.normalization import UnitRange
from gan_sntg.data.public import CIFAR10
from gan_sntg.experiments.report import markdown_table
from gan_sntg.experiments.scripts import machine, run_script, write_results
from gan_sntg.graph.sntg import SNTG
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.networks.gan import DenseDiscriminator, DenseGenerator
from gan_sntg.training import loop

SIZES = (10_000, 20_000, 50_000)
BATCH, LABELS, SHAPE, CLASSES = 100, 1000, (3, 32, 32), 10
KINDS = {"": Pool, ", mapped": MappedPool}
HEAD = ["images in the pool", "us an image, trained", "us an image, batches alone", "MB of the pool", "its uint8 pixels, MB"]


class Run:
    """A GAN on a pool of `size` images."""

    def __init__(self, source: CIFAR10, size: int, kind: type[Pool] = Pool):
        """size: the first so many, of which the first LABELS are labelled."""
        x, y = source.train_x[:size].clone(), source.train_y[:size]
        known = torch.where(torch.arange(size) < LABELS, y, -1)
        pool = kind(x, y, known, torch.arange(size), UnitRange(), "cpu")
        self.streams = Loader(pool, BATCH, seed=0)
        d, g = DenseDiscriminator(SHAPE, CLASSES, widths=(64, 32)), DenseGenerator(SHAPE, latent=20, widths=(32,))
        self.method = FeatureMatchingGAN(discriminator=d, generator=g, sntg=SNTG(weight=1.0))
        self.method.prepare(source, pool)
        self.method.seed(0, "cpu")
        self.method.start(self.streams.example(500, "start"))

    def seconds(self) -> dict[str, float]:
        """Of one pass over the pool, trained, and of its batches alone."""
        began = time.perf_counter()
        loop.fit(self.method, self.streams, 1, 2, loop.Progress(), lambda: None, lambda: None)
        trained = time.perf_counter()
        deque(self.streams.epoch(), maxlen=0)
        return {"epoch": trained - began, "batches": time.perf_counter() - trained}


def main(repeats: int = 5, mapped: bool = False) -> None:
    """Measure and write both files. mapped: compare a pool in memory with one in a mapped file."""
    torch.set_num_threads(1)
    source, load = CIFAR10(), os.getloadavg()[0]
    if mapped:
        runs = {f"{SIZES[-1]:,}{name}": Run(source, SIZES[-1], kind) for name, kind in KINDS.items()}
    else:
        runs = {f"{size:,}": Run(source, size) for size in SIZES}
    for run in runs.values():
        run.seconds()
    times = [{name: run.seconds() for name, run in runs.items()} for _ in range(repeats)]
    rows = {}
    for name, run in runs.items():
        size = len(run.streams.pool.x)
        found = {part: [repeat[name][part] for repeat in times] for part in ("epoch", "batches")}
        row = {f"{part}_s": values for part, values in found.items()}
        row |= {f"us_an_image_{part}": 1e6 * statistics.median(values) / size for part, values in found.items()}
        x = run.streams.pool.x
        rows[name] = row | {"pool_bytes": x.numel() * x.element_size(), "image_bytes": size * 3 * 32 * 32}
    command = f"python scripts/benchmarks/pool_speed.py --repeats {repeats}{' --mapped true' if mapped else ''}"
    about = {"command": command, "threads": 1, "load_before": load, "load_after": os.getloadavg()[0]} | machine()
    write_results("pool_mapped" if mapped else "pool_speed", about | {"rows": rows}, markdown_table(HEAD, lines(rows)))


def lines(rows: dict[str, dict]) -> list[list[str]]:
    """The row of each size, or of each kind of pool."""
    found = []
    for name, row in rows.items():
        mb = (f"{row[name] / 1e6:.2f}" for name in ("pool_bytes", "image_bytes"))
        found.append([name, f"{row['us_an_image_epoch']:.1f}", f"{row['us_an_image_batches']:.2f}", *mb])
    return found


if __name__ == "__main__":
    run_script(main)
