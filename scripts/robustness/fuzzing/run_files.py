"""Which files of a run are damaged? Those of a tiny finished one, and of its export."""

import contextlib
import hashlib
import io
import json
import random
import re
import shutil
from pathlib import Path

import torch
import yaml

from fuzzing import sealed
from fuzzing.damages import damaged
from fuzzing.subjects import Subject
from gan_sntg.commands import train
from gan_sntg.commands.main import main
from gan_sntg.comparison.page import comparison_page
from gan_sntg.comparison.runs import read_comparison
from gan_sntg.comparison.tensorboard import write_panels
from gan_sntg.data.splits import load_split
from gan_sntg.evaluation.fidelity_records import FILE, Measurement, Score, record
from gan_sntg.export import load as export_load
from gan_sntg.export.card import CARD, WEIGHTS
from gan_sntg.runs.loading import load
from gan_sntg.training import checkpoint

CONFIG = {
    "data": "gan_sntg.data.Digits",
    "labels": 20,
    "normalization": "gan_sntg.data.UnitRange",
    "batch_size": 20,
    "epochs": 2,
    "steps_per_epoch": 2,
    "method": {
        "class_path": "gan_sntg.methods.FeatureMatchingGAN",
        "init_args": {
            "discriminator": {"class_path": "gan_sntg.networks.DenseDiscriminator", "init_args": {"widths": [8, 6]}},
            "generator": {"class_path": "gan_sntg.networks.DenseGenerator", "init_args": {"latent": 4, "widths": [6, 6]}},
            "graph_weight": 0.1,
            "graph_ramp_epochs": 1,
            "teacher": {"class_path": "gan_sntg.graph.Averaged", "init_args": {"decay": 0.9}},
            "pairing": {"class_path": "gan_sntg.graph.Halves"},
        },
    },
    "threads": 1,
    "device": "cpu",
}
SUPERVISED = {
    "class_path": "discriminative.Supervised",
    "init_args": {
        "net": CONFIG["method"]["init_args"]["discriminator"],
        "schedule": {"class_path": "gan_sntg.schedules.LinearTail", "init_args": {"epochs": 2.0}},
        "graph": {"class_path": "gan_sntg.graph.TeacherGraph"},
        "augmentation": {"class_path": "gan_sntg.data.Augmentation", "init_args": {"translation": 1}},
        "learning_rate": 0.001,
        "consistency_weight": 0.0,
        "graph_weight": 0.1,
        "adam": "inside",
        "stream": "two",
    },
}
ONE_STEP = "--epochs 1 --steps_per_epoch 1 --interval_epochs 1".split()


def trained(folder: Path) -> tuple[Path, Path]:
    """Two finished runs that were measured, and the export of the first in it."""
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (folder / "supervised.yaml").write_text(yaml.safe_dump(CONFIG | {"method": SUPERVISED}))
    runs = folder / "a", folder / "b"
    for k, run in enumerate(runs):
        command("train", "--config", str(folder / "config.yaml"), "--seed", str(k), "--out", str(run))
        record(run, Measurement({"extractor": "x", "samples": 100}, {"epoch": 2, "step": 4, "sha256": "f"}, {"fid": Score(2.0, 1.0, 3.0)}))
    settle(runs[0])
    command("export", str(runs[0]))
    return runs


def settle(run: Path) -> None:
    """Give the same bytes to each run of this script: those of its clock and its revision are replaced."""
    for path in run / "result.json", run / "metrics.jsonl", run / "environment.json":
        path.write_text(re.sub(r'("seconds": )[\d.e-]+|("git": )"[^"]*"', lambda found: f"{found[1] or found[2]}1", path.read_text()))
    path = run / "checkpoints/last.pt"
    state = torch.load(path, weights_only=True)
    state["progress"]["seconds"] = 1.0
    path.write_bytes(checkpoint.as_bytes(state))


