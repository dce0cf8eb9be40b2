"""What do the discriminative methods reach on the first 10,000 images of MNIST with 100 labels, with and without SNTG, on a CPU?

python scripts/mnist10k.py search    tunes on validation images         -> results/mnist10k_100_search.json
python scripts/mnist10k.py table     2 paired seeds on the test images  -> results/mnist10k_100.json, .md

Trials of SNTG start from the YAML, which holds the choice without it.
"""

from gan_sntg.commands.comparison import Comparison, without_and_with
from gan_sntg.commands.study import grid

FAMILY = ["pi_model", "temporal_ensembling", "mean_teacher"]
# Runs of the search are half as long as those of the table, and so are their ramps.
HALF = (
    "--epochs 8 --method.schedule.init_args.epochs 8 --method.schedule.init_args.up_epochs 2.5 --method.schedule.init_args.down_epochs 2.5"
)
WEIGHTS, GRAPH_WEIGHTS, RAMP = ["30", "100"], ["0.1", "1.0"], ["3"]
TRIALS = {name: grid({"max_weight": WEIGHTS, "ramp_epochs": RAMP}) for name in FAMILY}
TRIALS |= {f"{name}_sntg": grid({"graph_weight": GRAPH_WEIGHTS, "ramp_epochs": RAMP}) for name in FAMILY}
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
    | {f"{name}{end}": words(name, *more) for name in [*FAMILY, "vat_ent"] for end, more in ENDS.items()},
    pairs=without_and_with([*FAMILY, "vat_ent"], "supervised"),
    seeds=range(2),
    words=[],
    trials=TRIALS,
    stages=[range(100, 101)],
    search_words=HALF.split(),
)

if __name__ == "__main__":
    COMPARISON.main(__doc__)
