"""Is FM-GAN better than the labels alone on digits with 20 labels, and does SNTG help?

python scripts/digits.py search    tunes the three methods on validation images -> results/digits_20_search.json
python scripts/digits.py table     10 paired seeds on the test images           -> results/digits_20.json, .md
"""

import argparse
import json
import platform
import random
from importlib.metadata import version
from itertools import product
from pathlib import Path

from gan_sntg.commands.study import paired, run_all, summary

CONFIGS, RESULTS, RUNS = Path("configs/digits_20"), Path("results"), Path("runs/digits_20")
SEARCH_SEEDS, FINAL_SEEDS, TABLE_SEEDS = range(100, 103), range(100, 109), range(10)
METHODS = {
    "supervised": ["--config", str(CONFIGS / "supervised.yaml")],
    "fm_gan": ["--config", str(CONFIGS / "fm_gan.yaml"), "--method.graph_weight", "0"],
    "fm_gan_sntg": ["--config", str(CONFIGS / "fm_gan.yaml")],
}
# The same eight trials for supervised and FM-GAN: learning rate and its decay.
BASE_GRID = {"learning_rate": ["0.0003", "0.001", "0.003", "0.01"], "decay_epochs": ["null", "150"]}
# SNTG's options, from which a seeded random search draws 12; all else is FM-GAN's choice.
GRAPH_GRID = {
    "graph_weight": ["0.03", "0.1", "0.3", "1.0"],
    "graph_start_epochs,graph_ramp_epochs": ["0,75", "0,150", "50,50"],
    "margin": ["1.0", "3.0"],
    "teacher": ["SecondPass", "Averaged", "Ensemble"],
    "pairing": ["Halves", "AllPairs"],
}
MODULES = {"teacher": "gan_sntg.teachers.", "pairing": "gan_sntg.core.graph."}


def machine() -> dict:
    """What the figures were measured on."""
    return {"machine": f"{platform.machine()}, one CPU thread a run", "torch": version("torch")}


def arguments(trial: dict[str, str]) -> list[str]:
    """Command-line words of a trial's options."""
    words = []
    for names, values in trial.items():
        for name, value in zip(names.split(","), values.split(","), strict=True):
            words += [f"--method.{name}", MODULES.get(name, "") + value]
    return words


def grid(options: dict[str, list[str]]) -> list[dict[str, str]]:
    """Every combination."""
    return [dict(zip(options, values, strict=True)) for values in product(*options.values())]


def label(trial: dict[str, str]) -> str:
    """A folder name."""
    return "-".join(value.replace(",", "_") for value in trial.values())


def tune(name: str, base: list[str], trials: list[dict[str, str]], processes: int) -> dict:
    """Validation errors of every trial at 3 seeds, then of the best four at 9; the best mean of the nine is chosen."""
    scores: dict[str, dict[int, float]] = {label(trial): {} for trial in trials}
    for seeds in (SEARCH_SEEDS, FINAL_SEEDS):
        jobs, keys = {}, {}
        for trial, seed in product(trials, seeds):
            out = str(RUNS / "search" / name / label(trial) / str(seed))
            options = f"--validation true --interval_epochs 50 --seed {seed} --data_seed {seed}"
            jobs[out] = [*base, *arguments(trial), *options.split()]
            keys[out] = (label(trial), seed)
        for out, result in run_all(jobs, processes).items():
            key, seed = keys[out]
            scores[key][seed] = result["validation_error"]
        trials = sorted(trials, key=lambda trial: sum(scores[label(trial)].values()) / len(scores[label(trial)]))[:4]
    rows = [{"trial": key, "errors": list(by_seed.values())} | summary(list(by_seed.values())) for key, by_seed in scores.items()]
    best = min((row for row in rows if row["n"] == len(FINAL_SEEDS)), key=lambda row: row["mean"])
    chosen = next(trial for trial in trials if label(trial) == best["trial"])
    return {"chosen": chosen, "trials": sorted(rows, key=lambda row: (-row["n"], row["mean"]))}


def search(processes: int) -> None:
    """Tune supervised and FM-GAN with equal budgets, then SNTG on top of FM-GAN's choice."""
    drawn = random.Random(0).sample(grid(GRAPH_GRID), 12)
    found = {name: tune(name, METHODS[name], grid(BASE_GRID), processes) for name in ("supervised", "fm_gan")}
    base = METHODS["fm_gan"][:2] + arguments(found["fm_gan"]["chosen"])
    found["fm_gan_sntg"] = tune("fm_gan_sntg", base, drawn, processes)
    header = {"command": "python scripts/digits.py search", "figure": "validation error, %, averaged weights"} | machine()
    (RESULTS / "digits_20_search.json").write_text(json.dumps(header | found, indent=1) + "\n")
    for name, result in found.items():
        print(name, result["chosen"], f"{result['trials'][0]['mean']:.2f} %")


def table(processes: int) -> None:
    """Ten paired seeds of each method: one label draw and one run's seed a pair."""
    jobs = {
        str(RUNS / name / str(seed)): [*words, *f"--interval_epochs 50 --seed {seed} --data_seed {seed}".split()]
        for name, words in METHODS.items()
        for seed in TABLE_SEEDS
    }
    results = run_all(jobs, processes)
    runs = {name: [results[str(RUNS / name / str(seed))] for seed in TABLE_SEEDS] for name in METHODS}
    out = {"command": "python scripts/digits.py table", "figure": "test error, %"} | machine() | {"methods": {}, "paired": {}}
    for name, found in runs.items():
        errors = {kind: [r[f"test_error_{kind}"] for r in found] for kind in ("averaged", "last")}
        seconds = summary([r["seconds"] for r in found])
        out["methods"][name] = {kind: {"errors": e} | summary(e) for kind, e in errors.items()} | {"seconds": seconds}
    averaged = {name: method["averaged"]["errors"] for name, method in out["methods"].items()}
    for a, b in (("supervised", "fm_gan"), ("fm_gan", "fm_gan_sntg")):
        out["paired"][f"{b} - {a}"] = paired(averaged[a], averaged[b])
    (RESULTS / "digits_20.json").write_text(json.dumps(out, indent=1) + "\n")
    (RESULTS / "digits_20.md").write_text(markdown(out))
    print(markdown(out))


def markdown(out: dict) -> str:
    """The table of the README."""
    lines = ["| digits, 20 labels, 10 seeds | averaged weights, % | last weights, % | s a run, one thread |", "| --- | --- | --- | --- |"]
    for name, m in out["methods"].items():
        averaged, last = (f"{m[kind]['mean']:.2f} ± {m[kind]['std']:.2f}" for kind in ("averaged", "last"))
        lines.append(f"| {name} | {averaged} | {last} | {m['seconds']['mean']:.0f} |")
    lines += ["", "| paired difference | mean | 95 % interval |", "| --- | --- | --- |"]
    for name, d in out["paired"].items():
        lines.append(f"| {name} | {d['mean']:+.2f} | {d['interval'][0]:+.2f} to {d['interval'][1]:+.2f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["search", "table"])
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    {"search": search, "table": table}[options.what](options.processes)
