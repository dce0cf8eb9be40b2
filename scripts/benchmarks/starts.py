"""Processor seconds that each command takes to start, and the libraries that it loads by then.

python scripts/benchmarks/starts.py [--repeats 5] -> results/starts.json, .md      four minutes of one core

`gan-sntg --version`, the list of commands, and `gan-sntg COMMAND --help`, each in a process of its own: user and system seconds, medians
and minima of repeats in which all take turns. Beside them Python itself and `import torch`, which what computes cannot do without.
"""

import json
import os
import statistics
import subprocess
import sys

from gan_sntg.__main__ import COMMANDS
from gan_sntg.experiments.report import markdown_table
from gan_sntg.experiments.scripts import machine, run_script, write_results

LIBRARIES = ("torch", "torchvision", "torch_fidelity", "scipy.stats", "sklearn", "matplotlib", "tensorboard", "jsonargparse")
START = """
import contextlib, sys
from gan_sntg.__main__ import main
with contextlib.redirect_stdout(None), contextlib.suppress(SystemExit):
    main(sys.argv[1].split())
"""
CODES = {"Python": "", "import torch": "import torch", "--version": START, "--help": START}
CODES |= {f"{name} --help": START for name in COMMANDS}
REPORT = """
import json, os, sys
used = os.times()
print(json.dumps([used.user + used.system, [name for name in sys.argv[2:] if name in sys.modules]]))
"""


def started(words: str) -> tuple[float, list[str]]:
    """Processor seconds of one start, and the libraries that it loaded."""
    process = [sys.executable, "-c", CODES[words] + REPORT, words, *LIBRARIES]
    seconds, libraries = json.loads(subprocess.run(process, capture_output=True, text=True, check=True).stdout)
    return seconds, libraries


def main(repeats: int = 5) -> None:
    """Measure and write both files."""
    load = os.getloadavg()[0]
    found: dict[str, list[float]] = {words: [] for words in CODES}
    libraries = {}
    for _ in range(repeats):
        for words, seconds in found.items():
            took, libraries[words] = started(words)
            seconds.append(took)
    rows = [
        [words, f"{statistics.median(seconds):.2f}", f"{min(seconds):.2f}", ", ".join(libraries[words]) or "none of these"]
        for words, seconds in found.items()
    ]
    command = f"python scripts/benchmarks/starts.py --repeats {repeats}"
    about = {"command": command, "load_before": load, "load_after": os.getloadavg()[0]} | machine()
    table = markdown_table(["start of", "processor seconds, median", "least", "loads of the large libraries"], rows)
    write_results("starts", about | {"seconds": found, "libraries": libraries}, table)


if __name__ == "__main__":
    run_script(main)
