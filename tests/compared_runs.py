"""Run folders for the tests of `compare`: finished, unfinished, without a generator, and copies that differ in one thing."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from run_folders import interrupted

from gan_sntg.feature_matching import FeatureMatchingGAN
from gan_sntg.provenance import Measurement, Score, record

WAY = {"extractor": "a", "samples": 50_000, "reference": "train"}


def copied(source: Path, to: Path, **changed) -> Path:
    """The same run elsewhere, with these options of its configuration changed as if it had been trained so."""
    shutil.copytree(source, to)
    config = yaml.safe_load((to / "config.yaml").read_text())
    (to / "config.yaml").write_text(yaml.safe_dump(config | changed))
    return to


def measured(run: Path, value: float, **fields) -> Path:
    """With a figure of sample quality."""
    record(run, Measurement(WAY | fields, {"epoch": 3, "step": 12, "sha256": "f"}, {"fid_digits": Score(value, value - 1, value + 1)}))
    return run


def error(run: Path, averaged: float) -> Path:
    """With another test error."""
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps(result | {"test_error_averaged": averaged}))
    return run


@pytest.fixture(scope="session")
def unfinished(command, tiny, tmp_path_factory) -> Path:
    """Stopped in its third epoch of three."""
    folder = tmp_path_factory.mktemp("unfinished") / "stopped"
    interrupted(command, ["--config", tiny], folder, FeatureMatchingGAN, "step", 10)
    return folder


@pytest.fixture(scope="session")
def without_generator(command, tiny_tree, labels_alone, tmp_path_factory) -> Path:
    """Of the supervised method."""
    folder = tmp_path_factory.mktemp("labels")
    (folder / "supervised.yaml").write_text(yaml.safe_dump(tiny_tree() | {"method": labels_alone(), "epochs": 1}))
    assert command("train", "--config", folder / "supervised.yaml", "--out", folder / "alone").status == 0
    return folder / "alone"
