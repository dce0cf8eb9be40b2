"""Speed of ten seeds of the dense GAN on two cores, as one program and one run after another.

python scripts/benchmarks/seeds_speed.py     5 repeats of 3 s -> results/seeds_speed.json, .md     about 5 minutes on an idle machine

Steps a second, those of all ten counted, evaluation and start-up left out: medians of repeats in which the ways take turns.
"""

import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context

import torch

from gan_sntg.data.loader import Batch, Loader
from gan_sntg.experiments.report import markdown_table
from gan_sntg.experiments.scripts import run_script, write_results
from gan_sntg.networks.passes import processor
from gan_sntg.runs.build import build
from gan_sntg.runs.options import config_parser
from gan_sntg.training.method import Method
from gan_sntg.training.multi_seed import StackedStreams, stacked

ROWS = {
    "mnist_100/fm_gan_sntg": [],
    "digits_20/fm_gan": ["--method.sntg.weight", "0"],
    "digits_20/fm_gan_sntg": [],
    "digits_20/fm_gan_sntg, halves": ["--method.sntg.pairing", "gan_sntg.graph.Halves"],
}
BASE = "two processes, one run after another"
WAYS = {BASE: (2, False), "two programs of five, a thread each": (2, True), "one program of ten, two threads": (1, True)}
SEEDS = 10


class Runs:
    """Some seeds of a row in this process, as one program or in turn, in the middle of training."""

    def __init__(self, row: str, seeds: list[int], threads: int, abreast: bool):
        """threads: of this process."""
        torch.set_num_threads(threads)
        parts = []
        for seed in seeds:
            parser = config_parser()
            words = ["--config", f"configs/{row.split('_sntg')[0]}.yaml", *ROWS[row], "--seed", str(seed)]
            self.options = parser.parse_args([*words, "--threads", str(threads), "--device", "cpu"])
            parts.append(build(parser, self.options))
            parts[-1].method.start(parts[-1].streams.example(parts[-1].method.start_size, "start"))
        self.methods: list[Method] = [p.method for p in parts]
        self.batches = [endless(p.streams) for p in parts]
        if abreast:
            self.methods = [stacked(self.methods)]
            self.batches = [endless(StackedStreams([p.streams for p in parts]))]

    def steps(self, n: int) -> None:
        """n of every seed."""
        for method, batches in zip(self.methods, self.batches, strict=True):
            for _ in range(n):
                method.step(next(batches), self.options.epochs * 3 // 4)


def endless(streams: Loader | StackedStreams) -> Iterator[Batch]:
    """Epoch after epoch."""
    while True:
        yield from streams.epoch()


def prepare(*arguments) -> None:
    """In a process of its own: make its runs, and take the first steps."""
    global RUNS
    RUNS = Runs(*arguments)
    RUNS.steps(2)


def go(n: int) -> None:
    """In that process, afterwards: n steps of every seed."""
    RUNS.steps(n)


class Way:
    """One way to train the ten: so many processes, which share the seeds and the two cores."""

    def __init__(self, row: str, processes: int, abreast: bool):
        """Start them, and take the first steps."""
        spawn = get_context("spawn")
        self.pools = [ProcessPoolExecutor(1, mp_context=spawn) for _ in range(processes)]
        shares = [list(range(SEEDS))[k::processes] for k in range(processes)]
        for future in [p.submit(prepare, row, s, 2 // processes, abreast) for p, s in zip(self.pools, shares, strict=True)]:
            future.result()

    def rate(self, n: int) -> float:
        """Steps a second of the ten together, over n of each."""
        start = time.perf_counter()
        for future in [pool.submit(go, n) for pool in self.pools]:
            future.result()
        return SEEDS * n / (time.perf_counter() - start)


def measured(row: str, repeats: int, seconds: float) -> dict[str, dict]:
    """Of each way, the rates of the repeats, their median and its ratio to that of BASE."""
    ways = {name: Way(row, *way) for name, way in WAYS.items()}
    counts = {name: max(1, round(seconds * way.rate(2) / SEEDS)) for name, way in ways.items()}
    rates = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            rates[name].append(way.rate(counts[name]))
    for way in ways.values():
        for pool in way.pools:
            pool.shutdown()
    medians = {name: statistics.median(values) for name, values in rates.items()}
    return {name: {"rates": rates[name], "median": medians[name], "ratio": medians[name] / medians[BASE]} for name in ways}


def table(rows: dict[str, dict]) -> str:
    """A line for each row of ROWS, a column for each way."""
    lines = [[row, *(f"{way['median']:.1f} (x {way['ratio']:.2f})" for way in ways.values())] for row, ways in rows.items()]
    return markdown_table(["ten seeds on two cores, steps/s of all", *WAYS], lines)


def main(repeats: int = 5, seconds: float = 3.0) -> None:
    """Measure every row and write both files. seconds: that a measurement is to take."""
    rows = {row: measured(row, repeats, seconds) for row in ROWS}
    command = f"python scripts/benchmarks/seeds_speed.py --repeats {repeats} --seconds {seconds:g}"
    machine = {"machine": f"{processor()}, two cores, no GPU", "torch": version("torch")}
    write_results("seeds_speed", {"command": command, "figure": "steps a second of all ten seeds"} | machine | {"rows": rows}, table(rows))


if __name__ == "__main__":
    run_script(main)
