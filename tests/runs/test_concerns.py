"""What is said to whoever trains: when, how often, of which run, and that it can be read in the log later."""

import pytest
import yaml
from helpers.run_folders import interrupted, rows, scalars

from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.networks.dense_gan import DenseGenerator
from gan_sntg.runs import seeds
from gan_sntg.runs.trainer import concerns

SICK = {"diversity": 0.004, "copies": 1.0, "nearest_share": 0.996, "effective_rank": 1.26, "effective_rank_real": 40.04, "collapsed": 1.0}


@pytest.fixture
def collapsing(monkeypatch):
    """As a function of k: every generator draws k images only."""
    forward = DenseGenerator.forward
    return lambda k: monkeypatch.setattr(DenseGenerator, "forward", lambda g, z: forward(g, z)[[i % k for i in range(len(z))]])


def words(outcome) -> str:
    return " ".join(outcome.err.split())


def test_a_healthy_gan_and_a_method_without_one_give_no_concern():
    assert concerns({"gan/collapsed": 0.0}) == concerns({"net/labeled": 1.0}) == {}
    assert concerns({"weight/graph": 1.0, "graph/negatives_inside_margin": 0.05}) == {}
    assert concerns({"weight/graph": 0.0, "graph/negatives_inside_margin": 0.0}) == {}


def test_a_graph_without_negatives_inside_the_margin_is_a_concern():
    said = concerns({"weight/graph": 1.0, "graph/negatives_inside_margin": 0.049})
    assert said["margin"].startswith("4.9% of the negative pairs are inside the margin") and "--method.sntg.margin" in said["margin"]


def test_a_collapse_is_described_by_its_figures_and_with_what_to_try():
    said = concerns({f"gan/{name}": value for name, value in SICK.items()})["collapse"]
    assert said.startswith(
        "the generator has collapsed: in D's features its images are 0.4% as far apart as real ones, 100% of them repeat"
    )
    assert "another, 100% have one real image nearest, and their effective rank is 1.3 (real: 40.0)" in said
    assert "--method.learning_rate or another --seed" in said


@pytest.mark.parametrize("k", [1, 2])
def test_a_collapsed_generator_is_flagged_in_the_log_and_spoken_of_once_a_session(command, tiny, tmp_path, collapsing, k):
    collapsing(k)
    run = ["--config", tiny]
    first = interrupted(command, run, tmp_path, FeatureMatchingGAN, "step", 10)
    second = command("train", *run, "--out", tmp_path)
    for outcome, epoch in (first, 1), (second, 3):
        assert words(outcome).count(f"seed 0, epoch {epoch}: the generator has collapsed") == words(outcome).count("has collapsed") == 1
    assert second.status == 0 and [row["gan/collapsed"] for row in rows(tmp_path)] == [1, 1, 1]
    assert [value for _, value in scalars(tmp_path)["gan/collapsed"]] == ["1.0", "1.0", "1.0"]


@pytest.mark.parametrize("stack", [True, False], ids=["stacked", "in turn"])
def test_of_several_seeds_each_is_flagged_and_named(command, tiny, tmp_path, collapsing, monkeypatch, stack):
    monkeypatch.setattr(seeds, "ONE_PROGRAM_ON", ("cpu",) if stack else ())
    collapsing(1)
    outcome = command("train", "--config", tiny, "--seeds", "3,5", "--out", tmp_path)
    assert outcome.status == 0 and ("one after another" in outcome.err) != stack
    assert [words(outcome).count(f"seed {seed}, epoch 1: the generator has collapsed") for seed in (3, 5)] == [1, 1]
    assert all([row["gan/collapsed"] for row in rows(tmp_path / str(seed))] == [1, 1, 1] for seed in (3, 5))


@pytest.mark.parametrize("stack", [True, False], ids=["stacked", "in turn"])
def test_ordinary_runs_are_watched_and_not_flagged(command, tiny, tmp_path, monkeypatch, stack):
    monkeypatch.setattr(seeds, "ONE_PROGRAM_ON", ("cpu",) if stack else ())
    outcome = command("train", "--config", tiny, "--seeds", "0,1", "--out", tmp_path)
    assert outcome.status == 0 and "collapsed" not in outcome.err
    for row in rows(tmp_path / "0") + rows(tmp_path / "1"):
        assert row["gan/collapsed"] == 0 and row["gan/diversity"] > 0.1 and row["gan/effective_rank"] > 1.5 and row["gan/copies"] < 0.1
        assert sum(row[f"gan/class_{k}"] for k in range(10)) == pytest.approx(1) and row["gan/effective_rank_real"] > 1.5


def test_a_method_without_a_generator_logs_no_health(command, tiny_tree, labels_alone, tmp_path):
    (tmp_path / "labels.yaml").write_text(yaml.safe_dump(tiny_tree() | {"method": labels_alone(), "epochs": 1}))
    assert command("train", "--config", tmp_path / "labels.yaml", "--out", tmp_path / "run").status == 0
    assert not any(name.startswith("gan/") for name in rows(tmp_path / "run")[0])
