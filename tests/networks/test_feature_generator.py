"""A GAN whose generator draws features or points in place of images."""

import pytest
import torch
import torch.nn.functional as F
import yaml
from helpers.run_folders import assert_same_run, interrupted
from helpers.trees import POINTS, TINY

import gan_sntg
from gan_sntg.errors import InputError
from gan_sntg.files.json_files import read_json
from gan_sntg.methods import FeatureMatchingGAN
from gan_sntg.networks import FeatureGenerator

PLACE = "gan_sntg.networks.FeatureGenerator"


def gan(generator: str = PLACE) -> dict:
    """FM-GAN + SNTG on four spins."""
    method = TINY["method"]["init_args"] | {"generator": {"class_path": generator, "init_args": {"latent": 4, "widths": [6]}}}
    return POINTS | {"method": {"class_path": "gan_sntg.methods.FeatureMatchingGAN", "init_args": method}}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "gan.yaml"
    path.write_text(yaml.safe_dump(gan()))
    return path


def test_features_are_a_linear_map_of_the_last_hidden_layer():
    torch.manual_seed(0)
    net = FeatureGenerator((3,), latent=4, widths=(6, 5)).double()
    z = torch.rand(7, 4, dtype=torch.float64)
    h = z
    for k in 0, 3:
        h = h @ net.hidden[k].weight.T
        h = F.softplus((h - h.mean(0)) / (h.var(0, correction=0) + 1e-6).sqrt() + net.hidden[k + 1].bias)
    v = net.out.v
    expected = h @ (net.out.g[:, None] * v / (v.square().sum(1, keepdim=True) + net.out.eps).sqrt()).T + net.out.b
    torch.testing.assert_close(net(z), expected)
    assert net(z * 50).abs().max() > 1


def test_a_run_of_it_draws_no_grid_and_is_read_evaluated_and_exported_as_a_classifier(command, config, tmp_path):
    run = tmp_path / "run"
    assert command("train", "--config", config, "--out", run).status == 0
    assert not list((run / "samples").glob("epoch_*"))
    row = yaml.safe_load((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert row["g/matching"] > 0 and row["gan/matching_gap"] > 0
    assert command("evaluate", run).status == 0
    assert command("export", run, "--out", tmp_path / "out").status == 0
    card = read_json(tmp_path / "out" / "card.json")
    assert card["architecture"]["generator"] is None and card["generator"] is None
    with pytest.raises(InputError, match="this FeatureMatchingGAN has no generator of images"):
        gan_sntg.load_run(run, "cpu").sample(2)
    for words in ("sample", run), ("evaluate", run, "--fidelity", "--extractor", run):
        outcome = command(*words)
        assert outcome.status == 2 and "is a run of FeatureMatchingGAN, which has no generator of images" in outcome.err


def test_a_run_of_it_resumes_to_the_bit(command, config, tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert interrupted(command, ["--config", config], stopped, FeatureMatchingGAN, "step", 7).status == 130
    for folder in whole, stopped:
        assert command("train", "--config", config, "--out", folder).status == 0
    assert_same_run(stopped, whole)


def test_what_does_not_fit_is_refused_before_training(command, tmp_path):
    cases = {
        "so that none can be drawn; choose FeatureGenerator": gan("gan_sntg.networks.DenseGenerator"),
        "networks see images [1, 8, 8]; add a Backbone, or choose ConvGenerator": TINY | {"method": gan()["method"]},
    }
    for message, tree in cases.items():
        (tmp_path / "bad.yaml").write_text(yaml.safe_dump(tree))
        outcome = command("train", "--config", tmp_path / "bad.yaml", "--out", tmp_path / "bad")
        assert outcome.status == 2 and message in outcome.err and not (tmp_path / "bad").exists()
