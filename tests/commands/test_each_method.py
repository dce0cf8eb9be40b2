"""The commands that read a run, on a run of each method with a generator that digits have a configuration of."""

import numpy as np
import pytest
from helpers.tiny import mixture

from gan_sntg.files.yaml_files import configs_folder
from gan_sntg.networks.density import MixtureDensity

METHODS = [path for path in sorted((configs_folder() / "digits_20").glob("*.yaml")) if "generator:" in path.read_text()]


@pytest.mark.parametrize("config", METHODS, ids=lambda path: path.stem)
def test_what_it_trained_is_evaluated_exported_and_drawn(config, command, tmp_path, monkeypatch):
    monkeypatch.setattr(MixtureDensity, "fitted", mixture(1.0))
    run, images = tmp_path / "run", tmp_path / "images"
    of_run = {
        "evaluate": [run],
        "export": [run, "--out", tmp_path / "export"],
        "sample": [run, "--kind", "png", "--n", 4, "--out", images],
        "predict": [run, images, "--out", tmp_path / "classes.csv"],
    }
    words = ["--epochs", 1, "--batch_size", 500, "--interval_epochs", 1, "--out", run]
    words += ["--method.pretraining_epochs", 0] if "pretraining_epochs" in config.read_text() else []
    trained = command("train", "--config", config, *words)
    assert trained.status == 0 and all(command(name, *words).status == 0 for name, words in of_run.items())
    assert len((tmp_path / "classes.csv").read_text().splitlines()) == 5
    assert command("sample", run, "--kind", "classes", "--n", 4, "--out", tmp_path / "classes.png").status == 0
    command("sample", run, "--kind", "npz", "--n", 4, "--out", tmp_path / "images.npz")
    assert np.load(tmp_path / "images.npz")["images"].shape == (4, 8, 8, 1)
