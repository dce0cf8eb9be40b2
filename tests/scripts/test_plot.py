"""The script that plots finished runs draws what they hold, and refuses what it cannot draw."""

import csv
import json
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from google.protobuf import text_format
from helpers.tiny import gan
from helpers.trees import POINTS
from PIL import Image
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from discriminative.supervised import Supervised
from gan_sntg.evaluation.classification import logits_of
from gan_sntg.experiments.figures import curve, regions, title
from gan_sntg.networks.gan import DenseDiscriminator
from gan_sntg.runs.build import load
from gan_sntg.runs.folder import RunFolder
from gan_sntg.schedules import LinearTail

SCRIPT = Path(__file__).parents[2] / "scripts" / "plot.py"


@pytest.fixture
def script(monkeypatch, capsys):
    """Runs the script with these words; what it printed, or its exit status and its message."""

    def run(*words) -> str | tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["plot.py", *map(str, words)])
        capsys.readouterr()
        try:
            runpy.run_path(str(SCRIPT), run_name="__main__")
        except SystemExit as end:
            return end.code, capsys.readouterr().err
        return capsys.readouterr().out

    return run


@pytest.fixture(scope="module")
def spins(tmp_path_factory, command) -> list[Path]:
    """Two finished runs on four spins, of two seeds."""
    folder = tmp_path_factory.mktemp("spins")
    (folder / "config.yaml").write_text(yaml.safe_dump(POINTS))
    for seed in 0, 1:
        words = ["--config", folder / "config.yaml", "--seed", seed, "--data_seed", seed, "--out", folder / str(seed)]
        assert command("train", *words).status == 0
    return [folder / "0", folder / "1"]


@pytest.fixture
def copied(finished, tmp_path) -> Path:
    """A copy of the finished digits run, to be written into."""
    return shutil.copytree(finished, tmp_path / "digits")


def test_regions_have_a_panel_a_run_of_the_averaged_classifier_and_the_runs_own_labels(script, spins, tmp_path):
    assert script("regions", *spins, "--out", tmp_path / "a.png") == f"{tmp_path / 'a.png'}\n"
    assert Image.open(tmp_path / "a.png").size[0] == 1200
    panel = regions(spins[1])
    parts, _ = load(str(spins[1]), "cpu")
    net, source = parts.method.classifiers["averaged"], parts.source
    assert torch.equal(panel.x, source.train_x)
    assert torch.equal(panel.classes, logits_of(net, source.train_x, parts.normalization).argmax(1))
    assert panel.y.ge(0).nonzero().flatten().tolist() == parts.split.labeled and len(parts.split.labeled) == 12
    assert torch.equal(panel.y[parts.split.labeled], source.train_y[parts.split.labeled])
    assert panel.x.abs().max() < panel.reach
    side = len(panel.grid)
    for row, column in (0, 0), (10, 200), (299, 150):  # rows go up, columns to the right
        place = panel.reach * (torch.tensor([[column, row]]) * 2 / (side - 1) - 1)
        expected = logits_of(net, place, parts.normalization).softmax(1)[0]
        torch.testing.assert_close(panel.grid[row, column], expected, atol=1e-4, rtol=1e-4)


def test_curves_take_epochs_and_averaged_errors_of_every_run(script, spins, finished, tmp_path):
    words = [f"spins={spins[0]},{spins[1]}", f"digits={finished}", "--most", 60, "--title", "both", "--out", tmp_path / "a.png"]
    assert script("curves", *words) == f"{tmp_path / 'a.png'}\n" and (tmp_path / "a.png").is_file()
    rows = [[json.loads(line)["test_error/averaged"] for line in (run / "metrics.jsonl").read_text().splitlines()] for run in spins]
    found = curve("spins", spins)
    assert found[0].tolist() == [1, 2] and found[1].tolist() == rows and rows[0] != rows[1]


def test_runs_and_pictures_may_lie_in_the_home_folder(script, spins, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(spins[0].parent))
    assert script("curves", "spins=~/0,~/1", "--out=~/a.png") == f"{spins[0].parent / 'a.png'}\n"
    assert script("regions", "~/0", f"--out={tmp_path / 'b.png'}") == f"{tmp_path / 'b.png'}\n"


