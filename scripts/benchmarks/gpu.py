"""One sitting on a GPU: equality, timings, then experiments, as long as the minutes last.

python scripts/benchmarks/gpu.py [--minutes 12]      where there is a GPU -> results/gpu/sitting.json and what each part writes there
python scripts/benchmarks/gpu.py --dry               the same way through on a CPU, with tiny settings -> runs/dry/results

gpu.yaml beside it says what is done, the first part first. Each is a program of its own, told to save and end before the minutes are over.
sitting.json keeps every try of a part with its command, machine, seconds and end; a part that ended well is not done again, one that was
stopped goes on from its checkpoints in the folder --runs, and so in the next sitting.
"""

import hashlib
import math
import shlex
import subprocess
import time
from argparse import ArgumentParser
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatch
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import torch

from gan_sntg.commands import reproduce
from gan_sntg.errors import InputError
from gan_sntg.experiments.executors import begin, last_line, unfinished
from gan_sntg.experiments.grid import load_grid
from gan_sntg.experiments.plan import Cell, Plan, make_plan
from gan_sntg.experiments.report import write_report
from gan_sntg.experiments.results import collect
from gan_sntg.experiments.scripts import run_script
from gan_sntg.files.atomic import write_atomically
from gan_sntg.files.json_files import json_text, read_json
from gan_sntg.files.yaml_files import load_yaml
from gan_sntg.runs.folder import RunFolder, environment
from gan_sntg.runs.seeds import cores
from gan_sntg.runs.stopping import LATER

GRACE = 20.0  # seconds to save in, once told to stop
SLICE = 570.0  # seconds of a program at most
SEEDS = 4  # words of a cell at the end: its seed and that of its labels


class Part(NamedTuple):
    """What to do: words of a module, or of `reproduce`, whose report is then made.

    {out}, {runs} and {minutes} in the words are the folders and the time left. Cells of a grid train all their seeds as one program.
    minutes: without which it is not begun; after: the part that must be done before.
    """

    name: str
    run: str = ""
    grid: str = ""
    minutes: float = 1.0
    after: str = ""


class Sitting:
    """Parts within a time, and the record of what was done in this and earlier ones."""

    def __init__(self, out: Path, runs: Path, end: float, device: torch.device):
        """out, runs: folders, which are made; end: of all, in seconds since 1970."""
        for folder in (out, runs):
            folder.mkdir(parents=True, exist_ok=True)
        self.out, self.runs, self.end, self.device, self.file = out, runs, end, device, out / "sitting.json"
        self.tries: dict[str, list[dict]] = read_json(self.file) if self.file.is_file() else {}

    @property
    def left(self) -> float:
        """Seconds."""
        return self.end - time.time()

    def done(self, part: Part) -> bool:
        """Whether its last try ended well, with the words that it has now."""
        last = self.tries.get(part.name, [{}])[-1]
        return last.get("status") == 0 and last["words"] == part.run + part.grid

    def take(self, parts: Iterable[Part]) -> None:
        """Do what is not done and there is time for, and write the record after each try."""
        done = {}
        for part in parts:
            done[part.name] = self.done(part)
            if done[part.name] or not done.get(part.after, True):
                print(f"{part.name}: {'done before' if done[part.name] else f'not before {part.after}'}", flush=True)
            while not done[part.name] and done.get(part.after, True) and self.left > 60 * part.minutes:
                status = self.attempt(part)
                done[part.name] = status == 0
                if status != LATER:
                    break

    def attempt(self, part: Part) -> int:
        """Do a part as long as a slice lasts; its exit status."""
        began, stamp = time.time(), datetime.now(UTC).isoformat(timespec="seconds")
        try:
            found = self.train(part) if part.grid else self.call(part.name, self.words(part.run))
        except InputError as error:
            found = {"command": part.run + part.grid, "status": 2, "message": str(error)}
        found = {"words": part.run + part.grid, "began": stamp, "seconds": round(time.time() - began, 1)} | found
        self.tries.setdefault(part.name, []).append(found | {"environment": environment(self.device)})
        write_atomically(self.file, (json_text(self.tries) + "\n").encode())
        print(f"{part.name}: status {found['status']} after {found['seconds']:.0f} s: {found['message']}", flush=True)
        return found["status"]

    def words(self, text: str) -> list[str]:
        """The words of a part with what stands for {out}, {runs} and {minutes}."""
        return [word.format(out=self.out, runs=self.runs, minutes=f"{self.minutes():.2f}") for word in shlex.split(text)]

    def minutes(self) -> float:
        """Those that a program that can stop by itself may take."""
        return max(0.01, (min(self.left, SLICE) - 2 * GRACE) / 60)

    def call(self, name: str, words: list[str], threads: int | None = None) -> dict:
        """Run a module until it ends or must; its command, status and last line."""
        log = self.runs / f"{name}.log"
        child = begin(words[1:], 1, threads or cores(), log, words[0])
        status = ended(child, time.time() + min(self.left, SLICE))
        return {"command": shlex.join(["python", "-m", *words]), "status": status, "message": last_line(log)}

    def train(self, part: Part) -> dict:
        """Train a grid, each cell's seeds as one program, and write the report of what is finished."""
        plan = planned(part, self.words(part.grid), self.out, self.runs)
        found = {"status": 0, "message": "finished"}
        for _, group in groupby(plan.cells, lambda cell: cell.name):
            if (cells := unfinished(list(group))) and found["status"] != LATER:
                last = self.call(part.name, train_words(cells, plan.options.threads, self.minutes()), plan.options.threads)
                found = last if last["status"] else found
        if results := collect(plan):
            write_report(plan, results, 0)
        return found | {"command": plan.command, "runs": {str(cell.folder): progress_of(cell) for cell in plan.cells}}


