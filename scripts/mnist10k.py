"""What do the discriminative methods reach on the first 10,000 images of MNIST with 100 labels, with and without SNTG, on a CPU?

python scripts/mnist10k.py search    tunes on validation images         -> results/mnist10k_100_search.json
python scripts/mnist10k.py table     2 paired seeds on the test images  -> results/mnist10k_100.json, .md

Trials of SNTG start from the YAML, which holds the choice without it.
"""

from gan_sntg.commands.comparison import Comparison, without_and_with
from gan_sntg.commands.study import grid

FAMILY = ["pi_model", "temporal_ensembling", "mean_teacher", "vat_ent"]
CONSISTENCY = grid({"max_weight": ["10", "30", "100"]})
GRAPH = grid({"graph_weight": ["0.1", "1.0"]})
TRIALS = dict.fromkeys(FAMILY[:3], CONSISTENCY) | {"vat_ent": grid({"epsilon": ["3", "6"]})}


def words(name: str, *others: str) -> list[str]:
    """The command line of a row, but for its seeds."""
    return ["--config", f"configs/mnist10k_100/{name}.yaml", *others]


COMPARISON = Comparison(
    script="mnist10k",
    name="mnist10k_100",
    heading="10,000 images of MNIST, 100 labels, 2 seeds",
    rows={"supervised": words("supervised")}
    | {row: found for name in FAMILY for row, found in ((name, words(name, "--method.graph_weight", "0")), (f"{name}_sntg", words(name)))},
    pairs=without_and_with(FAMILY, "supervised"),
    seeds=range(2),
    words=[],
    trials=TRIALS | {f"{name}_sntg": GRAPH for name in FAMILY},
    stages=[range(100, 101)],
)

if __name__ == "__main__":
    COMPARISON.main(__doc__)
