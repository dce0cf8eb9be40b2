"""Runs on points of the plane: trained as those on images, refused where there must be images."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from helpers.trees import POINTS
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_sntg.data.synthetic import FourSpins
from gan_sntg.runs.build import load


@pytest.fixture
def config(tmp_path) -> Path:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(POINTS))
    return tmp_path / "config.yaml"


def test_a_run_on_points_is_trained_evaluated_and_resumed_and_shows_no_images(command, config, tmp_path):
    run = tmp_path / "run"
    assert command("train", "--config", config, "--validation", "true", "--out", run).status == 0
    found = json.loads(command("evaluate", run).out)
    assert sum(map(sum, found["confusion"])) == 2000 and len(found["confusion"]) == 4 and (run / "reliability.png").is_file()
    assert found["test_error_averaged"] == json.loads((run / "result.json").read_text())["test_error_averaged"]
    assert EventAccumulator(str(run)).Reload().Tags()["images"] == []
    (run / "result.json").unlink()
    assert command("train", "--config", config, "--validation", "true", "--out", run).status == 0
    assert torch.equal(load(str(run), "cpu")[0].source.train_x, FourSpins().train_x)


def test_points_cannot_be_read_from_pictures(command, config, tmp_path):
    run = tmp_path / "run"
    assert command("train", "--config", config, "--epochs", 1, "--out", run).status == 0
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.png").write_bytes(b"")
    read = command("predict", run, tmp_path / "images", "--out", tmp_path / "a.csv")
    assert read.status == 2 and "the run classifies points of the plane, not images; give a run" in read.err


def test_a_method_with_a_generator_and_networks_for_images_refuse_points(command, config, tiny_tree, tmp_path):
    generated = tiny_tree() | {name: POINTS[name] for name in ("data", "labels", "normalization")}
    (tmp_path / "gan.yaml").write_text(yaml.safe_dump(generated))
    outcome = command("train", "--config", tmp_path / "gan.yaml", "--out", tmp_path / "run")
    assert outcome.status == 2 and "choose FeatureGenerator, or a method without a generator" in outcome.err
    outcome = command("train", "--config", config, "--method.net", "gan_sntg.networks.ConvDiscriminator", "--out", tmp_path / "run")
    assert outcome.status == 2 and "classify images, but an example is [2]; use a dense network" in outcome.err
    outcome = command("train", "--config", config, "--normalization", "gan_sntg.data.UnitRange", "--out", tmp_path / "run")
    assert outcome.status == 2 and "UnitRange maps images" in outcome.err and not (tmp_path / "run").exists()
