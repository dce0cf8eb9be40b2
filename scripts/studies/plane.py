"""Which options do Pi and Pi + SNTG get on two moons and four spins with 12 labels (Sec. 5.1)? Chosen on validation points.

python scripts/studies/plane.py search    -> results/plane_search.json; `gan-sntg reproduce fig2` then makes the table and the picture

Trials of SNTG start from the YAML, which holds the choice without it; the labels alone stay as configured.
"""

from gan_sntg.experiments.grid import load_grid
from gan_sntg.experiments.search import Search, grid

NOISE, GRAPH = "net.init_args.noise", "graph_weight,graph_ramp_epochs"
GRID = load_grid("fig2")
SEARCH = Search(
    script="plane",
    name="plane",
    rows={f"{column.key}/{row.key}": GRID.words(row, column) for row, column in GRID.pairs()},
    trials={
        "two_moons_12/pi_model": grid({"max_weight": ["3", "10", "30", "100"], NOISE: ["0.07", "0.15"]}),
        "two_moons_12/pi_model_sntg": grid({GRAPH: ["0.1,0", "0.4,0", "0.1,30", "1,30"]}),
        "four_spins_12/pi_model": grid({"max_weight": ["30", "100"], NOISE: ["0.15"]}),
        "four_spins_12/pi_model_sntg": grid({GRAPH: ["0.1,30", "1,30"]}),
    },
    stages=[range(100, 103)],
)

if __name__ == "__main__":
    SEARCH.main(__doc__)
