"""`--seeds` where runs are not stacked: on a CPU, and wherever the method or its networks cannot be."""

import pytest
import torch
import yaml
from helpers.method_factories import made
from helpers.run_folders import assert_same_run, interrupted, result
from helpers.tiny import gan
from jsonargparse import Namespace

from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.runs import seeds

IN_TURN = "the seeds are trained one after another: "


@pytest.fixture
def alone(command, tiny, tmp_path):
    """The folder of the tiny run of a seed."""

    def train(seed: int):
        assert command("train", "--config", tiny, "--seed", seed, "--out", tmp_path / "alone" / str(seed)).status == 0
        return tmp_path / "alone" / str(seed)

    return train


def test_on_a_cpu_seeds_follow_one_another_and_each_leaves_to_the_bit_what_it_leaves_alone(command, tiny, alone, tmp_path, monkeypatch):
    on_interval, order = seeds.Trainer.on_interval, []
    monkeypatch.setattr(seeds.Trainer, "on_interval", lambda s, terms: (order.append(s.options.seed), on_interval(s, terms)))
    outcome = command("train", "--config", tiny, "--seeds", "0,1", "--out", tmp_path / "cell")
    assert outcome.status == 0 and order == [0, 0, 0, 1, 1, 1]
    assert outcome.err.count(f"{IN_TURN}one program is not faster on a CPU (results/seeds_speed.md)\n") == 1
    for seed in 0, 1:
        assert_same_run(tmp_path / "cell" / str(seed), alone(seed))


def test_stopped_in_the_second_they_go_on_there(command, tiny, alone, tmp_path):
    words = ["--config", tiny, "--seeds", "0..2"]
    assert interrupted(command, words, tmp_path / "cell", FeatureMatchingGAN, "step", 18).status == 130
    assert [(tmp_path / "cell" / str(seed) / "result.json").exists() for seed in range(3)] == [True, False, False]
    assert command("train", *words, "--out", tmp_path / "cell").status == 0
    assert_same_run(tmp_path / "cell/1", alone(1))
    assert result(tmp_path / "cell/2")["steps"] == 12


def test_seeds_of_another_method_follow_one_another(command, tiny_tree, labels_alone, tmp_path):
    tree = tiny_tree() | {"epochs": 1, "steps_per_epoch": 1, "method": labels_alone()}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tree))
    words = ["train", "--config", tmp_path / "config.yaml"]
    outcome = command(*words, "--seeds", "0,1", "--out", tmp_path / "cell")
    assert outcome.status == 0 and outcome.err.count(f"{IN_TURN}only the GAN") == 1
    assert command(*words, "--seed", 1, "--out", tmp_path / "alone").status == 0
    assert_same_run(tmp_path / "cell/1", tmp_path / "alone")


def test_only_the_gan_of_dense_networks_is_stacked_and_not_compiled_and_not_on_a_cpu(monkeypatch):
    plain, compiled, other = Namespace(compile=False), Namespace(compile=True), gan()
    other.discriminator = torch.nn.Identity()
    assert "not faster on a CPU" in seeds.obstacle(gan(), plain)
    monkeypatch.setattr(seeds, "ONE_PROGRAM_ON", ("cpu",))
    assert seeds.obstacle(gan(), plain) is None
    assert "not compiled" in seeds.obstacle(gan(), compiled)
    assert "dense networks" in seeds.obstacle(other, plain)
    assert "dense networks" in seeds.obstacle(made("pi"), plain)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: seeds are stacked on one")
def test_on_a_gpu_seeds_are_stacked():
    assert seeds.obstacle(gan(device="cuda"), Namespace(compile=False)) is None
