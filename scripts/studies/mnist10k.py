"""Which options do the discriminative methods get on the first 10,000 images of MNIST with 100 labels? Chosen on validation images.

python scripts/studies/mnist10k.py search    -> results/mnist10k_100_search.json; `gan-sntg reproduce mnist-cpu` then makes the table

Trials of SNTG start from the YAML, which holds the choice without it.
"""

from gan_sntg.experiments.grid import load_grid
from gan_sntg.experiments.search import Search, grid

# Runs of the search are 8 epochs long in place of 20, and so are their ramps shorter.
SHORT = (
    "--epochs 8 --method.schedule.init_args.epochs 8 --method.schedule.init_args.up_epochs 2.5 --method.schedule.init_args.down_epochs 2.5"
)
GRAPH_WEIGHTS, RAMP = ["0.1", "1.0"], ["3"]
WEIGHTS = {"pi_model": ["30", "100"], "temporal_ensembling": ["3", "10", "30", "100"], "mean_teacher": ["10", "30", "100"]}
TRIALS = {name: grid({"max_weight": weights, "ramp_epochs": RAMP}) for name, weights in WEIGHTS.items()}
TRIALS |= {f"{name}_sntg": grid({"graph_weight": GRAPH_WEIGHTS, "ramp_epochs": RAMP}) for name in WEIGHTS}
TRIALS |= {"vat_ent": grid({"epsilon": ["6", "9"]}), "vat_ent_sntg": grid({"graph_weight": GRAPH_WEIGHTS, "graph_ramp_epochs": RAMP})}

GRID = load_grid("mnist-cpu")
SEARCH = Search(
    script="mnist10k",
    name="mnist10k_100",
    rows={row.key: GRID.words(row, column) for row, column in GRID.pairs()},
    trials=TRIALS,
    stages=[range(100, 101)],
    words=SHORT.split(),
)

if __name__ == "__main__":
    SEARCH.main(__doc__)
