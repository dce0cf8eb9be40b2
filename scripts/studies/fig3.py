"""How does the test error fall (Fig. 3)? Curves of finished runs, mean and range over the seeds of each method.

python scripts/studies/fig3.py --runs "Pi=runs/a0,runs/a1" "Pi + SNTG=runs/b0,runs/b1" --title "CIFAR-10, 4,000 labels" --out docs/fig3.png

Errors are those of the averaged classifier in metrics.jsonl.
"""

import argparse
from pathlib import Path

from gan_sntg.errors import InputError
from gan_sntg.experiments.figures import curve
from gan_sntg.experiments.plots import save_curves
from gan_sntg.experiments.search import run_script


def named(words: list[str]) -> dict[str, list[str]]:
    """{name: run folders} of words NAME=RUN,RUN. Raises InputError for a word without a name or a run, or a name given twice."""
    pairs = [word.partition("=")[::2] for word in words]
    for word, (name, runs) in zip(words, pairs, strict=True):
        if not name or not all(runs.split(",")):
            raise InputError(f"--runs {word!r} is not NAME=RUN[,RUN...]; name the curve and the run folders that it is the mean of")
    if len(dict(pairs)) < len(pairs):
        raise InputError("--runs has a name twice; give all run folders of one curve together, with commas between")
    return {name: runs.split(",") for name, runs in pairs}


def main(arguments: list[str]) -> None:
    """Draw the curves and print where they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", nargs="+", required=True, metavar="NAME=RUN[,RUN...]", help="a curve and the run folders of its seeds")
    parser.add_argument("--title", default="", help="above the figure")
    parser.add_argument("--most", type=float, default=None, help="where the axis of the errors ends, in percent")
    parser.add_argument("--out", type=Path, default=Path("docs/fig3.png"), help="PNG file")
    options = parser.parse_args(arguments)
    save_curves(options.out, {name: curve(name, runs) for name, runs in named(options.runs).items()}, options.title, options.most)
    print(options.out)


if __name__ == "__main__":
    run_script(main)
