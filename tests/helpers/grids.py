"""A grid of tiny runs, an engine in this process, the command in one of its own, and what its reports say."""

import json
import os
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import yaml

from gan_sntg.__main__ import main
from gan_sntg.experiments.executors import Limits, Outcome
from gan_sntg.experiments.plan import Cell
from gan_sntg.runs.stopping import LATER
from helpers import processes

GRID = {
    "title": "error rates (%) of tiny runs",
    "seeds": "0..1",
    "columns": {"tiny": {"name": "tiny digits"}},
    "rows": {
        "fm_gan": {"name": "FM-GAN", "options": "--method.sntg.weight 0", "paper": {"tiny": "12.3 ± 4.5"}},
        "fm_gan_sntg": {"name": "FM-GAN + SNTG", "method": "fm_gan", "against": "fm_gan"},
    },
}
PATHS = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])}


class Here:
    """An engine that runs cells in this process; `fails` maps a cell to how often it fails first."""

    def __init__(self, fails: dict[str, int]):
        self.fails, self.ran = dict(fails), []

    def run(self, cells: list[Cell], limits: Limits):
        for cell in cells:
            name = f"{cell.row.key}/{cell.seed}"
            self.ran.append(name)
            cell.folder.parent.mkdir(parents=True, exist_ok=True)
            if self.fails.get(name, 0):
                self.fails[name] -= 1
                yield Outcome(cell, -9, "killed")
            elif time.time() >= limits.end:
                yield Outcome(cell, LATER, "not begun")
            else:
                words = ["train", *cell.words, "--out", str(cell.folder), "--threads", str(limits.threads)]
                yield Outcome(cell, (main(cell.first) if cell.first else 0) or main(words), "its last line")


def write(files: dict[str, dict]) -> None:
    """Write configurations of the present folder: {path below configs: tree}."""
    for name, tree in files.items():
        path = Path("configs", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(tree, sort_keys=False))


def started(folder: Path, out: str, *words: str) -> BaseProcess:
    """The command in a process of its own, once it has trained a little; what it says is in <out>.said."""

    def trained() -> list[bytes]:
        return [path.read_bytes() for path in sorted((folder / out).rglob("metrics.jsonl"))]

    before = trained()
    running = processes.started(reproduce, [folder, "two", "--out", out, *words], folder / f"{out}.said")
    while trained() == before and running.is_alive():
        time.sleep(0.05)
    return running


def reproduce(words: list[str]) -> int:
    os.chdir(words[0])
    os.environ.update(PATHS)
    return main(["reproduce", *words[1:]])


def finished(running: BaseProcess) -> int | None:
    """Its exit status."""
    running.join(600)
    return running.exitcode


def reports(folder: Path) -> list[str]:
    return [(folder / "report" / f"two.{kind}").read_text() for kind in ("md", "csv", "tex")]


def figures(folder: Path) -> dict:
    """The JSON but for times."""
    made = json.loads((folder / "report" / "two.json").read_text())
    for cell in made["cells"].values():
        del cell["seconds"]
    return made
