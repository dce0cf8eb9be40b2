"""From options to a run's objects: labels, noise and normalisation reach it, and what cannot work is refused before a run exists."""

import json

import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_sntg.data.loader import UNLABELED
from gan_sntg.data.normalization import ZCA
from gan_sntg.data.public import Digits
from gan_sntg.errors import InputError
from gan_sntg.runs.build import build, pick_device
from gan_sntg.runs.options import config_parser


@pytest.fixture
def parts(tiny):
    def made(*words):
        parser = config_parser()
        return build(parser, parser.parse_args(["--config", str(tiny), *words]))

    return made


def test_labels_null_makes_every_label_known(parts):
    pool = parts("--labels", "null").streams.pool
    assert torch.equal(pool.y, pool.truth) and len(pool.labeled) == 1400


def test_a_balance_and_noise_reach_the_pool_and_leave_the_truth(parts):
    made = parts("--labels", "25", "--balance", "rounded", "--label_noise", "0.4")
    pool = made.streams.pool
    assert (pool.y != UNLABELED).sum() == 25 and torch.equal(pool.truth, Digits().train_y)
    assert len(made.split.replaced) == 10 and [pool.y[i] for i, _ in made.split.replaced] == [k for _, k in made.split.replaced]


def test_an_unknown_balance_is_refused(refused, train):
    refused([*train, "--balance", "fair"], "balance")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--balance", "random"], "has balance equal, but the options say random; add --balance equal"),
        (["--label_noise", "0.1"], "has label_noise 0.0, but the options say 0.1; add --label_noise 0.0"),
        (["--labels", "null"], "has labels 20, but the options say null; add --labels 20"),
        (["--labels", "30"], "has labels 20, but the options say 30; add --labels 20"),
    ],
)
def test_a_manifest_that_differs_from_the_options_is_refused(refused, train, finished, words, reason):
    refused([*train, "--split", finished / "split.json", *words], reason)


def test_a_manifest_of_all_labels_fits_labels_null(command, tiny, tmp_path, parts):
    (tmp_path / "split.json").write_text(parts("--labels", "null").split.text())
    assert parts("--labels", "null", "--split", str(tmp_path / "split.json")).split.labeled == list(range(1400))


def test_the_normalization_is_fitted_on_the_pool_without_validation_images(parts, tiny_tree, tmp_path):
    tree = tiny_tree() | {"normalization": {"class_path": "gan_sntg.data.ZCA"}}
    (tmp_path / "zca.yaml").write_text(yaml.safe_dump(tree))
    for validation in "true", "false":
        made = parts("--config", str(tmp_path / "zca.yaml"), "--validation", validation)
        expected = ZCA()
        expected.fit(made.source.train_x[made.split.pool(made.source)])
        assert torch.equal(made.normalization.matrix, expected.matrix)
    assert len(made.split.pool(made.source)) == 1400


@pytest.mark.parametrize("name", ["PerImage", "ContrastZCA"])
def test_a_generator_and_a_normalization_without_a_way_back_are_refused_before_writing(command, tiny_tree, labels_alone, tmp_path, name):
    tree = tiny_tree() | {"normalization": {"class_path": f"gan_sntg.data.{name}"}}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(tree))
    outcome = command("train", "--config", tmp_path / "a.yaml", "--out", tmp_path / "run")
    assert outcome.status == 2 and "cannot be undone" in outcome.err and not (tmp_path / "run").exists()
    tree["method"] = labels_alone()
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(tree))
    assert command("train", "--config", tmp_path / "a.yaml", "--epochs", "1", "--out", tmp_path / "run").status == 0


def test_an_npz_file_is_named_without_being_taken_for_something_to_import(refused, tiny_tree, tmp_path):
    data = {"class_path": "gan_sntg.data.Arrays", "init_args": {"file": "my.npz", "root": str(tmp_path)}}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(tiny_tree() | {"data": data}))
    refused(["train", "--config", "a.yaml", "--out", "run"], "my.npz does not exist")


def images(run, name: str) -> list:
    """What TensorBoard shows of a run under a name."""
    return EventAccumulator(str(run), size_guidance={"images": 0}).Reload().Images(name)


def test_normalised_images_are_shown_once_at_the_start_of_a_run(command, tiny, run):
    (run / "result.json").unlink()
    assert command("train", "--config", tiny, "--out", run).status == 0
    assert [shown.step for shown in images(run, "training/normalized")] == [0]
    assert json.loads((run / "result.json").read_text())["epochs"] == 3


def test_augmented_images_are_shown_beside_the_normalised_ones(command, tiny_tree, labels_alone, tmp_path):
    method = labels_alone()
    method["init_args"]["augmentation"] = {"class_path": "gan_sntg.data.Augmentation", "init_args": {"translation": 2}}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(tiny_tree() | {"method": method, "epochs": 1}))
    assert command("train", "--config", tmp_path / "a.yaml", "--out", tmp_path / "run").status == 0
    plain, varied = (images(tmp_path / "run", f"training/{name}") for name in ("normalized", "augmented"))
    assert [len(plain), len(varied)] == [1, 1] and plain[0].encoded_image_string != varied[0].encoded_image_string


@pytest.mark.parametrize("there", [True, False])
def test_mps_is_used_where_torch_has_it_and_it_is_asked_for(monkeypatch, there):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: there)
    assert pick_device("auto").type in ("cpu", "cuda")
    if there:
        assert pick_device("mps").type == "mps"
        return
    with pytest.raises(InputError, match="--device mps: PyTorch finds no MPS device here; use --device cpu or auto"):
        pick_device("mps")
