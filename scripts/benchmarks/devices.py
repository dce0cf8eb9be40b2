"""A GPU against a CPU, term by term: 50 steps of each family in float32.

python scripts/benchmarks/devices.py cpu                       the terms of each step -> runs/devices.json
python scripts/benchmarks/devices.py cuda --out results/gpu    the same on a GPU, compared with that file -> results/gpu/devices.json, .md

Without that file the CPU's steps are taken first; with it, `cpu` compares too. All random numbers are drawn on the CPU. Random images,
batches of 10, ramps past their end. Differences grow with the steps, as those of any two orders of summation do: the first step says
whether the computation is the same, the last that nothing drifts.
"""

import json
import shlex
import sys
import time
from pathlib import Path
from typing import Literal
from unittest.mock import patch

import torch
from jsonargparse import Namespace
from torch import Tensor
from torch.overrides import TorchFunctionMode

from gan_sntg.data import loader
from gan_sntg.errors import InputError
from gan_sntg.experiments.report import markdown_table
from gan_sntg.experiments.scripts import run_script, write_results
from gan_sntg.files.json_files import read_json
from gan_sntg.rng import purpose_generator
from gan_sntg.runs.build import build, parse_run
from gan_sntg.runs.folder import environment
from gan_sntg.training.cuda_graphs import EagerGradients

CELLS = {
    "FM-GAN + SNTG, dense": "configs/mnist_100/fm_gan.yaml",
    "FM-GAN + SNTG, convolutional": "configs/cifar10_4000/fm_gan.yaml",
    "supervised": "configs/cifar10_4000_aug/supervised.yaml",
    "Pi + SNTG": "configs/cifar10_4000_aug/pi_model.yaml",
    "temporal ensembling + SNTG": "configs/cifar10_4000_aug/temporal_ensembling.yaml",
    "mean teacher + SNTG": "configs/svhn_1000_aug/mean_teacher.yaml",
    "VAT + entropy + SNTG": "configs/cifar10_4000_aug/vat_ent.yaml",
}
BATCH = 10


class DrawnOnCpu(TorchFunctionMode):
    """Whatever is drawn from a generator of the CPU for another device is drawn on the CPU, and moved."""

    def __init__(self, device: torch.device):
        """device: that the numbers are for."""
        super().__init__()
        self.device = device

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """The call as it is, or on the CPU."""
        kwargs = kwargs or {}
        if kwargs.get("generator") is None:
            return func(*args, **kwargs)
        if args and isinstance(args[0], Tensor) and func is not torch.randperm:
            filled, *rest = args
            return filled.copy_(func(torch.empty_like(filled, device="cpu"), *rest, **kwargs))
        return func(*args, **kwargs | {"device": "cpu"}).to(self.device)


def trace(file: str, device: str, steps: int) -> tuple[dict[str, list[float]], float]:
    """Each term's values, a step each, and seconds of the steps."""
    parser, options = parse_run(Namespace(device=device, synthetic=True, root=None), file, ["--batch_size", str(BATCH)])
    if options.labeled_batch_size:
        options.labeled_batch_size = BATCH
    on_cpu = patch.object(loader, "purpose_generator", lambda seed, purpose, device: purpose_generator(seed, purpose))
    with on_cpu:
        parts = build(parser, options)
    method = parts.method
    with on_cpu, DrawnOnCpu(parts.device):
        method.gradients, sntg = EagerGradients(), getattr(method, "sntg")  # noqa: B009  not on the base of methods
        pairing = sntg.pairing
        sntg.pairing = lambda n, generator: pairing(n, generator).to(parts.device)
        method.seed(0, "cpu")
        method.start(parts.streams.example(100, "start"))
        found: dict[str, list[Tensor]] = {}
        began = time.perf_counter()
        for _, batch in zip(range(steps), parts.streams.epoch(), strict=False):
            for name, value in method.step(batch, options.epochs * 3 // 4).items():
                found.setdefault(name, []).append(value)
        values = {name: torch.stack(column).tolist() for name, column in found.items()}
    return values, time.perf_counter() - began


def difference(here: dict[str, list[float]], there: dict[str, list[float]], step: int) -> float:
    """The largest relative difference of a term in a step."""
    pairs = [(here[name][step], there[name][step]) for name in there]
    return max(abs(a - b) / max(abs(b), 1e-6) for a, b in pairs)


def traces(families: list[str], device: str, steps: int) -> dict[str, dict[str, list[float]]]:
    """`trace` of each family, with a line of how long it took."""
    found = {}
    for name in families:
        found[name], seconds = trace(CELLS[name], device, steps)
        print(f"{name} on {device}: {seconds:.1f} s", flush=True)
    return found


def compared(found: dict, expected: dict) -> dict[str, dict[str, float]]:
    """Differences in steps 1, 10 and the last, by family. Raises InputError where there are fewer."""
    rows = {}
    for name, here in found.items():
        steps = len(next(iter(here.values())))
        if name not in expected or set(expected[name]) != set(here) or min(map(len, expected[name].values())) < steps:
            raise InputError(f"the CPU's file has not all {steps} steps of {name}; delete it, and it is made anew")
        rows[name] = {f"step {k + 1}": difference(here, expected[name], k) for k in sorted({0, min(9, steps - 1), steps - 1})}
    return rows


def main(
    device: Literal["cpu", "cuda"],
    steps: int = 50,
    families: list[str] | None = None,
    reference: str = "runs/devices.json",
    out: str | None = None,
) -> None:
    """Take the steps, and compare them.

    families: all by default; reference: file of the CPU's steps; out: folder of devices.json and .md, where they are to be written.
    """
    names, file = families or list(CELLS), Path(reference)
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(traces(names, "cpu", steps)))
        if device == "cpu":
            return
    expected, found, here = read_json(file), traces(names, device, steps), environment(torch.device(device))
    rows = compared(found, expected)
    table = markdown_table(
        ["family", *next(iter(rows.values()))], [[name, *(f"{v:.1e}" for v in row.values())] for name, row in rows.items()]
    )
    if not out:
        print(table)
        return
    made = {"environment": here, "command": f"python scripts/benchmarks/devices.py {shlex.join(sys.argv[1:])}", "differences": rows}
    made |= {"terms": {device: found, "reference": {name: expected[name] for name in names}}}
    Path(out).mkdir(parents=True, exist_ok=True)
    heading = f"# Largest relative difference of a term, {here['device']} against CPU, float32"
    write_results("devices", made, f"{heading}\n\n{table}", Path(out))


if __name__ == "__main__":
    run_script(main)
