"""Train a method on a data set, or resume a run folder; with several seeds, a run of each."""

import sys
from argparse import SUPPRESS
from pathlib import Path
from statistics import mean, stdev

from jsonargparse import Namespace

from gan_sntg.distributed import rank
from gan_sntg.experiments.plan import Scale, shorten
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.options import config_parser, made_once, metric_of
from gan_sntg.runs.parsing import Parser
from gan_sntg.runs.seeds import train_seeds


@made_once
def parser() -> Parser:
    """The options of a run, and --seeds, --data_seeds and --scale, which no configuration holds."""
    parser = config_parser()
    parser.add_argument("--seeds", type=str, default=SUPPRESS, help="a run of each of these in place of --seed: 0..9, or 0,3,5")
    parser.add_argument("--data_seeds", type=str, default=SUPPRESS, help="with --seeds, as many, each run's own in place of --data_seed")
    what = "all lengths (epochs, ramps, decay, averages' memories) times this"
    parser.add_argument("--scale", type=Scale, default=SUPPRESS, help=what)
    return parser


def run(options: Namespace) -> None:
    """Train to the end and print what came out, of several seeds also their mean."""
    if "scale" in options:
        shorten(options, options.pop("scale"))
    results = []
    for folder, result in train_seeds(options):
        report(folder, result)
        results.append(result)
    if len(results) > 1 and rank() == 0:
        metric = metric_of(results[0]["config"])
        name = f"test_{metric}_averaged" if results[0]["validation_error"] is None else f"validation_{metric}"
        errors = [result[name] for result in results]
        print(f"{name.replace('_', ' ')} of {len(errors)} seeds: {mean(errors):.2f} ± {stdev(errors):.2f} %")


def report(folder: RunFolder, result: dict) -> None:
    """Print a finished run's folder, its errors by its metric, and where its things are."""
    metric = metric_of(result["config"])
    said = metric.replace("_", " ")
    if result["validation_error"] is not None:  # by which options are chosen: test errors are in result.json
        print(f"{folder.path}: validation {said}: {result[f'validation_{metric}']:.2f} % (averaged weights)")
    else:
        last, averaged = (result[f"test_{metric}_{net}"] for net in ("last", "averaged"))
        print(f"{folder.path}: test {said}: {last:.2f} % (last weights), {averaged:.2f} % (averaged weights)")
    if grids := sorted(folder.samples.glob("epoch_*.png")):
        print(f"sample grid: {grids[-1]}")
    print(f"training: {result['seconds']:.0f} s")
    print(f"TensorBoard: {Path(sys.executable).parent / 'tensorboard'} --logdir {folder.path.parent}")
