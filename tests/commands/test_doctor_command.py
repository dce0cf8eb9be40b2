"""`gan-sntg doctor`: many files in one process, data made up where asked, and status 1 with the culprit's name."""

from pathlib import Path

import pytest
import yaml
from helpers.trees import TINY, tiny_with

CONFIGS = Path(__file__).parents[2] / "configs"


def test_several_files_are_checked_in_one_process(command):
    files = [CONFIGS / "digits_20/fm_gan.yaml", CONFIGS / "digits_20/supervised.yaml"]
    outcome = command("doctor", "--config", *files)
    assert outcome.status == 0 and outcome.err == ""
    for text in ("FeatureMatchingGAN on digits", "d/graph", "g/matching", "Supervised on digits", "net/labeled", "2 configurations in"):
        assert text in outcome.out
    assert "off: its weight is 0" in outcome.out and "labels per class: 2 2 2 2 2 2 2 2 2 2" in outcome.out


FOLDER = {"class_path": "gan_sntg.data.ImageFolder", "init_args": {"root": "my_pictures", "image_size": 32, "color": True}}


@pytest.mark.parametrize("data", [FOLDER, {"class_path": "gan_sntg.data.SVHN"}], ids=["folder", "public set"])
def test_made_up_images_stand_in_for_files_and_it_says_so(command, tmp_path, data, monkeypatch):
    monkeypatch.delenv("GAN_SNTG_DATA", raising=False)
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(TINY | {"data": data, "labels": None}))
    outcome = command("doctor", "--config", tmp_path / "a.yaml", "--synthetic", "--batch_size", "8", "--steps", "1")
    assert outcome.status == 0, outcome.err
    assert "on synthetic" in outcome.out and "3, 32, 32]" in outcome.out


def test_a_dead_term_ends_in_status_1_and_its_name(command, tmp_path):
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(tiny_with("method.sntg.start_epochs", 99)))
    outcome = command("doctor", "--config", tmp_path / "a.yaml")
    assert outcome.status == 1
    assert "a.yaml: d/graph has weight 0.1 but is never there: its ramp does not rise" in outcome.err.replace("\n", " ")


def test_a_strangers_class_is_refused_before_its_import(refused, tmp_path):
    (tmp_path / "evil.py").write_text("open('touched', 'w')")
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(tiny_with("data", {"class_path": "evil.Source"})))
    refused(["doctor", "--config", "a.yaml", "--synthetic"], "evil.Source is refused")
