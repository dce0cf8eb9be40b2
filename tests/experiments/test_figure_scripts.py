"""The scripts of Figs. 2, 3 and 5 draw what finished runs hold, and refuse what they cannot draw."""

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
from helpers.tiny import POINTS, gan
from PIL import Image
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from discriminative.supervised import Supervised
from gan_sntg.evaluation.classification import logits_of
from gan_sntg.experiments.search import title
from gan_sntg.networks.dense_gan import DenseDiscriminator
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.loading import load
from gan_sntg.schedules import LinearTail

SCRIPTS = Path(__file__).parents[2] / "scripts" / "studies"


@pytest.fixture
def script(monkeypatch, capsys):
    """Runs a script as `python scripts/NAME WORD ...` does; what it printed, or its exit status and what it said of its input."""

    def run(name: str, *words) -> str | tuple[int, str]:
        monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
        capsys.readouterr()
        try:
            runpy.run_path(str(SCRIPTS / name), run_name="__main__")
        except SystemExit as end:
            return end.code, capsys.readouterr().err
        return capsys.readouterr().out

    return run


@pytest.fixture
def captured(monkeypatch):
    """What a script called with these words hands to the function that saves its figure."""

    def of(name: str, save: str, *words):
        kept, main = [], runpy.run_path(str(SCRIPTS / name))["main"]
        main.__globals__[save] = lambda path, *what: kept.append(what)
        main([str(word) for word in words])
        return kept[0]

    return of


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


def test_fig2_draws_a_panel_a_run_and_prints_its_path(script, spins, tmp_path):
    assert script("fig2.py", *spins, "--out", tmp_path / "a.png") == f"{tmp_path / 'a.png'}\n"
    assert Image.open(tmp_path / "a.png").size[0] == 1200


def test_fig2_shows_the_averaged_classifier_at_its_places_and_the_runs_own_labels(captured, spins, tmp_path):
    ((panel,),) = captured("fig2.py", "save_regions", spins[1], "--out", tmp_path / "a.png")
    parts, _ = load(str(spins[1]), "cpu")
    net, source = parts.method.classifiers["averaged"], parts.source
    assert torch.equal(panel.x, source.train_x)
    assert torch.equal(panel.classes, logits_of(net, source.train_x, parts.normalization).argmax(1))
    assert torch.equal(panel.labeled, source.train_x[parts.split.labeled]) and len(panel.labeled) == 12
    assert torch.equal(panel.labeled_classes, source.train_y[parts.split.labeled])
    left, right, bottom, top = panel.extent
    assert left == bottom < panel.x.min() and panel.x.max() < right == top
    side = len(panel.grid)
    for row, column in (0, 0), (10, 200), (299, 150):  # rows go up, columns to the right
        place = torch.tensor([[left + (right - left) * column / (side - 1), bottom + (top - bottom) * row / (side - 1)]])
        expected = logits_of(net, place, parts.normalization).softmax(1)[0]
        torch.testing.assert_close(panel.grid[row, column], expected, atol=1e-4, rtol=1e-4)


def test_fig2_refuses_a_run_on_images_and_one_that_is_not_finished(script, finished, spins, tmp_path):
    status, said = script("fig2.py", finished, "--out", tmp_path / "a.png")
    assert status == 2 and "was trained on digits, not on points of the plane" in said
    part = shutil.copytree(spins[0], tmp_path / "part")
    (part / "result.json").unlink()
    for name in "fig2.py", "fig5.py":
        status, said = script(name, spins[0], part, "--out", tmp_path / "a.png")
        assert status == 2 and said.startswith(f"{name}: error: {part} is not the folder of a finished run")
    assert not (tmp_path / "a.png").exists()


