"""SIGKILLs of short digits runs at any moment, each resumed, which end as if never stopped.

python scripts/robustness/kills.py [--kills 50] [--seed 0]     -> results/kills.json, .md      about five minutes on one thread

FM-GAN + SNTG and each discriminative method take turns. Each run is killed after a random part of the time that a whole one takes, once
to three times, and then left to end: its last checkpoint (weights, optimizers, averages, generators, order of the data) and metrics.jsonl
must be byte for byte those of a run that was not stopped, times aside, and TensorBoard must show no step twice.
"""

import contextlib
import os
import random
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_sntg.__main__ import main as command
from gan_sntg.errors import UnhealthyError
from gan_sntg.experiments.scripts import machine, run_script, write_results
from gan_sntg.runs.folder import RunFolder

METHODS = ("fm_gan", "supervised", "pi_model", "temporal_ensembling", "mean_teacher", "vat_ent")
RUNS = Path("runs/kills")
OPTIONS = "--epochs 10 --interval_epochs 2 --checkpoint_minutes 0.002 --threads 1 --device cpu".split()


def train(method: str, out: Path, seconds: float | None) -> bool:
    """Train in a process of its own, killed after so many seconds; whether it ended by itself, well."""
    child = os.fork()
    if not child:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        os._exit(command(["train", "--config", f"configs/digits_20/{method}.yaml", *OPTIONS, "--out", str(out)]))
    if seconds is not None:
        time.sleep(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise UnhealthyError(f"{out}: exit status {os.WEXITSTATUS(status)}; run the command by hand to see why")
    return os.WIFEXITED(status)


def differences(a: RunFolder, b: RunFolder) -> list[str]:
    """What of two finished runs is not the same."""
    states = [torch.load(folder.checkpoint, weights_only=True) for folder in (a, b)]
    for state in states:
        del state["progress"]["seconds"]
    found = ["checkpoint"] * (as_text(states[0]) != as_text(states[1]))
    rows = [[{k: v for k, v in row.items() if k != "seconds"} for row in folder.rows()] for folder in (a, b)]
    found += ["metrics"] * (rows[0] != rows[1])
    board = EventAccumulator(str(b.tensorboard), size_guidance={"scalars": 0}).Reload()
    steps = [event.step for event in board.Scalars("test_error/last")]
    return found + ["TensorBoard"] * (steps != [row["step"] for row in rows[1]])


def as_text(tree) -> str:
    """Every byte of a state."""
    if isinstance(tree, torch.Tensor):
        content = tree.contiguous().flatten().view(torch.uint8).numpy().tobytes().hex() if tree.numel() else ""
        return f"{tree.dtype}{list(tree.shape)}{content}"
    if isinstance(tree, dict):
        return "{" + ",".join(f"{key}:{as_text(value)}" for key, value in tree.items()) + "}"
    return "[" + ",".join(map(as_text, tree)) + "]" if isinstance(tree, list | tuple) else repr(tree)


def date_back(folder: RunFolder) -> None:
    """Date event files a minute back: TensorBoard reads them in the order of names that count seconds."""
    for path in [*folder.tensorboard.glob("events.out.*")]:
        seconds = path.name.split(".")[3]
        path.rename(path.with_name(path.name.replace(seconds, str(int(seconds) - 60), 1)))


def kill(method: str, folder: RunFolder, moments: list[float]) -> list[int]:
    """Train a run, killed at each moment (seconds) unless it ends before; the steps logged by then."""
    killed = []
    for moment in moments:
        if train(method, folder.path, moment):
            break
        date_back(folder)
        killed.append(folder.rows()[-1]["step"] if folder.rows() else 0)
    return killed


def main(kills: int = 50, seed: int = 0) -> None:
    """Kill, resume, compare, and write both files."""
    torch.set_num_threads(1)
    shutil.rmtree(RUNS, ignore_errors=True)
    chance, whole, lasts = random.Random(seed), {}, {}
    for method in METHODS:
        whole[method], began = RunFolder(RUNS / "whole" / method), time.perf_counter()
        train(method, whole[method].path, None)
        lasts[method] = time.perf_counter() - began
    rows, steps = [], Counter()
    while steps.total() < kills:
        method = METHODS[len(rows) % len(METHODS)]
        folder = RunFolder(RUNS / str(len(rows)) / method)
        moments = [chance.uniform(0, lasts[method]) for _ in range(min(chance.randint(1, 3), kills - steps.total()))]
        killed = kill(method, folder, moments)
        if not killed:
            shutil.rmtree(folder.path)
            continue
        train(method, folder.path, None)
        rows.append({"method": method, "killed after the log of step": killed, "differs in": differences(whole[method], folder)})
        steps[method] += len(killed)
        print(rows[-1], flush=True)
    equal = [row for row in rows if not row["differs in"]]
    found = {"command": f"python scripts/robustness/kills.py --kills {kills} --seed {seed}"} | machine()
    found |= {"kills": steps.total(), "runs": len(rows), "equal": len(equal), "of each method": steps, "rows": rows}
    each = ", ".join(f"{method} {n}" for method, n in steps.items())
    said = f"{steps.total()} SIGKILLs of {len(rows)} runs ({each}): {len(equal)} of {len(rows)} end as if never stopped."
    write_results("kills", found, said)


if __name__ == "__main__":
    run_script(main)
