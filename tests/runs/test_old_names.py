"""Run folders and exports of before the rooms go on loading; configuration files are refused with the new name."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers.data_files import picture

from gan_sntg.export import load_export
from gan_sntg.files.old_names import modern
from gan_sntg.runs.folder import RunFolder

EARLIER = Path(__file__).parents[1] / "earlier"
NEW = {
    "gan": {
        "weight": 0.1,
        "ramp_epochs": 1.0,
        "start_epochs": 0.0,
        "labeled": True,
        "margin": 1.0,
        "distance": "rms",
        "pairing": {"class_path": "gan_sntg.graph.Sampled", "init_args": {"pairs": 40}},
        "graph": {"class_path": "gan_sntg.graph.TeacherGraph", "init_args": {"kind": "soft"}},
    },
    "pi": {
        "weight": 0.5,
        "ramp_epochs": 0.0,
        "margin": 2.0,
        "distance": "rms",
        "pairing": None,
        "graph": {"class_path": "gan_sntg.graph.TeacherGraph", "init_args": {"kind": "soft", "merge": True}},
    },
}


@pytest.mark.parametrize("name", NEW)
def test_a_run_folder_of_before_goes_on_and_is_evaluated(command, tmp_path, name):
    shutil.copytree(EARLIER / f"run_{name}", tmp_path / "run")
    options = RunFolder(tmp_path / "run").read_options() | {"max_minutes": None}
    method = options["method"]["init_args"]
    assert method["sntg"] == {"class_path": "gan_sntg.graph.SNTG", "init_args": NEW[name]}
    w = {"max_weight": 3.0, "ramp_epochs": 1.0, "scaled": False}
    assert name == "gan" or (method["w"], method["adam_epsilon"]) == (w, "inside_sqrt")
    (tmp_path / "new.yaml").write_text(yaml.safe_dump(options))
    resumed = command("train", "--config", tmp_path / "new.yaml", "--out", tmp_path / "run")
    assert resumed.status == 0, resumed.err
    assert command("train", "--config", tmp_path / "new.yaml", "--out", tmp_path / "whole").status == 0
    assert command("evaluate", tmp_path / "run").status == 0
    states = [torch.load(tmp_path / run / "checkpoints/last.pt", weights_only=True)["method"] for run in ("run", "whole")]
    torch.testing.assert_close(*states, rtol=1e-3, atol=1e-4)  # the checkpoint is of another machine, which rounds otherwise


def test_a_run_of_before_that_took_its_pairs_within_each_process_is_not_continued_otherwise(command, tmp_path):
    shutil.copytree(EARLIER / "run_gan", tmp_path / "run")
    config = tmp_path / "run/config.yaml"
    config.write_text(config.read_text().replace("pair_scope: all", "pair_scope: rank"))
    outcome = command("evaluate", tmp_path / "run")
    assert outcome.status == 2 and "has pair_scope rank, but" in outcome.err and "use the version that began the run" in outcome.err


def test_a_network_that_was_named_by_its_module_is_that_of_its_room():
    assert modern({"class_path": "gan_sntg.networks.dense_gan.DenseGenerator"}) == {"class_path": "gan_sntg.networks.DenseGenerator"}
    before = {"class_path": "gan_sntg.networks.batch_norm_discriminators.BatchNormConvNet"}
    assert modern(before) == {"class_path": "gan_sntg.networks.BatchNormConvNet"}


def test_an_export_of_before_loads():
    classifier, generator, card = load_export(EARLIER / "export")
    assert card.provenance["method"] == "gan_sntg.methods.FeatureMatchingGAN"
    assert classifier(torch.zeros(2, 1, 8, 8, dtype=torch.uint8)).shape == (2, 10) and generator(generator.z(3)).shape == (3, 1, 8, 8)


@pytest.mark.parametrize("name", NEW)
def test_a_file_with_names_of_before_is_refused_with_the_new_one(command, tmp_path, name):
    outcome = command("train", "--config", EARLIER / f"run_{name}/config.yaml", "--out", tmp_path / "run")
    assert outcome.status == 2 and "gan_sntg.core.data.sources.Digits" in outcome.err and "gan_sntg.data.Digits" in outcome.err


def test_todays_names_stay_as_they_are(tiny_tree):
    assert modern(tiny_tree()) == tiny_tree()


@pytest.fixture
def pictures_run(command, tiny_tree, labels_alone, tmp_path):
    """Makes a run on pictures as the versions before today's reading left it; its words to train it again, and what it predicts."""

    def make(channels: int) -> tuple[list, str]:
        g = np.random.default_rng(0)
        for part in "labeled/a", "labeled/b", "unlabeled", "test/a", "test/b":
            for k in range(5):
                picture(tmp_path / "pictures" / part / f"{k}.png", g.integers(0, 256, (28, 28, channels), dtype=np.uint8))
        data = {"class_path": "gan_sntg.data.ImageFolder", "init_args": {"root": str(tmp_path / "pictures"), "image_size": 28}}
        tree = tiny_tree() | {"data": data, "method": labels_alone(), "labels": None, "batch_size": 5, "epochs": 1}
        (tmp_path / "a.yaml").write_text(yaml.safe_dump(tree))
        words = ["train", "--config", tmp_path / "a.yaml", "--out", tmp_path / "run"]
        assert command(*words, "--data.reading", 1).status == 0
        config = tmp_path / "run/config.yaml"
        config.write_text("".join(line for line in config.open() if line.split(":")[0].strip() not in ("background", "white", "reading")))
        return words, predicted()

    def predicted() -> str:
        assert command("predict", tmp_path / "run", tmp_path / "pictures/test", "--out", tmp_path / "a.csv").status == 0
        return (tmp_path / "a.csv").read_text()

    return make


def test_a_run_on_transparent_pictures_of_before_is_evaluated_as_it_was_and_not_continued_otherwise(command, pictures_run, tmp_path):
    words, _ = pictures_run(4)
    result = json.loads((tmp_path / "run/result.json").read_text())
    outcome = command("evaluate", tmp_path / "run")
    assert json.loads(outcome.out)["test_error_averaged"] == result["test_error_averaged"]
    (tmp_path / "run/result.json").unlink()
    outcome = command(*words)
    assert outcome.status == 2 and "use the data that the manifest was made from, or add --data.reading 1 if an earlier" in outcome.err
    assert command(*words, "--data.reading", 1).status == 0


def test_a_run_of_before_on_pictures_that_are_read_as_they_were_goes_on(command, pictures_run, tmp_path):
    words, before = pictures_run(3)
    (tmp_path / "run/result.json").unlink()
    assert command(*words).status == 0 and (tmp_path / "a.csv").read_text() == before
