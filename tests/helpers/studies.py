"""Simulated runs of a study, and what its report says."""

import json
import math
import time
from pathlib import Path

from gan_sntg.experiments.executors import Outcome
from gan_sntg.files.atomic import write_atomically
from gan_sntg.runs.stopping import LATER

SPACE = {
    "method.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
    "steps_per_epoch": {"low": 20, "high": 60},
    "graph": {"off": {}, "on": {"method.sntg.margin": 2.0, "method.sntg.weight": 0.1}},
}
RATE, SEED = "--method.learning_rate", "--seed"
EPOCHS = 3
PACE = 0.001  # seconds of a simulated epoch


def simulated(cell, limits, stop) -> Outcome:
    """Stands for a run: its error hangs on options and seed, falls or rises, and is known after each of three epochs; it can be stopped."""
    words = dict(zip(cell.words[::2], cell.words[1::2], strict=True))
    rate, size, seed = float(words[RATE]), int(words["--steps_per_epoch"]), int(words[SEED])
    cell.folder.mkdir(parents=True, exist_ok=True)
    if rate > 0.02:
        return Outcome(cell, 1, "gan-sntg train: stopped: d/labeled is not finite")
    error, slope = 20 * abs(math.log10(rate / 0.003)) + 20 + seed, (size - 40) / 4
    figure, rows = f"validation_{words.get('--metric', 'error')}", []
    for epoch in range(1, EPOCHS + 1):  # under another metric the error is least where that is most
        value = error + slope * epoch
        rows.append({"epoch": epoch, "step": epoch, "validation_error/averaged": 100 - value} | {f"{figure}/averaged": value})
    for k in range(1, EPOCHS + 1):
        if stop.is_set():
            return Outcome(cell, LATER, "saved")
        write_atomically(cell.folder / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows[:k]).encode())
        time.sleep(PACE * (seed + 1))
    kept = {name: 1.0 for name in ("test_error_last", "test_error_averaged", "seconds", "epochs")}
    result = kept | {"config": {}, "split_sha256": ""} | {name: rows[-1][f"{name}/averaged"] for name in ("validation_error", figure)}
    write_atomically(cell.folder / "result.json", json.dumps(result).encode())
    return Outcome(cell, 0, "")


def study(out: str, name: str = "own") -> dict:
    """What the report says of a study, but for the command."""
    found = json.loads(Path(out, "search.json").read_text())[name]
    return {key: value for key, value in found.items() if key != "command"}
