"""What do the discriminative methods reach on the first 10,000 images of MNIST with 100 labels, with and without SNTG, on a CPU?

python scripts/mnist10k.py search    tunes on validation images         -> results/mnist10k_100_search.json
python scripts/mnist10k.py table     2 paired seeds on the test images  -> results/mnist10k_100.json, .md

Trials of SNTG start from the YAML, which holds the choice without it.
"""

from gan_sntg.commands.comparison import Comparison, without_and_with
from gan_sntg.commands.study import grid

# Runs of the search are 8 epochs long in place of 20, and so are their ramps shorter.
SHORT = (
    "--epochs 8 --method.schedule.init_args.epochs 8 --method.schedule.init_args.up_epochs 2.5 --method.schedule.init_args.down_epochs 2.5"
)
GRAPH_WEIGHTS, RAMP = ["0.1", "1.0"], ["3"]
WEIGHTS = {"pi_model": ["30", "100"], "temporal_ensembling": ["3", "10", "30", "100"], "mean_teacher": ["10", "30", "100"]}
TRIALS = {name: grid({"max_weight": weights, "ramp_epochs": RAMP}) for name, weights in WEIGHTS.items()}
TRIALS |= {f"{name}_sntg": grid({"graph_weight": GRAPH_WEIGHTS, "ramp_epochs": RAMP}) for name in WEIGHTS}
TRIALS |= {"vat_ent": grid({"epsilon": ["6", "9"]}), "vat_ent_sntg": grid({"graph_weight": GRAPH_WEIGHTS, "graph_ramp_epochs": RAMP})}
ENDS = {"": ["--method.graph_weight", "0"], "_sntg": []}


def words(name: str, *others: str) -> list[str]:
    """The command line of a row, but for its seeds."""
    return ["--config", f"configs/mnist10k_100/{name}.yaml", *others]


COMPARISON = Comparison(
    script="mnist10k",
    name="mnist10k_100",
    heading="10,000 images of MNIST, 100 labels, 2 seeds",
    rows={"supervised": words("supervised")}
    | {f"{name}{end}": words(name, *more) for name in [*WEIGHTS, "vat_ent"] for end, more in ENDS.items()},
    pairs=without_and_with([*WEIGHTS, "vat_ent"], "supervised"),
    seeds=range(2),
    words=[],
    trials=TRIALS,
    stages=[range(100, 101)],
    search_words=SHORT.split(),
)

if __name__ == "__main__":
    COMPARISON.main(__doc__)
