"""How far does each method bring down the error on digits with 20 labels, and does SNTG help it?

python scripts/digits.py search    tunes on validation images          -> results/digits_20_search.json
python scripts/digits.py table     10 paired seeds on the test images  -> results/digits_20.json, .md

--methods makes some rows anew and keeps the others; each row notes the command that made it.
"""

import argparse
import json
import random
from pathlib import Path

from gan_sntg.commands.study import Trial, grid, machine, paired, run_all, summary, tune

CONFIGS, RESULTS, RUNS = Path("configs/digits_20"), Path("results"), Path("runs/digits_20")
SEARCH_SEEDS, FINAL_SEEDS, TABLE_SEEDS = range(100, 103), range(100, 109), range(10)
FAMILY = ("supervised", "pi_model", "temporal_ensembling", "mean_teacher", "vat", "vat_ent", "fm_gan")
SNTG = "_sntg"  # what the name of a row with SNTG ends in
METHODS = [row for name in FAMILY for row in (name, name + SNTG)]
# Weight of SNTG in the row of the labels alone, whose YAML has none: chosen by the search.
SUPERVISED_SNTG = {"graph_weight": "1.0"}
RATES, CONSISTENCY = ["0.001", "0.003"], ["3", "10", "30"]
GRIDS = {
    "supervised": {"learning_rate": ["0.0003", "0.001", "0.003", "0.01"], "schedule.init_args.epochs": ["null", "150"]},
    "fm_gan": {"learning_rate": ["0.0003", "0.001", "0.003", "0.01"], "decay_epochs": ["null", "150"]},
    "pi_model": {"consistency_weight": CONSISTENCY, "learning_rate": RATES},
    "temporal_ensembling": {"consistency_weight": CONSISTENCY, "learning_rate": RATES},
    "mean_teacher": {"consistency_weight": CONSISTENCY, "learning_rate": RATES},
    "vat": {"epsilon,learning_rate": ["0.1,0.003", "0.25,0.001", "0.25,0.003", "0.5,0.001", "0.5,0.003", "1.0,0.001"]},
    "vat_ent": {"epsilon": ["0.25", "0.5", "1.0"], "entropy_weight": ["0.1", "0.5"]},
}
# SNTG's options of the discriminative family; a search of them starts from the YAML, which holds the choice without SNTG.
GRAPH_GRID = {"graph_weight": ["0.1", "1.0"]}
# SNTG's options of FM-GAN, from which a seeded random search draws 12.
GAN_GRAPH_GRID = {
    "graph_weight": ["0.03", "0.1", "0.3", "1.0"],
    "graph_start_epochs,graph_ramp_epochs": ["0,75", "0,150", "50,50"],
    "margin": ["1.0", "3.0"],
    "teacher": ["SecondPass", "Averaged", "Ensemble"],
    "pairing": ["Halves", "AllPairs"],
}
MODULES = {"teacher": "gan_sntg.teachers.", "pairing": "gan_sntg.core.graph."}


def arguments(trial: Trial) -> list[str]:
    """Command-line words of a trial's options."""
    words = []
    for names, values in trial.items():
        for name, value in zip(names.split(","), values.split(","), strict=True):
            words += [f"--method.{name}", MODULES.get(name, "") + value]
    return words


def command(row: str) -> list[str]:
    """The command line of a row of the table, but for its seeds."""
    words = ["--config", str(CONFIGS / f"{row.removesuffix(SNTG)}.yaml")]
    if not row.endswith(SNTG):
        return [*words, "--method.graph_weight", "0"]
    return words + arguments(SUPERVISED_SNTG if row.startswith("supervised") else {})


def trials_of(row: str) -> list[Trial]:
    """What the search tries."""
    if row == "fm_gan_sntg":
        return random.Random(0).sample(grid(GAN_GRAPH_GRID), 12)
    return grid(GRAPH_GRID if row.endswith(SNTG) else GRIDS[row])


def read(file: str) -> dict:
    """A JSON file of results; empty where there is none yet."""
    path = RESULTS / file
    return json.loads(path.read_text()) if path.exists() else {}


def write(file: str, made: dict) -> None:
    """As JSON."""
    (RESULTS / file).write_text(json.dumps(made, indent=1) + "\n")


def search(rows: list[str], processes: int) -> None:
    """Tune these methods: six trials of each discriminative one and four of its SNTG at 3 seeds.

    Supervised and FM-GAN have eight trials, FM-GAN's SNTG twelve, the best four of each at 9 seeds.
    """
    found = read("digits_20_search.json") | {"figure": "validation error, %, averaged weights"} | machine()
    for row in rows:
        stages = [SEARCH_SEEDS, FINAL_SEEDS] if row in ("supervised", "fm_gan", "fm_gan_sntg") else [SEARCH_SEEDS]
        tuned = tune(RUNS / "search" / row, trials_of(row), lambda trial, row=row: command(row) + arguments(trial), stages, processes)
        found[row] = {"command": f"python scripts/digits.py search --methods {row}"} | tuned
        write("digits_20_search.json", found)
        print(row, tuned["chosen"], f"{tuned['trials'][0]['mean']:.2f} %", flush=True)


def table(rows: list[str], processes: int) -> None:
    """Ten paired seeds of each method: one label draw and one run's seed a pair."""
    jobs = {
        str(RUNS / row / str(seed)): [*command(row), *f"--interval_epochs 50 --seed {seed} --data_seed {seed}".split()]
        for row in rows
        for seed in TABLE_SEEDS
    }
    results = run_all(jobs, processes)
    before = read("digits_20.json")
    methods = {row: {"command": before["command"]} | kept for row, kept in before.get("methods", {}).items()}
    for row in rows:
        found = [results[str(RUNS / row / str(seed))] for seed in TABLE_SEEDS]
        errors = {kind: [r[f"test_error_{kind}"] for r in found] for kind in ("averaged", "last")}
        methods[row] = {"command": f"python scripts/digits.py table --methods {row}"}
        methods[row] |= {kind: {"errors": e} | summary(e) for kind, e in errors.items()}
        methods[row]["seconds"] = summary([r["seconds"] for r in found])
    methods = {row: methods[row] for row in METHODS if row in methods}
    out = {"command": "python scripts/digits.py table", "figure": "test error, %"} | machine()
    out |= {"methods": methods, "paired": differences({row: m["averaged"]["errors"] for row, m in methods.items()})}
    write("digits_20.json", out)
    (RESULTS / "digits_20.md").write_text(markdown(out))
    print(markdown(out))


def differences(errors: dict[str, list[float]]) -> dict[str, dict]:
    """Of every method to the labels alone, then of every one with SNTG to itself without."""
    pairs = [(name, "supervised") for name in FAMILY[1:]] + [(name + SNTG, name) for name in FAMILY]
    return {f"{a} - {b}": paired(errors[b], errors[a]) for a, b in pairs if a in errors and b in errors}


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
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    {"search": search, "table": table}[options.what](options.methods, options.processes)
