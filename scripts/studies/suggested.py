"""Labels that a classifier asks for against labels drawn at random, on digits: 20, and 20 more.

python scripts/studies/suggested.py -> results/suggested.json, .md      about six minutes on one core

Of each seed a run of labels alone (configs/digits_20/supervised.yaml, weight 0) with 20 labels chooses 20 more of the pool, as `predict
--suggest 20` does; 20 others are drawn at random. Then 40 labels of each kind are trained on anew. What chooses sees no label and no
test image.
"""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

import gan_sntg
from gan_sntg.__main__ import main as command
from gan_sntg.data import Digits, Split, load_split
from gan_sntg.errors import UnhealthyError
from gan_sntg.evaluation.classification import most_wanted, outputs_of
from gan_sntg.experiments.report import markdown_table
from gan_sntg.experiments.scripts import machine, run_script, write_results
from gan_sntg.experiments.statistics import difference, summary

MORE = 20
TRAIN = ["train", "--config", "digits_20/supervised", "--method.sntg.weight", "0", "--interval_epochs", "50"]


def trained(out: Path, seed: int, *words: str) -> gan_sntg.TrainedRun:
    """The finished run of one seed in a folder. Raises UnhealthyError where it does not end well."""
    if command([*TRAIN, "--seed", str(seed), "--data_seed", str(seed), *words, "--out", str(out)]):
        raise UnhealthyError(f"the run in {out} did not end")
    return gan_sntg.load_run(out, "cpu")


def with_more(split: Split, chosen: Tensor, file: Path) -> list[str]:
    """Write the manifest with further labels, and give the words that train on it."""
    more = replace(split, labeled=sorted([*split.labeled, *chosen.tolist()]), balance="random")
    file.write_text(more.text())
    return ["--split", str(file), "--labels", str(len(more.labeled)), "--balance", "random"]


def errors(seed: int, out: Path) -> dict[str, float]:
    """Test errors in percent of 20 labels, of 20 suggested ones more and of 20 random ones more."""
    source, first = Digits(), trained(out / "20", seed)
    split = load_split(out / "20" / "split.json", source)
    hidden = torch.tensor(sorted({*split.pool(source).tolist()} - {*split.labeled}))
    h, logits = outputs_of(first.classifier, source.train_x[hidden], first.normalization)
    drawn = torch.randperm(len(hidden), generator=torch.Generator().manual_seed(seed))[:MORE]
    chosen = {"suggested": hidden[most_wanted(logits, h, MORE)], "random": hidden[drawn]}
    found = {name: trained(out / name, seed, *with_more(split, index, out / f"{name}.json")) for name, index in chosen.items()}
    return {"20 labels": first.test_error} | {f"20 {name} more": run.test_error for name, run in found.items()}


def main(seeds: int = 10, out: str = "runs/suggested") -> None:
    """Train what is not there yet, and write the table."""
    found = {seed: errors(seed, Path(out) / str(seed)) for seed in range(seeds)}
    values = {name: {seed: row[name] for seed, row in found.items()} for name in found[0]}
    gain = difference(values["20 random more"], values["20 suggested more"])
    rows = [[name, f"{(of := summary([*errors.values()]))['mean']:.2f} ± {of['std']:.2f}"] for name, errors in values.items()]
    low, high = gain["interval"]
    paired = f"suggested - random, {gain['n']} seeds: {gain['mean']:+.2f} points, 95 % interval (Student) {low:+.2f} to {high:+.2f}"
    table = f"Digits, labels alone, averaged weights\n\n{markdown_table(['labels', 'test error, %'], rows)}\n\n{paired}"
    write_results("suggested", {"errors": values, "difference": gain, **machine()}, table)


if __name__ == "__main__":
    run_script(main)
