"""What do FM-GAN and FM-GAN + SNTG reach on MNIST at a tenth of the recipe's length (Table 4)?

python scripts/mnist_tenth.py table     three paired seeds of each, 30 epochs in place of 300 -> results/mnist_tenth.json, .md

The tenth: time constants of averages (weights, teacher) and the graph's ramp are divided by ten with the length; the learning rate is
constant in the recipe, and Adam's betas stay. Products in bfloat16. Nothing was searched: there is no `search`.
"""

from gan_sntg.commands.comparison import Comparison

LABELS = ("20", "50", "100")
TENTH = "--epochs 30 --interval_epochs 3 --precision bfloat16 --method.average_decay 0.999 --method.teacher.init_args.decay 0.99".split()
WITHOUT, WITH = ["--method.graph_weight", "0"], []


def words(labels: str, sntg: list[str]) -> list[str]:
    """The command line of a row, but for its seeds."""
    return ["--config", f"configs/mnist_{labels}/fm_gan.yaml", *TENTH, "--method.graph_ramp_epochs", "30", *sntg]


COMPARISON = Comparison(
    script="mnist_tenth",
    name="mnist_tenth",
    heading="MNIST, labels in the name, 30 epochs of 300, 3 seeds",
    rows={f"{labels}/fm_gan{name}": words(labels, sntg) for labels in LABELS for name, sntg in (("", WITHOUT), ("_sntg", WITH))},
    pairs=[(f"{labels}/fm_gan_sntg", f"{labels}/fm_gan") for labels in LABELS],
    seeds=range(3),
    words=[],
    trials={},
    stages=[],
)

if __name__ == "__main__":
    COMPARISON.main(__doc__)
