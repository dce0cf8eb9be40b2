"""Which weights does temporal ensembling get on digits with wrong labels (Fig. 4)? Chosen on validation images, whose labels are right.

python scripts/studies/fig4.py search -> results/digits_noise_search.json;
  `gan-sntg reproduce fig4-digits` then makes the table and the picture

With `merge`, the graph takes the labels given, wrong ones too, for its classes; without, it asks the teacher alone (Sec. 5.5).
"""

import argparse
import json
from pathlib import Path

from gan_sntg.experiments.search import arguments, grid, machine, tune

RESULTS, RUNS = Path("results"), Path("runs/digits_noise")
SEARCH_SHARE, SEARCH_SEEDS = 0.5, range(100, 101)
ALL_LABELS = "--labels null --epochs 60 --interval_epochs 20 --method.schedule.init_args.epochs 60 --method.stream mixed".split()
ENSEMBLE = ["--config", "configs/digits_20/temporal_ensembling.yaml", *ALL_LABELS, "--method.learning_rate", "0.003"]
ENSEMBLE += "--method.ramp_epochs 20 --method.graph_ramp_epochs 0".split()
CHOSEN = {"consistency_weight": "10"}  # by the search
GRID = {"consistency_weight": ["3", "10", "30", "300"]}
GRAPH_GRID = {"graph_weight": ["0.1", "1", "10"], "margin": ["3.0"]}


def merging(merge: str) -> list[str]:
    """Command-line words of the teacher's graph with `merge` true or false."""
    return ["--method.graph.class_path", "gan_sntg.graph.TeacherGraph", "--method.graph.init_args.merge", merge]


def search(processes: int) -> None:
    """Four weights of R_C without SNTG, then three of R_S on top of `CHOSEN`, at one share and one seed."""
    base = [*ENSEMBLE, "--label_noise", str(SEARCH_SHARE)]
    plain, graph = [*base, "--method.graph_weight", "0"], [*base, *arguments(CHOSEN), *merging("false")]
    found = {"command": "python scripts/studies/fig4.py search", "figure": "validation error, %, averaged weights"} | machine()
    found |= {"label_noise": SEARCH_SHARE}
    for name, words, options in (("TempEns", plain, GRID), ("TempEns + SNTG, teacher alone", graph, GRAPH_GRID)):
        folder = RUNS / "search" / name.replace(" ", "_")
        found[name] = tune(folder, grid(options), lambda trial, words=words: words + arguments(trial), [SEARCH_SEEDS], processes)
        print(name, found[name]["chosen"], f"{found[name]['trials'][0]['mean']:.2f} %")
    (RESULTS / "digits_noise_search.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["search"])
    parser.add_argument("--processes", type=int, default=2)
    search(parser.parse_args().processes)
