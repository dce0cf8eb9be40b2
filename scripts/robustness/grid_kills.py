"""Reports of a grid that is killed, and of one on a Ray cluster that loses a worker.

python scripts/robustness/grid_kills.py     -> results/grid_kills.json, .md

`whole` is `gan-sntg reproduce digits --seeds 0..1` in one go; `killed` got a SIGKILL after a third and two thirds of its cells; `ray` ran
on two workers of one CPU (Ray's own cluster for tests), one of which was taken away after a third. Reports in Markdown, CSV and LaTeX are
compared byte by byte, JSON but for seconds.
"""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from ray.cluster_utils import Cluster

from gan_sntg.errors import UnhealthyError
from gan_sntg.experiments.report import markdown_table
from gan_sntg.experiments.scripts import run_script, write_results

RUNS, SEEDS, CELLS = Path("runs/grid_kills"), "0..1", 28
COMMAND = [sys.executable, "-m", "gan_sntg", "reproduce", "digits", "--seeds", SEEDS]
HEAD = ["digits, seeds 0..1", "cells finished", "Markdown, CSV and LaTeX equal", "JSON equal but for seconds"]


def start(name: str, *words: str) -> subprocess.Popen:
    """The command in the background; what it says goes to <name>.log."""
    RUNS.mkdir(parents=True, exist_ok=True)
    with (RUNS / f"{name}.log").open("a") as log:
        return subprocess.Popen([*COMMAND, "--out", str(RUNS / name), *words], stdout=log, stderr=log)


def await_cells(name: str, n: int, running: subprocess.Popen) -> None:
    """Wait until n cells are finished, or the command ended."""
    while len([*(RUNS / name).rglob("result.json")]) < n and running.poll() is None:
        time.sleep(0.2)


def killed() -> None:
    """A grid that is killed twice."""
    for share in (1 / 3, 2 / 3):
        running = start("killed")
        await_cells("killed", int(CELLS * share), running)
        running.send_signal(signal.SIGKILL)
        running.wait()
    finish(start("killed"))


def on_ray() -> None:
    """A grid on two workers, one of which is taken away."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    workers = [cluster.add_node(num_cpus=1) for _ in range(2)]
    running = start("ray", "--engine", "ray", "--address", cluster.address)
    await_cells("ray", CELLS // 3, running)
    cluster.remove_node(workers[0], allow_graceful=False)
    cluster.add_node(num_cpus=1)
    finish(running)
    cluster.shutdown()


def finish(running: subprocess.Popen) -> None:
    """Wait for the end. Raises UnhealthyError where the command fails."""
    if running.wait():
        raise UnhealthyError(f"the command ended with {running.returncode}; see the logs in {RUNS}")


def report(name: str) -> tuple[list[str], dict]:
    """The texts of the report, and its JSON without seconds."""
    folder = RUNS / name / "report"
    made = json.loads((folder / "digits.json").read_text())
    for cell in made["cells"].values():
        del cell["seconds"]
    return [(folder / f"digits.{kind}").read_text() for kind in ("md", "csv", "tex")], made


def main() -> None:
    """Run all three, those that are finished are only read, and write down what is equal."""
    finish(start("whole"))
    (texts, figures), out = report("whole"), {}
    for name, make in {"killed": killed, "ray": on_ray}.items():
        if not (RUNS / name / "report" / "digits.json").exists():
            make()
        again, made = report(name)
        cells = sorted(f"{path.parent.parent.name}/{path.parent.name}" for path in (RUNS / name).rglob("result.json"))
        out[name] = {"texts equal": again == texts, "figures equal": made == figures, "cells": len(cells), "once": len(set(cells)) == CELLS}
    rows = [[name, *(str(way[key]) for key in ("cells", "texts equal", "figures equal"))] for name, way in out.items()]
    write_results("grid_kills", {"command": "python scripts/robustness/grid_kills.py", "ways": out}, markdown_table(HEAD, rows))


if __name__ == "__main__":
    run_script(main)