def test_an_embedding_shows_the_same_test_images_of_each_run(script, copied, tmp_path):
    words = [copied, copied, "--how", "pca", "--n", 50, "--out", tmp_path / "a.png"]
    assert script("embedding", *words).splitlines() == 2 * [f"projector: {copied}"] + [str(tmp_path / "a.png")]
    kept, embed = [], runpy.run_path(str(SCRIPT))["embed"]
    embed.__globals__["save_embedding"] = lambda path, *shown: kept.extend(shown)
    embed([copied, copied], "pca", 50, tmp_path / "a.png")
    panels, y, names = kept
    assert names == [str(k) for k in range(10)] and [title for title, _ in panels] == ["FM-GAN + SNTG (0.1)"] * 2
    assert len(y) == 50 and panels[0][1].shape == (50, 2) and torch.equal(panels[0][1], panels[1][1])


def test_features_labels_and_thumbnails_are_left_for_tensorboards_projector(script, copied, tmp_path):
    for _ in range(2):  # the second time over the first
        script("embedding", copied, "--how", "pca", "--n", 30, "--out", tmp_path / "a.png")
    board = RunFolder(copied).tensorboard
    (info,) = text_format.Parse((board / "projector_config.pbtxt").read_text(), ProjectorConfig()).embeddings
    parts, _ = load(str(copied), "cpu")
    index = torch.randperm(397, generator=torch.Generator().manual_seed(0))[:30]
    with (board / info.tensor_path).open(newline="") as file:
        h = torch.tensor([[float(v) for v in row] for row in csv.reader(file, delimiter="\t")])
    with torch.no_grad():
        expected, _ = parts.method.classifiers["averaged"].eval()(parts.normalization(parts.source.test_x[index]))
    torch.testing.assert_close(h, expected)
    assert (board / info.metadata_path).read_text().split() == [str(int(k)) for k in parts.source.test_y[index]]
    assert list(info.sprite.single_image_dim) == [8, 8]
    sprite = np.asarray(Image.open(board / info.sprite.image_path))
    for k in 0, 7, 29:  # six a row
        found = sprite[8 * (k // 6) :, 8 * (k % 6) :][:8, :8, 0].astype(int)
        assert np.abs(found - parts.source.test_x[index[k], 0].numpy()).max() <= 1


def test_points_have_no_thumbnails(script, spins, tmp_path):
    run = shutil.copytree(spins[0], tmp_path / "run")
    script("embedding", run, "--how", "pca", "--n", 30, "--out", tmp_path / "a.png")
    (info,) = text_format.Parse((run / "projector_config.pbtxt").read_text(), ProjectorConfig()).embeddings
    assert not info.sprite.image_path and len((run / info.tensor_path).read_text().splitlines()) == 30


def test_what_cannot_be_drawn_is_refused_in_one_message(script, spins, finished, copied, tmp_path):
    part = shutil.copytree(spins[0], tmp_path / "part")
    (part / "result.json").unlink()
    for words, what in {
        ("regions", finished): "was trained on digits, not on points of the plane",
        ("regions", spins[0], part): f"{part} is not the folder of a finished run",
        ("embedding", spins[0], part): f"{part} is not the folder of a finished run",
        ("embedding", copied, spins[0]): f"{spins[0]} was trained on other data than {copied}",
        ("embedding", copied, "--n", 2): "give at least 3 test examples",
        ("curves", spins[0]): "is not NAME=RUN[,RUN...]",
        ("curves", f"={spins[0]}"): "is not NAME=RUN[,RUN...]",
        ("curves", f"a={spins[0]},"): "is not NAME=RUN[,RUN...]",
        ("curves", f"a={spins[0]}", f"a={spins[1]}"): "a stands there twice",
        ("curves", f"a={spins[0]},{finished}"): f"{finished} was not measured after the same epochs as {spins[0]}",
        ("curves", f"a={tmp_path}"): "is not the folder of a finished run",
    }.items():
        status, said = script(*words, "--out", tmp_path / "a.png")
        assert status == 2 and said.startswith("plot.py: error: ") and what in said and said.count("\n") == 1
    assert not (tmp_path / "a.png").exists() and not (copied / "projector_config.pbtxt").exists()
    status, said = script("regions", spins[0], "--out", tmp_path / "none/a.png")
    assert status == 2 and said.startswith("plot.py: error: ") and "none" in said and said.count("\n") == 1


def test_a_title_has_the_papers_name_and_the_graphs_weight_where_it_has_one():
    assert title(gan()) == "FM-GAN" and title(gan(weight=0.4)) == "FM-GAN + SNTG (0.4)"
    assert title(Supervised(DenseDiscriminator((2,), 2, widths=(4,)), LinearTail(), 0.1)) == "Supervised"
