"""Does a run that is killed at any moment end as one that never was? 50 SIGKILLs of short digits runs, each resumed.

python scripts/robustness/kills.py [--kills 50] [--seed 0]     -> results/kills.json, .md      about five minutes on one thread

FM-GAN + SNTG and each discriminative method take turns. Each run is killed after a random part of the time that a whole one takes, once
to three times, and then left to end: its last checkpoint (weights, optimizers, averages, generators, order of the data) and metrics.jsonl
must be byte for byte those of a run that was not stopped, times aside, and TensorBoard must show no step twice.
"""

import argparse
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

from gan_sntg.commands.main import main as command
from gan_sntg.experiments.search import machine, write
from gan_sntg.runs.folder import RunFolder

METHODS = ("fm_gan", "supervised", "pi_model", "temporal_ensembling", "mean_teacher", "vat_ent")
RUNS = Path("runs/kills")
CARE = "--epochs 10 --interval_epochs 2 --checkpoint_minutes 0.002 --threads 1 --device cpu".split()


def train(method: str, out: Path, seconds: float | None) -> bool:
    """Train in a process of its own, killed after so many seconds; whether it ended by itself, well."""
    child = os.fork()
    if not child:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1), os.dup2(quiet, 2)
        os._exit(command(["train", "--config", f"configs/digits_20/{method}.yaml", *CARE, "--out", str(out)]))
    if seconds is not None:
        time.sleep(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"{out}: exit status {os.WEXITSTATUS(status)}; run the command by hand to see why")
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
        return (
            f"{tree.dtype}{list(tree.shape)}{tree.contiguous().flatten().view(torch.uint8).numpy().tobytes().hex() if tree.numel() else ''}"
        )
    if isinstance(tree, dict):
        return "{" + ",".join(f"{key}:{as_text(value)}" for key, value in tree.items()) + "}"
    return "[" + ",".join(map(as_text, tree)) + "]" if isinstance(tree, list | tuple) else repr(tree)


def later(folder: RunFolder) -> None:
    """Date event files a minute back: TensorBoard reads them in the order of names that count seconds."""
    for path in [*folder.tensorboard.glob("events.out.*")]:
        seconds = path.name.split(".")[3]
        path.rename(path.with_name(path.name.replace(seconds, str(int(seconds) - 60), 1)))


def main(kills: int, seed: int) -> None:
    """Kill, resume, compare, and write both files."""
    torch.set_num_threads(1)
    shutil.rmtree(RUNS, ignore_errors=True)
    chance, whole, lasts = random.Random(seed), {}, {}
    for method in METHODS:
        whole[method], began = RunFolder(RUNS / "whole" / method), time.perf_counter()
        train(method, whole[method].path, None)
        lasts[method] = time.perf_counter() - began
    done, rows, steps = 0, [], Counter()
    while done < kills:
        method = METHODS[len(rows) % len(METHODS)]
        folder = RunFolder(RUNS / str(len(rows)) / method)
        planned, killed = min(chance.randint(1, 3), kills - done), []
        for _ in range(planned):
            if train(method, folder.path, chance.uniform(0, lasts[method])):
                break
            later(folder)
            killed.append(folder.rows()[-1]["step"] if folder.rows() else 0)
        if not killed:
            shutil.rmtree(folder.path)
            continue
        train(method, folder.path, None)
        rows.append({"method": method, "killed after the log of step": killed, "differs in": differences(whole[method], folder)})
        done += len(killed)
        steps[method] += len(killed)
        print(rows[-1], flush=True)
    equal = [row for row in rows if not row["differs in"]]
    found = {"command": f"python scripts/robustness/kills.py --kills {kills} --seed {seed}"} | machine()
    write("kills", found | {"kills": done, "runs": len(rows), "equal": len(equal), "of each method": steps, "rows": rows})
    each = ", ".join(f"{method} {n}" for method, n in steps.items())
    text = f"{done} SIGKILLs of {len(rows)} runs ({each}): {len(equal)} of {len(rows)} end as if never stopped.\n"
    Path("results/kills.md").write_text(text)
    print(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    main(arguments.kills, arguments.seed)
