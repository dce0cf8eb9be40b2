"""Which options does each method get on digits with 20 labels? Chosen on validation images.

python scripts/studies/digits.py search    -> results/digits_20_search.json; `gan-sntg reproduce digits` then makes the table

--methods searches some rows anew and keeps the others; each row notes the command that made it. Six trials of each discriminative method
and two of its SNTG at 3 seeds; eight of the labels alone and of FM-GAN and twelve of FM-GAN's SNTG at 3 seeds, the best four of each at 9.
"""

import random

from gan_sntg.experiments.grid import load_grid
from gan_sntg.experiments.search import Search, Trial, grid

SNTG = "_sntg"  # what the name of a row with SNTG ends in
RATES, CONSISTENCY = ["0.001", "0.003"], ["3", "10", "30"]
GRIDS = {
    "supervised": {"learning_rate": ["0.0003", "0.001", "0.003", "0.01"], "schedule.init_args.epochs": [".inf", "150"]},
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
    "teacher": [f"gan_sntg.graph.teachers.{name}" for name in ("SecondPass", "Averaged", "Ensemble")],
    "pairing": [f"gan_sntg.graph.{name}" for name in ("Halves", "AllPairs")],
}


def trials_of(row: str) -> list[Trial]:
    """What the search tries."""
    if row == "fm_gan_sntg":
        return random.Random(0).sample(grid(GAN_GRAPH_GRID), 12)
    return grid(GRAPH_GRID if row.endswith(SNTG) else GRIDS[row])


GRID = load_grid("digits")
SEARCH = Search(
    script="digits",
    name="digits_20",
    rows={row.key: GRID.words(row, column) for row, column in GRID.pairs()},
    trials={row: trials_of(row) for row in GRID.rows},
    stages=[range(100, 103)],
    longer={row: [range(100, 103), range(100, 109)] for row in ("supervised", "fm_gan", "fm_gan_sntg")},
)

if __name__ == "__main__":
    SEARCH.main(__doc__)
