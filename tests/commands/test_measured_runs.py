"""A run on 12-bit pictures: its levels survive training, predict, sample and export."""

import csv

import numpy as np
import pytest
import tifffile
import torch
import yaml
from PIL import Image

from gan_sntg.export.load import load_export
from gan_sntg.runs.build import load

RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)


@pytest.fixture(scope="module")
def ramps(tmp_path_factory):
    """Pictures of 64 x 64 that hold each of 4,096 levels once, of two classes, as PNG of 16 bits; the first is in order."""
    folder, g = tmp_path_factory.mktemp("ramps"), np.random.default_rng(0)
    for part, n in ("labeled/down", 5), ("labeled/up", 5), ("unlabeled", 10), ("test/down", 3), ("test/up", 3):
        (folder / part).mkdir(parents=True)
        for k in range(n):
            x = RAMP[g.permutation(64)] if (part, k) != ("test/up", 0) else RAMP
            Image.fromarray(x[::-1] if "down" in part else x).save(folder / part / f"{k}.png")
    return folder


@pytest.fixture(scope="module")
def trained(command, tiny_tree, ramps, tmp_path_factory):
    """A tiny GAN that was trained on them."""
    folder = tmp_path_factory.mktemp("runs")
    data = {"class_path": "gan_sntg.data.ImageFolder", "init_args": {"root": str(ramps), "image_size": 64, "range": "0,4095"}}
    tree = tiny_tree() | {"data": data, "labels": 10, "batch_size": 10, "epochs": 1, "steps_per_epoch": 2}
    (folder / "ramp.yaml").write_text(yaml.safe_dump(tree))
    outcome = command("train", "--config", folder / "ramp.yaml", "--out", folder / "run")
    assert outcome.status == 0, outcome.err
    return folder / "run"


def test_each_level_reaches_the_networks_and_comes_back(trained):
    parts, _ = load(str(trained), "cpu")
    x = parts.source.test_x[3:4]
    assert np.array_equal(x[0, 0].numpy(), RAMP)
    seen = parts.normalization(x)
    torch.testing.assert_close(seen.flatten().double() * 4095, torch.arange(4096).double(), atol=1e-3, rtol=0)
    assert torch.equal(parts.normalization.images(seen), x)
    view = parts.streams.pool.view(torch.tensor([0, 7]))
    assert torch.equal(parts.normalization.images(view.x), parts.source.train_x[[0, 7]])


def test_predict_reads_files_as_training_did(command, trained, ramps, tmp_path):
    outcome = command("predict", trained, ramps / "test", "--out", tmp_path / "a.csv", "--all", tmp_path / "a.npz")
    assert outcome.status == 0, outcome.err
    parts, _ = load(str(trained), "cpu")
    logits = parts.method.classifiers["averaged"].eval()(parts.normalization(parts.source.test_x))[1]
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert [f"test/{row['file']}" for row in rows] == [*parts.source.test_names] and len(rows) == 6
    np.testing.assert_allclose([float(row["confidence"]) for row in rows], logits.softmax(1).max(1).values.detach(), atol=1e-5)
    outcome = command("predict", trained, ramps / "test", "--out", tmp_path / "b.csv", "--white", 4095)
    assert outcome.status == 2 and "leave --white out" in outcome.err


def test_samples_have_the_depth_of_the_data(command, trained, tmp_path):
    for kind, name in ("npz", "a.npz"), ("png", "files"), ("grid", "grid.png"), ("neighbors", "near.png"):
        outcome = command("sample", trained, "--kind", kind, "--n", 3, "--out", tmp_path / name)
        assert outcome.status == 0, outcome.err
    drawn = np.load(tmp_path / "a.npz")["images"]
    assert drawn.dtype == np.uint16 and drawn.shape == (3, 64, 64, 1) and 255 < drawn.max() <= 4095
    for k in range(3):
        assert np.array_equal(np.asarray(Image.open(tmp_path / "files" / f"sample_0000{k}.png")), drawn[k, ..., 0])
    grid = np.asarray(Image.open(tmp_path / "grid.png"))
    assert grid.dtype == np.uint8 and np.abs(grid[2:66, 2:66, 0] - drawn[0, ..., 0] * 255.0 / 4095).max() <= 0.51


def test_an_export_takes_and_gives_the_same_values(command, trained, ramps, tmp_path):
    outcome = command("export", trained, "--out", tmp_path / "export")
    assert outcome.status == 0, outcome.err
    classifier, generator, card = load_export(tmp_path / "export")
    assert (card.input.dtype, card.input.range) == ("uint16", [0, 4095]) and generator is not None
    parts, _ = load(str(trained), "cpu")
    x = classifier.read(ramps / "test" / "up" / "0.png")
    assert np.array_equal(x[0, 0].numpy(), RAMP)
    expected = parts.method.classifiers["averaged"].eval()(parts.normalization(x))[1]
    torch.testing.assert_close(classifier(x), expected)
    program = torch.export.load(tmp_path / "export" / "classifier.pt2").module()
    torch.testing.assert_close(program(parts.source.test_x), classifier(parts.source.test_x))
    assert generator(generator.z(2)).dtype == torch.uint16


def test_the_range_stays_that_of_training_where_the_data_are_gone(command, trained, ramps, tmp_path):
    moved = ramps.rename(ramps.with_name("elsewhere"))
    try:
        outcome = command("sample", trained, "--kind", "npz", "--n", 2, "--out", tmp_path / "a.npz")
        assert outcome.status == 0 and np.load(tmp_path / "a.npz")["images"].dtype == np.uint16
        tifffile.imwrite(tmp_path / "deep.tif", RAMP)
        (tmp_path / "new").mkdir()
        (tmp_path / "deep.tif").rename(tmp_path / "new" / "deep.tif")
        assert command("predict", trained, tmp_path / "new", "--out", tmp_path / "a.csv").status == 0
    finally:
        moved.rename(ramps)
