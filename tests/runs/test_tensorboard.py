"""What TensorBoard shows of a run: pages of scalars, options beside errors, names of classes, and the projector."""

import csv
import re

import numpy as np
import pytest
import torch
from google.protobuf import text_format
from helpers.run_folders import rows
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from gan_sntg.data import Digits
from gan_sntg.data.splits import load_split
from gan_sntg.evaluation.classification import outputs_of
from gan_sntg.rng import purpose_generator
from gan_sntg.runs.build import load
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.tensorboard import options_in, pages


def events(run) -> EventAccumulator:
    return EventAccumulator(str(RunFolder(run).tensorboard)).Reload()


def test_the_pages_of_scalars_are_errors_terms_graph_and_health_each_with_charts_of_tags_that_there_are(finished):
    (found,) = events(finished).Tensors("custom_scalars__config__")
    layout = Layout.FromString(found.tensor_proto.string_val[0])
    assert [page.title for page in layout.category] == ["1 errors", "2 terms", "3 graph", "4 GAN health"]
    tags = rows(finished)[-1].keys()
    for page in layout.category:
        for chart in page.chart:
            assert any(re.match(tag, name) for tag in chart.multiline.tag for name in tags), chart.title
    shown = [tag for page in layout.category for chart in page.chart for tag in chart.multiline.tag]
    assert {name for name in tags if not any(re.match(tag, name) for tag in shown)} <= {"epoch", "step"}


def test_a_method_without_a_generator_has_no_page_of_its_health():
    assert list(pages(["net/labeled", "test_error/last", "learning_rate"])) == ["1 errors", "2 terms"]


def test_options_stand_beside_the_errors_of_the_averaged_and_last_weights(finished):
    found = events(finished)
    content = {name: found.SummaryMetadata(name).plugin_data.content for name in (metadata.EXPERIMENT_TAG, metadata.SESSION_START_INFO_TAG)}
    options = metadata.parse_session_start_info_plugin_data(content[metadata.SESSION_START_INFO_TAG]).hparams
    assert options["method.sntg.weight"].number_value == 0.1 and options["method"].string_value == "gan_sntg.methods.FeatureMatchingGAN"
    assert options["labels"].number_value == 20 and "device" not in options
    errors = metadata.parse_experiment_plugin_data(content[metadata.EXPERIMENT_TAG]).metric_infos
    assert {error.name.tag for error in errors} == {"test_error/averaged", "test_error/last"}


def test_options_are_named_as_on_the_command_line():
    tree = {"a": {"class_path": "x.Y", "init_args": {"b": 1, "c": None, "d": [1, 2]}}, "e": True}
    assert options_in(tree) == {"a": "x.Y", "a.b": 1, "a.c": "None", "a.d": "[1, 2]", "e": True}


def test_shares_of_classes_bear_the_names_that_the_data_have(command, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(Digits, "class_names", [f"digit {k}" for k in range(10)])
    assert command("train", "--config", tiny, "--epochs", 1, "--out", tmp_path / "run").status == 0
    (row,) = rows(tmp_path / "run")
    assert sum(row[f"gan/class/digit {k}"] for k in range(10)) == pytest.approx(1) and "gan/class_0" not in row


@pytest.mark.parametrize("held_out", [False, True], ids=["test", "validation"])
def test_the_projector_has_features_classes_and_thumbnails_of_test_or_held_out_images(command, tiny, tmp_path, held_out):
    run = tmp_path / "run"
    words = ["--epochs", 1, "--projector", "true", "--validation", str(held_out).lower(), "--out", run]
    assert command("train", "--config", tiny, *words).status == 0
    board, (parts, _) = RunFolder(run).tensorboard, load(str(run), "cpu")
    (info,) = text_format.Parse((board / "projector_config.pbtxt").read_text(), ProjectorConfig()).embeddings
    with (board / info.tensor_path).open(newline="") as file:
        h = torch.tensor([[float(v) for v in row] for row in csv.reader(file, delimiter="\t")])
    source, held = parts.source, load_split(run / "split.json", parts.source).validation
    x, y = (source.train_x[held], source.train_y[held]) if held_out else (source.test_x, source.test_y)
    features, _ = outputs_of(parts.method.classifiers["averaged"], x, parts.normalization)
    index = torch.randperm(len(y), generator=purpose_generator(0, "projector"))
    torch.testing.assert_close(h, features[index], rtol=1e-4, atol=1e-4)
    labels = (board / info.metadata_path).read_text().split()
    assert labels == [str(int(k)) for k in y[index]] and list(info.sprite.single_image_dim) == [8, 8]
    sprite, side = np.asarray(Image.open(board / info.sprite.image_path)), int(np.ceil(len(y) ** 0.5))
    for k in 0, 7, len(y) - 1:
        thumbnail = sprite[8 * (k // side) :, 8 * (k % side) :][:8, :8, 0].astype(int)
        assert np.abs(thumbnail - x[index[k], 0].numpy()).max() <= 1


def test_the_projector_may_be_asked_for_of_a_run_that_goes_on(command, tiny, run):
    (run / "result.json").unlink()
    assert command("train", "--config", tiny, "--projector", "true", "--out", run).status == 0
    assert (RunFolder(run).tensorboard / "projector_config.pbtxt").is_file()
