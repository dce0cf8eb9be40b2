"""How far does each method bring down the error on digits with 20 labels, and does SNTG help it?

python scripts/digits.py search    tunes on validation images          -> results/digits_20_search.json
python scripts/digits.py table     10 paired seeds on the test images  -> results/digits_20.json, .md

--methods makes some rows anew and keeps the others; each row notes the command that made it. The search makes six trials of each
discriminative method and two of its SNTG at 3 seeds; eight of the labels alone and of FM-GAN and twelve of FM-GAN's SNTG at 3 seeds,
the best four of each at 9 seeds.
"""

import random

from gan_sntg.commands.comparison import Comparison, without_and_with
from gan_sntg.commands.study import Trial, arguments, grid

FAMILY = ["supervised", "pi_model", "temporal_ensembling", "mean_teacher", "vat", "vat_ent", "fm_gan"]
SNTG = "_sntg"  # what the name of a row with SNTG ends in
METHODS = [row for name in FAMILY for row in (name, name + SNTG)]
# Weight of SNTG in the row of the labels alone, whose YAML has none: chosen by the search.
SUPERVISED_SNTG = {"graph_weight": "1.0"}
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
    "teacher": [f"gan_sntg.teachers.{name}" for name in ("SecondPass", "Averaged", "Ensemble")],
    "pairing": [f"gan_sntg.core.graph.{name}" for name in ("Halves", "AllPairs")],
}


def words(row: str) -> list[str]:
    """The command line of a row, but for its seeds."""
    words = ["--config", f"configs/digits_20/{row.removesuffix(SNTG)}.yaml"]
    if not row.endswith(SNTG):
        return [*words, "--method.graph_weight", "0"]
    return words + arguments(SUPERVISED_SNTG if row.startswith("supervised") else {})


def trials_of(row: str) -> list[Trial]:
    """What the search tries."""
    if row == "fm_gan_sntg":
        return random.Random(0).sample(grid(GAN_GRAPH_GRID), 12)
    return grid(GRAPH_GRID if row.endswith(SNTG) else GRIDS[row])


COMPARISON = Comparison(
    script="digits",
    name="digits_20",
    heading="digits, 20 labels, 10 seeds",
    rows={row: words(row) for row in METHODS},
    pairs=without_and_with(FAMILY, "supervised"),
    seeds=range(10),
    words="--interval_epochs 50".split(),
    trials={row: trials_of(row) for row in METHODS},
    stages=[range(100, 103)],
    longer={row: [range(100, 103), range(100, 109)] for row in ("supervised", "fm_gan", "fm_gan_sntg")},
)

if __name__ == "__main__":
    COMPARISON.main(__doc__)
