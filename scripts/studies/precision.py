"""Is training in bfloat16, and with compiled networks, as good as in float32?

python scripts/studies/precision.py        paired seeds -> results/precision_digits.json, .md and results/precision_mnist10k.json, .md

FM-GAN + SNTG and Pi + SNTG on digits with 20 labels (10 seeds), Pi on the first 10,000 images of MNIST with 100 labels (2 seeds).
"""

from gan_sntg.experiments.search import Comparison

FLOAT32, BFLOAT16 = ["--precision", "float32"], ["--precision", "bfloat16"]


def ways(config: str, *ways: tuple[str, list[str]]) -> dict[str, list[str]]:
    """The words of a row for each (name, words)."""
    return {f"{config.rpartition('/')[2]} {name}": ["--config", f"configs/{config}.yaml", *words] for name, words in ways}


def comparison(name: str, heading: str, rows: dict[str, list[str]], seeds: range, words: str) -> Comparison:
    """Each other row is compared with the float32 row of its method."""
    pairs = [(row, f"{row.split()[0]} float32") for row in rows if not row.endswith("float32")]
    return Comparison("precision", name, heading, rows, pairs, seeds, words.split())


COMPARISONS = [
    comparison(
        "precision_digits",
        "digits, 20 labels, 10 seeds, with SNTG",
        ways("digits_20/fm_gan", ("float32", FLOAT32), ("bfloat16", BFLOAT16), ("bfloat16 compiled", [*BFLOAT16, "--compile", "true"]))
        | ways("digits_20/pi_model", ("float32", FLOAT32), ("bfloat16", BFLOAT16)),
        range(10),
        "--interval_epochs 50",
    ),
    comparison(
        "precision_mnist10k",
        "10,000 images of MNIST, 100 labels, 2 seeds",
        ways("mnist10k_100/pi_model", ("float32", FLOAT32), ("bfloat16", BFLOAT16)),
        range(2),
        "--method.graph_weight 0",
    ),
]

if __name__ == "__main__":
    for made in COMPARISONS:
        made.table(processes=2)
