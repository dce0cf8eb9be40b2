"""Time and memory of R_S over all pairs, forward and backward, on one thread of a CPU.

python scripts/benchmarks/graph_speed.py -> results/graph_speed.json, .md    (Linux; the last row needs pip install -e '.[bench]')

Of the same features float32 [n, 128] and classes, ten at random:
    all pairs         `graph_loss` with `all_pairs`
    gathered          the same pairs as any others: two tensors [n (n - 1) / 2, 128], and their difference
    broadcast         h[:, None] - h[None], a tensor [n, n, 128]
    metric learning   ContrastiveLoss of pytorch-metric-learning as it comes, another loss on the same pairs: it is linear in the distance
                      and not its square, scales features to norm 1, takes distances from a matrix product (`torch.cdist`), which is
                      inexact where features are close, and averages equal and unequal classes apart, each over the pairs above 0

Time is processor time, for it says the same beside other programs: the median and quartiles of repeats, one of each row in turn,
after one that is not counted; so the indices of pairs exist, as from the second step of a run on. Memory is by how much the peak
resident set of a fresh process rises in its first call at this n (indices included) over what is resident with imports, inputs and
one call at n = 8: the median of three processes.
"""

import ctypes
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor

from gan_sntg.experiments.report import markdown_table
from gan_sntg.experiments.scripts import machine, run_script, write_results
from gan_sntg.graph.loss import contrastive, graph_loss
from gan_sntg.graph.pairs import Pairs, all_pairs

try:
    from pytorch_metric_learning.losses import ContrastiveLoss
except ImportError:  # of the extra [bench]
    ContrastiveLoss = None

ROWS: tuple[str, ...] = ("all pairs", "gathered", "broadcast", "metric learning")
SIZES, D, CLASSES, REPEATS, PROCESSES = (100, 512, 1024), 128, 10, 21, 3
HEADER = f"one thread, D = {D}, forward and backward"


def every_pair(h: Tensor, classes: Tensor) -> Tensor:
    """Ours."""
    return graph_loss(h, classes, pairing=all_pairs)


def gathered(h: Tensor, classes: Tensor) -> Tensor:
    """Ours, of pairs that are not known to be all."""
    return graph_loss(h, classes, pairing=lambda n: Pairs(*all_pairs(n)))


def broadcast(h: Tensor, classes: Tensor) -> Tensor:
    """The same value from a matrix of distances."""
    n, d = h.shape
    distance = torch.linalg.vector_norm(h[:, None] - h[None], dim=2) / d**0.5
    same = (classes[:, None] == classes[None]).to(h.dtype)
    return contrastive(distance, same, 1.0).triu(1).sum() / (n * (n - 1) / 2)


LOSSES: dict[str, Callable] = dict(
    zip(ROWS, [every_pair, gathered, broadcast] + ([ContrastiveLoss()] if ContrastiveLoss else []), strict=False)
)


def inputs(n: int) -> tuple[Tensor, Tensor]:
    """h [n, D], which wants a gradient, and classes [n]."""
    g = torch.Generator().manual_seed(0)
    return torch.randn(n, D, generator=g).requires_grad_(), torch.randint(CLASSES, (n,), generator=g)


def call(name: str, h: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """The loss and its gradient in h."""
    loss = LOSSES[name](h, classes)
    return loss.detach(), torch.autograd.grad(loss, h)[0]


def timed(n: int, repeats: int = REPEATS) -> dict[str, list[float]]:
    """Milliseconds of each repeat."""
    h, classes = inputs(n)
    found = {name: [] for name in LOSSES}
    for _ in range(1 + repeats):
        for name, times in found.items():
            start = time.process_time()
            call(name, h, classes)
            times.append(1000 * (time.process_time() - start))
    return {name: times[1:] for name, times in found.items()}


def resident(what: str) -> float:
    """VmRSS or VmHWM, its peak, in MB. Not ru_maxrss, which a process has from its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


def rise(name: str, n: int) -> float:
    """MB by which a first call raises the peak of the resident set; of a fresh process."""
    torch.set_num_threads(1)
    h, classes = inputs(n)
    call(name, *inputs(8))
    ctypes.CDLL(None).malloc_trim(0)  # freed memory would serve the call unseen
    Path("/proc/self/clear_refs").write_text("5")  # the peak is what is resident now
    before = resident("VmRSS")
    call(name, h, classes)
    return resident("VmHWM") - before


def measured(n: int) -> dict[str, dict | None]:
    """Of each row: loss, quartiles of milliseconds, median of megabytes; None if not installed."""
    found: dict[str, dict | None] = dict.fromkeys(ROWS)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as fresh:
        for name, times in timed(n).items():
            loss, mb = float(call(name, *inputs(n))[0]), fresh.map(rise, [name] * PROCESSES, [n] * PROCESSES)
            found[name] = {"loss": loss, "ms": statistics.quantiles(times, n=4), "mb": statistics.median(mb)}
    return found


def table(sizes: dict[str, dict[str, dict | None]]) -> str:
    """A row for each size and way; ratios are to the first of the same n."""
    lines = []
    for n, rows in sizes.items():
        for name, row in rows.items():
            cells, first = ["not installed", "", ""], rows[ROWS[0]]
            if row and first:
                low, mid, high = row["ms"]
                cells = [f"{mid:.2f} ({low:.2f} to {high:.2f})", f"{mid / first['ms'][1]:.1f}", f"{row['mb']:.1f}"]
            lines.append([f"n = {n}, {name}", *cells])
    return markdown_table([HEADER, "ms, median (quartiles)", "times the first", "peak, MB"], lines)


def main() -> None:
    """Measure, print and write."""
    torch.set_num_threads(1)
    out = {"command": "python scripts/benchmarks/graph_speed.py", "figure": HEADER} | machine() | {"threads": torch.get_num_threads()}
    out |= {"pytorch-metric-learning": version("pytorch-metric-learning") if ContrastiveLoss else None, "repeats": REPEATS}
    out["n"] = {str(n): measured(n) for n in SIZES}
    write_results("graph_speed", out, table(out["n"]))


if __name__ == "__main__":
    run_script(main)
