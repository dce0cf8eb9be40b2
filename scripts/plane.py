"""Does SNTG help the Pi model on two moons and four spins with 12 labels (Sec. 5.1)?

python scripts/plane.py search    tunes Pi, then SNTG, on validation points -> results/plane_search.json
python scripts/plane.py table     10 paired seeds on the test points           -> results/plane.json, .md and docs/fig2.png (seed 0)
"""

import argparse
import json
import platform
from importlib.metadata import version
from itertools import product
from pathlib import Path

from fig2 import panel

from gan_sntg.commands.study import paired, run_all, summary
from gan_sntg.scatter import save_regions

RESULTS, RUNS = Path("results"), Path("runs/plane")
CELLS = ("two_moons_12", "four_spins_12")
SEARCH_SEEDS, TABLE_SEEDS, SHOWN_SEED = range(100, 103), range(10), 0
METHODS = {
    "supervised": ["supervised.yaml"],
    "pi_model": ["pi_model.yaml", *"--method.graph_weight 0 --method.graph_ramp_epochs 0".split()],  # one run, however SNTG is set
    "pi_model_sntg": ["pi_model.yaml"],
}
# Trials, as words of the command line: of Pi on each set, then of SNTG on top of Pi's choice.
PI_TRIALS = {
    "two_moons_12": [f"--method.max_weight {w} --method.net.init_args.noise {s}" for w in (3, 10, 30, 100) for s in (0.07, 0.15)],
    "four_spins_12": [f"--method.max_weight {w} --method.net.init_args.noise 0.15" for w in (30, 100)],
}
SNTG_TRIALS = {
    "two_moons_12": [f"--method.graph_weight {w} --method.graph_ramp_epochs {t}" for w, t in ((0.1, 0), (0.4, 0), (0.1, 30), (1, 30))],
    "four_spins_12": [f"--method.graph_weight {w} --method.graph_ramp_epochs 30" for w in (0.1, 1)],
}


def machine() -> dict:
    """What the figures were measured on."""
    return {"machine": f"{platform.machine()}, one CPU thread a run", "torch": version("torch")}


def words(cell: str, name: str) -> list[str]:
    """Command-line words of a method on a data set, as its configuration has it."""
    config, *others = METHODS[name]
    return ["--config", f"configs/{cell}/{config}", *others]


def tune(name: str, base: list[str], trials: list[str], processes: int) -> dict:
    """Validation errors of every trial at the three seeds of the search; the least mean is chosen."""
    folders = {t: [str(RUNS / "search" / name / "-".join(t.split()[1::2]) / str(seed)) for seed in SEARCH_SEEDS] for t in trials}
    jobs = {
        out: [*base, *trial.split(), *f"--validation true --seed {seed} --data_seed {seed}".split()]
        for trial, outs in folders.items()
        for seed, out in zip(SEARCH_SEEDS, outs, strict=True)
    }
    results = run_all(jobs, processes)
    errors = {trial: [results[out]["validation_error"] for out in outs] for trial, outs in folders.items()}
    rows = sorted(({"trial": trial, "errors": e} | summary(e) for trial, e in errors.items()), key=lambda row: row["mean"])
    print(name, rows[0])
    return {"chosen": rows[0]["trial"], "trials": rows}


def search(processes: int) -> None:
    """On each set tune Pi, then SNTG on top of Pi's choice; the supervised baseline stays as configured."""
    out = {"command": "python scripts/plane.py search", "figure": "validation error, %, averaged weights"} | machine()
    for cell in CELLS:
        found = tune(f"{cell}/pi_model", words(cell, "pi_model"), PI_TRIALS[cell], processes)
        base = words(cell, "pi_model_sntg") + found["chosen"].split()
        out[cell] = {"pi_model": found, "pi_model_sntg": tune(f"{cell}/pi_model_sntg", base, SNTG_TRIALS[cell], processes)}
    (RESULTS / "plane_search.json").write_text(json.dumps(out, indent=1) + "\n")


def table(processes: int) -> None:
    """Ten paired seeds of each method on each set: one label draw and one run's seed a pair."""
    out = {"command": "python scripts/plane.py table", "figure": "test error, %"} | machine() | {"cells": {}}
    for cell in CELLS:
        jobs = {
            folder(cell, name, seed): [*words(cell, name), *f"--interval_epochs 30 --seed {seed} --data_seed {seed}".split()]
            for name, seed in product(METHODS, TABLE_SEEDS)
        }
        out["cells"][cell] = compared(cell, run_all(jobs, processes))
    (RESULTS / "plane.json").write_text(json.dumps(out, indent=1) + "\n")
    (RESULTS / "plane.md").write_text(markdown(out["cells"]))
    print(markdown(out["cells"]))
    save_regions(Path("docs/fig2.png"), [panel(folder(cell, name, SHOWN_SEED)) for cell in CELLS for name in list(METHODS)[1:]])


def folder(cell: str, name: str, seed: int) -> str:
    """Of a run of the table."""
    return str(RUNS / cell / name / str(seed))


def compared(cell: str, results: dict[str, dict]) -> dict:
    """Errors and seconds of each method on a set, and the differences to the method before it, from results by run folder."""
    runs = {name: [results[folder(cell, name, seed)] for seed in TABLE_SEEDS] for name in METHODS}
    out = {"methods": {}, "paired": {}}
    for name, found in runs.items():
        errors = {kind: [r[f"test_error_{kind}"] for r in found] for kind in ("averaged", "last")}
        seconds = summary([r["seconds"] for r in found])
        out["methods"][name] = {kind: {"errors": e} | summary(e) for kind, e in errors.items()} | {"seconds": seconds}
    for a, b in (("supervised", "pi_model"), ("pi_model", "pi_model_sntg")):
        out["paired"][f"{b} - {a}"] = paired(*(out["methods"][name]["averaged"]["errors"] for name in (a, b)))
    return out


def markdown(cells: dict[str, dict]) -> str:
    """The tables of the README."""
    lines = ["| 10 seeds | averaged weights, % | last weights, % | s a run, one thread |", "| --- | --- | --- | --- |"]
    for cell, name, m in ((cell, *item) for cell, found in cells.items() for item in found["methods"].items()):
        averaged, last = (f"{m[kind]['mean']:.2f} ± {m[kind]['std']:.2f}" for kind in ("averaged", "last"))
        lines.append(f"| {cell}, {name} | {averaged} | {last} | {m['seconds']['mean']:.0f} |")
    lines += ["", "| paired difference | mean | 95 % interval |", "| --- | --- | --- |"]
    for cell, name, d in ((cell, *item) for cell, found in cells.items() for item in found["paired"].items()):
        lines.append(f"| {cell}, {name} | {d['mean']:+.2f} | {d['interval'][0]:+.2f} to {d['interval'][1]:+.2f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["search", "table"])
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    {"search": search, "table": table}[options.what](options.processes)
