"""How do methods divide the plane (Fig. 2)? Decision regions of finished runs on two moons or four spins, one panel a run.

python scripts/studies/fig2.py RUN [RUN ...] --out docs/fig2.png

Regions and the colours of the training points are the averaged classifier's; crosses are the labelled points.
"""

import argparse
from pathlib import Path

from gan_sntg.experiments.figures import regions
from gan_sntg.experiments.plots import save_regions
from gan_sntg.experiments.search import run_script


def main(arguments: list[str]) -> None:
    """Draw the panels and print where they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders, 1 to 4")
    parser.add_argument("--out", type=Path, default=Path("docs/fig2.png"), help="PNG file")
    options = parser.parse_args(arguments)
    save_regions(options.out, [regions(Path(run)) for run in options.runs])
    print(options.out)


if __name__ == "__main__":
    run_script(main)
