"""How well does each method stand wrong labels (Fig. 4)? Digits, every label known, a share of them drawn anew from all classes.

python scripts/fig4.py search    chooses weights on validation images, whose labels are right -> results/digits_noise_search.json
python scripts/fig4.py table     3 seeds a method and share on the test images -> results/digits_noise.json, .md, docs/fig4.png

With `merge`, the graph takes the labels given, wrong ones too, for its classes; without, it asks the teacher alone (Sec. 5.5).
"""

import argparse
import json
from pathlib import Path

from gan_sntg.commands.study import arguments, grid, machine, run_all, summary, tune
from gan_sntg.figures import save_noise

RESULTS, RUNS = Path("results"), Path("runs/digits_noise")
SHARES, SEEDS = (0.0, 0.2, 0.5, 0.8, 0.9), range(3)
SEARCH_SHARE, SEARCH_SEEDS = 0.5, range(100, 101)
ALL_LABELS = "--labels null --epochs 60 --interval_epochs 20 --method.schedule.init_args.epochs 60 --method.stream mixed".split()
SUPERVISED = ["--config", "configs/digits_20/supervised.yaml", *ALL_LABELS, "--method.learning_rate", "0.003"]
ENSEMBLE = ["--config", "configs/digits_20/temporal_ensembling.yaml", *ALL_LABELS, "--method.learning_rate", "0.003"]
ENSEMBLE += "--method.ramp_epochs 20 --method.graph_ramp_epochs 0".split()
CHOSEN, CHOSEN_SNTG = {"consistency_weight": "10"}, {"graph_weight": "0.1", "margin": "3.0"}  # by the search
GRID = {"consistency_weight": ["3", "10", "30", "300"]}
GRAPH_GRID = {"graph_weight": ["0.1", "1", "10"], "margin": ["3.0"]}


def merging(merge: str) -> list[str]:
    """Command-line words of the teacher's graph with `merge` true or false."""
    return ["--method.graph.class_path", "gan_sntg.core.graphs.TeacherGraph", "--method.graph.init_args.merge", merge]


WITHOUT = [*ENSEMBLE, *arguments(CHOSEN), "--method.graph_weight", "0"]
METHODS = {
    "supervised": SUPERVISED,
    "TempEns": WITHOUT,
    "TempEns + SNTG, merge": [*ENSEMBLE, *arguments(CHOSEN | CHOSEN_SNTG), *merging("true")],
    "TempEns + SNTG, teacher alone": [*ENSEMBLE, *arguments(CHOSEN | CHOSEN_SNTG), *merging("false")],
}


def search(processes: int) -> None:
    """Four weights of R_C without SNTG, then three of R_S on top of `CHOSEN`, at one share and one seed."""
    base = [*ENSEMBLE, "--label_noise", str(SEARCH_SHARE)]
    plain, graph = [*base, "--method.graph_weight", "0"], [*base, *arguments(CHOSEN), *merging("false")]
    found = {"command": "python scripts/fig4.py search", "figure": "validation error, %, averaged weights"} | machine()
    found |= {"label_noise": SEARCH_SHARE}
    for name, words, options in (("TempEns", plain, GRID), ("TempEns + SNTG, teacher alone", graph, GRAPH_GRID)):
        folder = RUNS / "search" / name.replace(" ", "_")
        found[name] = tune(folder, grid(options), lambda trial, words=words: words + arguments(trial), [SEARCH_SEEDS], processes)
        print(name, found[name]["chosen"], f"{found[name]['trials'][0]['mean']:.2f} %")
    (RESULTS / "digits_noise_search.json").write_text(json.dumps(found, indent=1) + "\n")


def table(processes: int) -> None:
    """Accuracies of every method, share and seed; the seed is the run's and that of the noise."""
    places = {
        (name, share, seed): RUNS / f"{k}" / f"{share}" / f"{seed}" for k, name in enumerate(METHODS) for share in SHARES for seed in SEEDS
    }
    jobs = {
        str(place): [*METHODS[name], *f"--label_noise {share} --seed {seed} --data_seed {seed}".split()]
        for (name, share, seed), place in places.items()
    }
    results = run_all(jobs, processes)
    accuracies = {
        name: {share: [100 - results[str(places[name, share, seed])]["test_error_averaged"] for seed in SEEDS] for share in SHARES}
        for name in METHODS
    }
    out = {"command": "python scripts/fig4.py table", "figure": "test accuracy, %, averaged weights"} | machine()
    out["methods"] = {
        name: {str(share): {"accuracies": found} | summary(found) for share, found in row.items()} for name, row in accuracies.items()
    }
    (RESULTS / "digits_noise.json").write_text(json.dumps(out, indent=1) + "\n")
    (RESULTS / "digits_noise.md").write_text(markdown(out))
    print(markdown(out))
    in_percent = {name: {100 * share: found for share, found in row.items()} for name, row in accuracies.items()}
    save_noise(Path("docs/fig4.png"), in_percent, "digits, 1,400 labels")


def markdown(out: dict) -> str:
    """The table of the README."""
    lines = ["| digits, 1,400 labels, of which drawn anew | " + " | ".join(f"{share:.0%}" for share in SHARES) + " |"]
    lines.append("| --- |" + " --- |" * len(SHARES))
    for name, row in out["methods"].items():
        lines.append(f"| {name} | " + " | ".join(f"{m['mean']:.1f} ± {m['std']:.1f}" for m in row.values()) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["search", "table"])
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    {"search": search, "table": table}[options.what](options.processes)
