"""Run folders to compare: copies that are changed, and what a page says."""

import json
import re
import shutil
from html import unescape
from pathlib import Path

import yaml

from gan_sntg.evaluation.fidelity_records import Measurement, Score, record

NASTY = '"><img src=x onerror="document.title=1"></script><script>document.title=2</script>'


def copied(run: Path, to: Path) -> Path:
    """All of the run but its checkpoint."""
    return Path(shutil.copytree(run, to, ignore=shutil.ignore_patterns("checkpoints", "events.*")))


def cut(run: Path, epoch: int) -> Path:
    """The run as it was after `epoch`, unfinished."""
    (run / "result.json").unlink(missing_ok=True)
    for path in (run / "samples").glob("epoch_*.png"):
        if int(path.stem.removeprefix("epoch_")) > epoch:
            path.unlink()
    rows = (run / "metrics.jsonl").read_text().splitlines(keepends=True)
    (run / "metrics.jsonl").write_text("".join(row for row in rows if json.loads(row)["epoch"] <= epoch))
    return run


def changed(file: Path, **fields) -> None:
    """Give the JSON object in a file other values; None takes one out."""
    found = json.loads(file.read_text()) | fields
    file.write_text(json.dumps({name: value for name, value in found.items() if name not in fields or value is not None}))


def reconfigured(run: Path, **options) -> None:
    """Give a run's configuration other values."""
    tree = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump(tree | options))


def scored(run: Path, value: float, epoch: int = 3, **fields) -> None:
    """Record a measurement whose fields of provenance can be given."""
    provenance = {"extractor": "digits", "samples": 1000, "reference": "train"} | fields
    record(
        run, Measurement(provenance, {"epoch": epoch, "step": 12, "sha256": "a"}, {"fid_digits": Score(value, value - 0.5, value + 0.5)})
    )


def text(page: str) -> str:
    """What a reader sees of a page, pictures and scripts left out."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<(script|style).*?</\1>", "", page))).split())