def test_fig3_takes_epochs_and_averaged_errors_of_every_run(captured, script, spins, finished, tmp_path):
    words = ["--runs", f"spins={spins[0]},{spins[1]}", f"digits={finished}", "--most", 60, "--title", "both", "--out", tmp_path / "a.png"]
    curves, heading, most = captured("fig3.py", "save_curves", *words)
    assert (heading, most) == ("both", 60.0) and list(curves) == ["spins", "digits"]
    assert curves["spins"].epochs.tolist() == [1, 2] and curves["digits"].epochs.tolist() == [1, 2, 3]
    rows = [[json.loads(line)["test_error/averaged"] for line in (run / "metrics.jsonl").read_text().splitlines()] for run in spins]
    assert curves["spins"].errors.tolist() == rows and rows[0] != rows[1]
    assert script("fig3.py", *words) == f"{tmp_path / 'a.png'}\n" and (tmp_path / "a.png").is_file()


def test_fig3_refuses_words_that_name_no_runs_and_runs_that_do_not_match(script, spins, finished, tmp_path):
    for words, what in {
        (str(spins[0]),): "is not NAME=RUN[,RUN...]",
        (f"={spins[0]}",): "is not NAME=RUN[,RUN...]",
        (f"a={spins[0]},",): "is not NAME=RUN[,RUN...]",
        (f"a={spins[0]}", f"a={spins[1]}"): "--runs has a name twice",
        (f"a={spins[0]},{finished}",): f"{finished} was not measured after the same epochs as {spins[0]}",
        (f"a={tmp_path}",): "is not the folder of a finished run",
    }.items():
        status, said = script("fig3.py", "--runs", *words, "--out", tmp_path / "a.png")
        assert status == 2 and what in said


def test_fig5_draws_the_same_test_images_of_each_run(captured, script, copied, tmp_path):
    words = [copied, copied, "--how", "pca", "--n", 50, "--out", tmp_path / "a.png"]
    panels, names = captured("fig5.py", "save_embedding", *words)
    assert names == [str(k) for k in range(10)] and [panel.title for panel in panels] == ["FM-GAN + SNTG (0.1)"] * 2
    assert panels[0].x.shape == (50, 2) and torch.equal(panels[0].classes, panels[1].classes)
    assert script("fig5.py", *words).splitlines() == [str(tmp_path / "a.png")] + 2 * [f"projector: {copied / 'tensorboard'}"]


def test_fig5_leaves_features_labels_and_thumbnails_for_tensorboards_projector(script, copied, tmp_path):
    for _ in range(2):  # the second time over the first
        script("fig5.py", copied, "--how", "pca", "--n", 30, "--out", tmp_path / "a.png")
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


def test_fig5_has_no_thumbnails_of_points(script, spins, tmp_path):
    run = shutil.copytree(spins[0], tmp_path / "run")
    script("fig5.py", run, "--how", "pca", "--n", 30, "--out", tmp_path / "a.png")
    (info,) = text_format.Parse((run / "tensorboard/projector_config.pbtxt").read_text(), ProjectorConfig()).embeddings
    assert not info.sprite.image_path and len((run / "tensorboard" / info.tensor_path).read_text().splitlines()) == 30


def test_fig5_refuses_runs_on_other_data_and_too_few_images(script, spins, copied, tmp_path):
    status, said = script("fig5.py", copied, spins[0], "--out", tmp_path / "a.png")
    assert status == 2 and f"{spins[0]} was trained on other data than {copied}" in said
    status, said = script("fig5.py", copied, "--n", 2, "--out", tmp_path / "a.png")
    assert status == 2 and "give at least 3 test examples" in said
    assert not (tmp_path / "a.png").exists() and not (copied / "tensorboard/projector_config.pbtxt").exists()


def test_a_picture_that_cannot_be_written_is_an_error_of_one_line(script, spins, tmp_path):
    status, said = script("fig2.py", spins[0], "--out", tmp_path / "none/a.png")
    assert status == 2 and said.startswith("fig2.py: error: ") and "none" in said and said.count("\n") == 1


def test_a_title_has_the_papers_name_and_the_graphs_weight_where_it_has_one():
    assert title(gan()) == "FM-GAN" and title(gan(weight=0.4)) == "FM-GAN + SNTG (0.4)"
    assert title(Supervised(DenseDiscriminator((2,), 2, widths=(4,)), LinearTail(), 0.1)) == "Supervised"
