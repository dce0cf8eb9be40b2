"""How do methods divide the plane (Fig. 2)? Decision regions of finished runs on two moons or four spins, one panel a run.

python scripts/fig2.py RUN [RUN ...] --out docs/fig2.png

Regions and the colours of the training points are the averaged classifier's; crosses are the labelled points.
"""

import argparse
from pathlib import Path

import torch

from gan_sntg.commands.evaluate import load
from gan_sntg.commands.study import finished, run_script, title
from gan_sntg.core.data.plane import Plane
from gan_sntg.core.errors import InputError
from gan_sntg.core.evaluate import logits_of
from gan_sntg.scatter import Regions, save_regions

SIDE = 300  # places along each side of the grid


def panel(run: str) -> Regions:
    """Raises InputError where the run is not finished or not on points of the plane."""
    parts, _ = load(str(finished(run).path), "cpu")
    if not isinstance(parts.source, Plane):
        raise InputError(f"{run} was trained on {parts.source.name}, not on points of the plane; give a run on two moons or four spins")
    pool, net = parts.streams.pool, parts.method.classifiers["averaged"]
    most = 1.05 * float(pool.x.abs().max())
    ticks = torch.linspace(-most, most, SIDE)
    places = torch.cartesian_prod(ticks, ticks).flip(1)  # rows of one second coordinate
    grid = logits_of(net, places, parts.normalization).softmax(1).view(SIDE, SIDE, -1)
    classes = logits_of(net, pool.x, parts.normalization).argmax(1)
    known = pool.labeled
    return Regions(title(parts.method), pool.x, classes, pool.x[known], pool.y[known], grid, (-most, most, -most, most))


def main(arguments: list[str]) -> None:
    """Draw the panels and print where they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders, 1 to 4")
    parser.add_argument("--out", type=Path, default=Path("docs/fig2.png"), help="PNG file")
    options = parser.parse_args(arguments)
    save_regions(options.out, [panel(run) for run in options.runs])
    print(options.out)


if __name__ == "__main__":
    run_script(main)