def command(*words: str) -> None:
    """`gan-sntg` with these words, which must be done."""
    with contextlib.redirect_stdout(io.StringIO()):
        assert main([*words]) == 0


def checkpoints(run: Path) -> list[Subject]:
    """The checkpoint: as it is, with a damaged member under a right checksum, and with other parts. What is accepted trains a step."""
    parts, progress = load(str(run), "cpu")
    path = shutil.copy(run / "checkpoints/last.pt", run / "checkpoints/damaged.pt")

    def read() -> dict:
        checkpoint.restore(path, parts.method, parts.streams, progress)
        found = torch.load(path, weights_only=True)
        parts.method.step(next(iter(parts.streams.epoch())), progress.epoch)
        return found

    return [
        Subject("checkpoint", path, read, hashed=True),
        Subject("checkpoint, sealed again", path, read, inner=sealed.in_zip),
        Subject("checkpoint, sealed again", path, read, form="state", inner=sealed.in_zip),
    ]


def manifest(run: Path) -> Subject:
    """split.json, beside the data."""
    source, path = load(str(run), "cpu")[0].source, Path(shutil.copy(run / "split.json", run.parent / "split.json"))
    return Subject("split.json", path, lambda: load_split(path, source), form="json")


def config(path: Path, out: Path) -> Subject:
    """A configuration that is trained with, for a step."""
    tree = yaml.safe_load(path.read_text())

    def read() -> dict:
        shutil.rmtree(out, ignore_errors=True)
        options = train.parser().parse_args(["--config", str(path), *ONE_STEP, "--out", str(out)])
        train.run(options)
        return options.as_dict()

    return Subject("config YAML", path, read, form="yaml", named=(path.name, *names(tree)))


def names(tree) -> list[str]:
    """Every option and class of a tree: a refusal may speak of these in place of the file, for they may come from elsewhere."""
    branches = list(tree.values()) if isinstance(tree, dict) else tree if isinstance(tree, list) else []
    own = list(tree) if isinstance(tree, dict) else [tree.rpartition(".")[2]] if isinstance(tree, str) and "." in tree else []
    return own + [name for branch in branches for name in names(branch)]


def page_files(run: Path, other: Path) -> list[Subject]:
    """What `gan-sntg compare` reads of a run."""

    def read() -> str:
        comparison = read_comparison([run, other], ["a", "b"], most_epochs=40)
        write_panels(run.parent / "panels", comparison.runs, comparison.epochs)
        return comparison_page(comparison)

    forms = {"result.json": "json", "metrics.jsonl": "jsonl", "environment.json": "json", FILE: "json", "split.json": "json"}
    subjects = [Subject(name, run / name, read, form=form) for name, form in forms.items()]
    return [
        *subjects,
        Subject("config YAML", run / "config.yaml", read, form="yaml", named=(str(run),)),
        Subject("PNG", run / "samples/epoch_0002.png", read),
    ]


def export_files(folder: Path) -> list[Subject]:
    """The card; and a file of weights, as it is and with the hash of what it became."""
    card, path = folder / CARD, folder / WEIGHTS["net"]
    whole = card.read_text()

    def read() -> tuple:
        classifier, generator, found = export_load.load(folder)
        return found, classifier.net.state_dict(), generator.net.state_dict()

    def sealed_read() -> tuple:
        tree = json.loads(whole)
        tree["files"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        card.write_text(json.dumps(tree))
        try:
            return read()[1:]
        finally:
            card.write_text(whole)

    def header(data: bytes, rng: random.Random) -> bytes:
        cut = rng.choice([8, 8 + int.from_bytes(data[:8], "little")])
        return damaged(data[:cut], rng) + data[cut:]

    return [
        Subject("card.json", card, read, form="json"),
        Subject("safetensors", path, read, hashed=True),
        Subject("safetensors, sealed again", path, sealed_read),
        Subject("safetensors, sealed again", path, sealed_read, inner=header),
    ]
