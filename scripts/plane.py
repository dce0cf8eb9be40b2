"""Does SNTG help the Pi model on two moons and four spins with 12 labels (Sec. 5.1)?

python scripts/plane.py search    tunes Pi, then SNTG, on validation points -> results/plane_search.json
python scripts/plane.py table     10 paired seeds on the test points        -> results/plane.json, .md and docs/fig2.png (seed 0)

Trials of SNTG start from the YAML, which holds the choice without it; the labels alone stay as configured.
"""

from pathlib import Path

from gan_sntg.commands.comparison import Comparison
from gan_sntg.commands.picturing import regions
from gan_sntg.commands.study import grid
from gan_sntg.scatter import save_regions

CELLS = ("two_moons_12", "four_spins_12")
PAIRS = (("pi_model", "supervised"), ("pi_model_sntg", "pi_model"))
METHODS = {
    "supervised": ["supervised.yaml"],
    "pi_model": ["pi_model.yaml", *"--method.graph_weight 0 --method.graph_ramp_epochs 0".split()],  # one run, however SNTG is set
    "pi_model_sntg": ["pi_model.yaml"],
}
SHOWN_SEED = 0
NOISE, GRAPH = "net.init_args.noise", "graph_weight,graph_ramp_epochs"

COMPARISON = Comparison(
    script="plane",
    name="plane",
    heading="12 labels, 10 seeds",
    rows={f"{cell}/{name}": ["--config", f"configs/{cell}/{words[0]}", *words[1:]] for cell in CELLS for name, words in METHODS.items()},
    pairs=[(f"{cell}/{a}", f"{cell}/{b}") for cell in CELLS for a, b in PAIRS],
    seeds=range(10),
    words="--interval_epochs 30".split(),
    trials={
        "two_moons_12/pi_model": grid({"max_weight": ["3", "10", "30", "100"], NOISE: ["0.07", "0.15"]}),
        "two_moons_12/pi_model_sntg": grid({GRAPH: ["0.1,0", "0.4,0", "0.1,30", "1,30"]}),
        "four_spins_12/pi_model": grid({"max_weight": ["30", "100"], NOISE: ["0.15"]}),
        "four_spins_12/pi_model_sntg": grid({GRAPH: ["0.1,30", "1,30"]}),
    },
    stages=[range(100, 103)],
)


def draw() -> None:
    """Fig. 2 from the shown seed's runs."""
    shown = [f"{cell}/{name}" for cell in CELLS for name in ("pi_model", "pi_model_sntg")]
    save_regions(Path("docs/fig2.png"), [regions(Path(COMPARISON.folder(row, SHOWN_SEED))) for row in shown])


if __name__ == "__main__":
    COMPARISON.main(__doc__, draw)
