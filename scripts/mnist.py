"""What do FM-GAN and FM-GAN + SNTG reach on MNIST with 100 labels at a third of the recipe's length?

python scripts/mnist.py     one seed of each, 100 epochs in place of 300 -> results/mnist_100_third.json, .md, .png and one grid each

The third: time constants of averages (weights, teacher) and the graph's ramp are divided by three with the length; the learning
rate is constant in the recipe, and Adam's betas stay.
"""

import argparse
from pathlib import Path

from gan_sntg.commands.study import run_all

RUNS = Path("runs/mnist_100_third")
THIRD = [
    *("--config", "configs/mnist_100/fm_gan.yaml", "--epochs", "100", "--interval_epochs", "2", "--seed", "0", "--data_seed", "0"),
    *("--method.average_decay", "0.9997", "--method.teacher.init_args.decay", "0.997", "--method.graph_ramp_epochs", "100"),
]
METHODS = {"fm_gan": [*THIRD, "--method.graph_weight", "0"], "fm_gan_sntg": THIRD}


def main(processes: int) -> None:
    """Train both; finished runs are only read, unfinished ones go on."""
    print(run_all({str(RUNS / name): words for name, words in METHODS.items()}, processes))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    main(parser.parse_args().processes)
