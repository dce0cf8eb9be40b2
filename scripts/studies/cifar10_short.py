"""What do FM-GAN and FM-GAN + SNTG reach on CIFAR-10 with 4,000 labels in 54 epochs of the recipe's 1,200, on a GPU?

python scripts/studies/cifar10_short.py one seed of each -> results/gpu/cifar10_short.json, .md; grids in docs/ 6 minutes each on an H200

Time constants of averages (weights, teacher), the graph's ramp and the decay of the learning rate are shortened with the length.
Products in bfloat16. Nothing was searched. Scores of samples are those of each run's

gan-sntg evaluate RUN --fidelity --samples 10000 --reference test --extractor efficientnet_lite0
"""

import json
import shutil
from pathlib import Path

from gan_sntg.commands import train
from gan_sntg.evaluation.fidelity_records import comparable, measurements
from gan_sntg.runs.folder import RunFolder

RUNS, RESULTS, DOCS, NAME = Path("runs/cifar10_short"), Path("results/gpu"), Path("docs"), "cifar10_short"
EPOCHS, FULL = 54, 1200
SHORT = [
    *("--config", "configs/cifar10_4000/fm_gan.yaml", "--precision", "bfloat16", "--threads", "4", "--interval_epochs", "9"),
    *("--epochs", str(EPOCHS), "--method.decay_epochs", str(EPOCHS), "--method.graph_ramp_epochs", str(EPOCHS)),
    *("--method.average_decay", str(round(1 - 1e-4 * FULL / EPOCHS, 6))),
    *("--method.teacher.init_args.decay", str(round(1 - 1e-3 * FULL / EPOCHS, 5))),
]
METHODS = {"fm_gan": ["--method.graph_weight", "0"], "fm_gan_sntg": ["--method.graph_weight", "1"]}
KEPT = ("test_error_averaged", "test_error_last", "seconds", "steps", "seed", "data_seed", "split_sha256", "config")


def main() -> None:
    """Train both, or read them where they are finished; then the report."""
    out = {"command": "python scripts/studies/cifar10_short.py", "figure": "test error, %", "methods": {}}
    lines = [f"| CIFAR-10, 4,000 labels, {EPOCHS} epochs of {FULL}, seed 0 | averaged weights, % | last weights, % | s |"]
    lines.append("| --- | --- | --- | --- |")
    found = {}
    for name, words in METHODS.items():
        folder = RunFolder(RUNS / name)
        if not folder.finished:
            train.run(train.parser().parse_args([*SHORT, *words, "--out", str(folder.path)]))
        result, rows = folder.read_result(), folder.rows()
        out["methods"][name] = {key: result[key] for key in KEPT} | {"epochs": [row["epoch"] for row in rows]}
        out["methods"][name] |= {key: [round(row[key], 4) for row in rows] for key in rows[-1] if key.startswith(("test_error/", "gan/"))}
        out["methods"][name]["environment"] = json.loads(folder.environment.read_text())
        lines.append(f"| {name} | {result['test_error_averaged']:.2f} | {result['test_error_last']:.2f} | {result['seconds']:.0f} |")
        found[name] = measurements(folder.path)
        shutil.copyfile(folder.samples / f"epoch_{EPOCHS:04d}.png", DOCS / f"{NAME}_{name}.png")
    scored = comparable(found)
    if scored:
        out["provenance of scores"] = next(iter(scored.values())).provenance
        lines += ["", "| 10,000 samples | " + " | ".join(scored) + " |", "| --- |" + " --- |" * len(scored)]
    for key in dict.fromkeys(key for m in scored.values() for key in m.scores):
        of_each = [m.scores[key] for m in scored.values()]
        lines.append(f"| {key} | " + " | ".join(f"{s.value:.4g} ({s.low:.4g} to {s.high:.4g})" for s in of_each) + " |")
    for name, m in scored.items():
        out["methods"][name] |= {"scores": {key: score._asdict() for key, score in m.scores.items()}}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{NAME}.json").write_text(json.dumps(out) + "\n")
    (RESULTS / f"{NAME}.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