def ended(child: subprocess.Popen, end: float) -> int:
    """Exit status of a program, told to save GRACE before `end` and killed at it; LATER where it was."""
    stopped = False
    for limit, stop in ((end - GRACE, child.terminate), (end, child.kill)):
        try:
            status = child.wait(max(0.0, limit - time.time()))
            return LATER if stopped and status < 0 else status
        except subprocess.TimeoutExpired:
            stopped = True
            stop()
    child.wait()
    return LATER


def planned(part: Part, words: list[str], out: Path, runs: Path) -> Plan:
    """The plan of a part's grid, its runs and its report under the part's name. Raises InputError."""
    own = ["--out", str(runs / part.name)]
    at = words.index("--") if "--" in words else len(words)
    options = reproduce.parser().parse_args([*words[:at], *own, *words[at:]])
    plan = make_plan(load_grid(options.grid), options)
    if other := next((cell for cell in plan.cells if cell.first or cell.row.ranks > 1), None):
        raise InputError(f"{part.name}: {other.name} is more than a training; leave it out of the part, and run `gan-sntg reproduce`")
    return replace(plan, report=out / part.name)


def train_words(cells: list[Cell], threads: int, minutes: float) -> list[str]:
    """The module and words that train cells which differ in their seed alone, into their folders."""
    seeds = ",".join(str(cell.seed) for cell in cells)
    given = ["--seeds", seeds, "--data_seeds", seeds, "--out", str(cells[0].folder.parent)]
    return ["gan_sntg", "train", *cells[0].words[:-SEEDS], *given, "--threads", str(threads), "--max_minutes", f"{minutes:.3f}"]


def progress_of(cell: Cell) -> dict:
    """How far a run is, by its last record, and what it computes with and on; {} before its first step."""
    folder = RunFolder(cell.folder)
    if not folder.split.is_file():
        return {}
    of = {"precision": cell.config["precision"], "split_sha256": hashlib.sha256(folder.split.read_bytes()).hexdigest()}
    last = folder.read_result() | {"finished": True} if folder.finished else (folder.rows() or [{}])[-1]
    kept = ("epoch", "epochs", "seconds", "finished", *(name for name in last if name.endswith("_error/averaged")))
    return {name: last[name] for name in kept if name in last} | of


def parts_of(file: Path, kind: str) -> list[Part]:
    """The parts of a kind of sitting, in their order."""
    return [Part(name, **given) for name, given in load_yaml(file)[kind].items()]


def main(minutes: float, out: str | None, runs: str | None, only: list[str], again: list[str], dry: bool) -> None:
    """Sit. Raises InputError where there is no GPU and none is asked to be imitated."""
    end = time.time() + 60 * minutes
    if not math.isfinite(minutes) or minutes <= 0:
        raise InputError(f"--minutes is {minutes}; give more than 0")
    if not dry and not torch.cuda.is_available():
        raise InputError("PyTorch finds no CUDA device here, which a sitting measures; start it where there is one, or try it with --dry")
    parts = parts_of(Path(__file__).with_suffix(".yaml"), "dry" if dry else "gpu")
    chosen = [part for part in parts if any(fnmatch(part.name, pattern) for pattern in only)]
    sitting = Sitting(
        Path(out or ("runs/dry/results" if dry else "results/gpu")),
        Path(runs or ("runs/dry" if dry else "runs/gpu")),
        end,
        torch.device("cpu" if dry else "cuda"),
    )
    for part in parts:
        if any(fnmatch(part.name, pattern) for pattern in again):
            sitting.tries.pop(part.name, None)
    sitting.take(chosen)
    print(f"{sitting.left / 60:.1f} of {minutes:g} min left; {sitting.file}")


def parser() -> ArgumentParser:
    """The options of a sitting."""
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=12.0, help="of all, within which everything is saved")
    parser.add_argument("--out", help="folder of results; default results/gpu, with --dry runs/dry/results")
    parser.add_argument("--runs", help="folder of runs and logs; default runs/gpu, with --dry runs/dry")
    parser.add_argument("--only", nargs="+", default=["*"], help="parts whose names match, with * and ?")
    parser.add_argument("--again", nargs="+", default=[], help="parts to do once more, though they are done")
    parser.add_argument("--dry", action="store_true", help="tiny parts, on the CPU")
    return parser


if __name__ == "__main__":
    run_script(main, parser())
