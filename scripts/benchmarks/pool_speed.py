"""Does an epoch cost in proportion to its pool, and what memory does the pool take?

python scripts/benchmarks/pool_speed.py                5 repeats -> results/pool_speed.json, .md      about 2 minutes on two cores

FM-GAN + SNTG of digits' small networks on the first 10,000, 20,000 and 50,000 training images of CIFAR-10: one pass over the pool
through `engine.fit`, and the batches of one pass alone. Medians of repeats in which the sizes take turns. Needs CIFAR-10's files.
"""

import argparse
import statistics
import time

import torch

from gan_sntg.data.loader import Loader, Pool
from gan_sntg.data.normalization import UnitRange
from gan_sntg.data.public import CIFAR10
from gan_sntg.experiments.search import RESULTS, machine, run_script, write
from gan_sntg.graph.pairs import Halves
from gan_sntg.graph.teachers import Averaged
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.networks.dense_gan import DenseDiscriminator, DenseGenerator
from gan_sntg.training import loop

SIZES = (10_000, 20_000, 50_000)
BATCH, LABELS, SHAPE, CLASSES = 100, 1000, (3, 32, 32), 10


class Run:
    """A GAN on a pool of `size` images."""

    def __init__(self, source: CIFAR10, size: int):
        """size: the first so many, of which the first LABELS are labelled."""
        x, y = source.train_x[:size].clone(), source.train_y[:size]
        known = torch.where(torch.arange(size) < LABELS, y, -1)
        self.streams = Loader(Pool(x, y, known, torch.arange(size), UnitRange(), "cpu"), BATCH, seed=0)
        nets = DenseDiscriminator(SHAPE, CLASSES, widths=(64, 32)), DenseGenerator(SHAPE, latent=20, widths=(32,))
        self.method = FeatureMatchingGAN(*nets, Averaged(), Halves(), size, CLASSES, graph_weight=1.0, graph_ramp_epochs=0)
        self.method.seed(0, "cpu")
        self.method.start(self.streams.example(500, "start"))

    def epoch(self) -> float:
        """Seconds of one pass over the pool, trained."""
        began = time.perf_counter()
        loop.fit(self.method, self.streams, 1, 2, loop.Progress(), lambda: None, lambda terms: None)
        return time.perf_counter() - began

    def batches(self) -> float:
        """Seconds of making the batches of one pass."""
        began = time.perf_counter()
        for _ in self.streams.epoch():
            pass
        return time.perf_counter() - began


def main(words: list[str]) -> None:
    """Measure and write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(words)
    torch.set_num_threads(1)
    source = CIFAR10()
    runs = {size: Run(source, size) for size in SIZES}
    for run in runs.values():
        run.epoch()
    times = {size: {"epoch": [], "batches": []} for size in SIZES}
    for _ in range(options.repeats):
        for size, run in runs.items():
            times[size]["epoch"].append(run.epoch())
            times[size]["batches"].append(run.batches())
    rows = {}
    for size, run in runs.items():
        pool = run.streams.pool
        row = {f"{part}_s": values for part, values in times[size].items()}
        row |= {f"us_an_image_{part}": 1e6 * statistics.median(values) / size for part, values in times[size].items()}
        rows[size] = row | {"pool_bytes": pool.x.numel() * pool.x.element_size(), "image_bytes": size * 3 * 32 * 32}
    write(
        "pool_speed",
        {"command": f"python scripts/benchmarks/pool_speed.py --repeats {options.repeats}", "threads": 1} | machine() | {"rows": rows},
    )
    (RESULTS / "pool_speed.md").write_text(markdown(rows))
    print(markdown(rows))


def markdown(rows: dict[int, dict]) -> str:
    """A line for each size."""
    lines = ["| images in the pool | us an image, trained | us an image, batches alone | MB of the pool | its uint8 pixels, MB |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for size, row in rows.items():
        mb = (f"{row[name] / 1e6:.2f}" for name in ("pool_bytes", "image_bytes"))
        lines.append(f"| {size:,} | {row['us_an_image_epoch']:.1f} | {row['us_an_image_batches']:.2f} | {' | '.join(mb)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_script(main)
