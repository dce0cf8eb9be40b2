"""Time joined passes of the 13-layer network beside separate ones.

python scripts/benchmarks/joined.py [--repeats 5] -> results/joined_speed.json, .md      five minutes on two idle cores

Pi: 100 images with gradients and 50 without, as its student and its targets, in two passes and in one over 150. In one pass batch
statistics are shared, which would have to be split at a further cost. Mean teacher: student and teacher have weights of their own, so a
joined layer is a convolution in two groups; beside it the two convolutions, 50 images each, forward alone, of two layers of the network.
Medians of repeats in which all ways take turns; two threads.
"""

import copy
import statistics
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F

from gan_sntg.benchmarks.timing import seconds_of
from gan_sntg.experiments.report import markdown_table
from gan_sntg.experiments.scripts import machine, run_script, write_results
from gan_sntg.files.memory import reuse_memory
from gan_sntg.networks.classifiers import ConvNet13
from gan_sntg.networks.passes import Precision

CPU = torch.device("cpu")


def ways() -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """By kind of pass: separate ones, and one joined."""
    net = ConvNet13((3, 32, 32), 10)
    teacher, x = copy.deepcopy(net).requires_grad_(False), torch.rand(150, 3, 32, 32).to(memory_format=torch.channels_last)
    layers = {}
    for channels, size in ((128, 32), (256, 16)):
        maps = torch.rand(50, 2 * channels, size, size).to(memory_format=torch.channels_last)
        halves = [half.contiguous(memory_format=torch.channels_last) for half in maps.chunk(2, 1)]
        weights = (0.1 * torch.randn(2 * channels, channels, 3, 3)).to(memory_format=torch.channels_last)
        layers[f"mean teacher, {channels} maps of {size} x {size}"] = (
            partial(both, halves, weights.chunk(2)),
            partial(F.conv2d, maps, weights, padding=1, groups=2),
        )

    def forward(images: torch.Tensor) -> torch.Tensor:
        return teacher(images)[1]

    def trained(images: torch.Tensor, of_loss: int) -> None:
        net.zero_grad()
        net(images)[1][:of_loss].square().sum().backward()

    def separate() -> None:
        trained(x[:100], 100)
        forward(x[100:])

    return {
        "Pi, forward alone": (lambda: (forward(x[:100]), forward(x[100:])), lambda: forward(x)),
        "Pi, forward and backward": (separate, lambda: trained(x, 100)),
        **layers,
    }


def both(halves: list[torch.Tensor], weights: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    """A convolution of student and teacher, each of its own images."""
    return [F.conv2d(half, own, padding=1) for half, own in zip(halves, weights, strict=True)]


def main(repeats: int = 5) -> None:
    """Measure and write both files."""
    reuse_memory()
    torch.set_num_threads(2)
    found, rows = {}, []
    for precision in Precision:
        with precision(CPU):
            calls = {(name, kind): call for name, pair in ways().items() for kind, call in zip(("separate", "joined"), pair, strict=True)}
            seconds: dict[tuple[str, str], list[float]] = {key: [] for key in calls}
            for _ in range(repeats):
                for key, call in calls.items():
                    with torch.set_grad_enabled("backward" in key[0]):
                        seconds[key].append(seconds_of(call))
        for name in dict.fromkeys(name for name, _ in calls):
            separate, joined = (seconds[name, kind] for kind in ("separate", "joined"))
            ratios = [a / b for a, b in zip(separate, joined, strict=True)]
            figures = [f"{1e3 * statistics.median(own):,.0f}" for own in (separate, joined)]
            rows.append([name, precision.value, *figures, f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"])
            found[f"{name}, {precision.value}"] = {"separate": separate, "joined": joined}
    table = markdown_table(["passes", "precision", "separate, ms", "joined, ms", "separate / joined"], rows)
    about = machine(2)
    write_results("joined_speed", about | {"seconds": found}, f"{about['machine']}, PyTorch {about['torch']}\n\n{table}")


if __name__ == "__main__":
    run_script(main)
