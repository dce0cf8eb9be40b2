"""The Python interface: the same run as the command line's, one's own code, and what a run gives back."""

import importlib
import json
import runpy
import shutil
import sys
from pathlib import Path

import pytest
import torch
import yaml
from helpers.run_folders import assert_same_run
from helpers.tiny import assert_same
from jsonargparse import set_parsing_settings

import gan_sntg
from discriminative import Supervised
from gan_sntg.data import Arrays, Digits
from gan_sntg.errors import InputError
from gan_sntg.files import import_paths
from gan_sntg.graph import SNTG, Averaged, Halves
from gan_sntg.methods import FeatureMatchingGAN
from gan_sntg.networks import DenseDiscriminator, DenseGenerator
from gan_sntg.runs.folder import RunFolder
from gan_sntg.schedules import LinearTail

ROOT = Path(__file__).parents[2]
SHORT = {"batch_size": 50, "epochs": 3, "steps_per_epoch": 4, "threads": 1, "device": "cpu", "liveness": False}


def tiny_gan(data, **options) -> FeatureMatchingGAN:
    """That of the tests' tiny configuration, its weights by seed 0."""
    torch.manual_seed(0)
    d = DenseDiscriminator(data.image_shape, data.num_classes, widths=(16, 12))
    g = DenseGenerator(data.image_shape, latent=8, widths=(12, 12))
    return FeatureMatchingGAN(
        discriminator=d, generator=g, teacher=Averaged(0.9), sntg=SNTG(weight=0.1, ramp_epochs=1, pairing=Halves()), **options
    )


def test_a_run_from_python_is_that_of_the_command_line_and_each_goes_on_with_the_others(command, tiny, finished, tmp_path):
    data = Digits()
    method = tiny_gan(data)
    run = gan_sntg.train(method, data, labels=20, out=tmp_path / "a", **SHORT)
    assert_same_run(tmp_path / "a", finished)
    assert (run.test_error, run.test_error_last) == (run.result["test_error_averaged"], run.result["test_error_last"])
    assert command("train", "--config", tiny, "--out", tmp_path / "a").out.count("test error") == 1
    again = gan_sntg.train(tiny_gan(data), data, labels=20, out=tmp_path / "a", **SHORT)
    assert_same(again.method.state_dict(), run.method.state_dict())
    with pytest.raises(InputError, match="holds a run of another configuration"):
        gan_sntg.train(tiny_gan(data), data, labels=30, out=tmp_path / "a", **SHORT)
    assert gan_sntg.train(method, data, labels=20, out=tmp_path / "a", **SHORT).test_error == run.test_error
    with pytest.raises(InputError, match="FeatureMatchingGAN was trained before"):  # a method is trained once
        gan_sntg.train(method, data, labels=30, out=tmp_path / "b", **SHORT)
    assert not (tmp_path / "b").exists()


def test_minimal_is_the_configuration_that_it_says_it_is(command, tmp_path, capsys):
    run = runpy.run_path(str(ROOT / "scripts/minimal.py"))["main"](str(tmp_path / "a"), epochs=2)
    assert "test error" in capsys.readouterr().out and len((ROOT / "scripts/minimal.py").read_text().splitlines()) <= 60
    lengths = ["--epochs", 2, "--method.decay_epochs", 2, "--method.sntg.ramp_epochs", 2]
    assert command("train", "--config", ROOT / "configs/digits_20/fm_gan.yaml", *lengths, "--out", tmp_path / "b").status == 0
    assert_same_run(tmp_path / "a", tmp_path / "b")
    assert RunFolder(tmp_path / "b").read_result()["test_error_averaged"] == run.test_error


def test_what_a_run_gives_back(tmp_path):
    data = Digits()
    run = gan_sntg.train(tiny_gan(data), data, labels=20, validation=True, out=tmp_path / "a", **SHORT)
    assert 0 <= run.validation_error <= 100 and run.metrics[-1]["epoch"] == 3
    predicted = run.predict(data.test_x)
    assert predicted.shape == (397,) and predicted.dtype == torch.int64
    assert 100 * (predicted != data.test_y).double().mean() == pytest.approx(run.test_error)
    samples = run.sample(7)
    assert samples.shape == (7, 1, 8, 8) and samples.dtype == torch.uint8
    assert torch.equal(samples, run.sample(7)) and not torch.equal(samples, run.sample(7, seed=1))
    loaded = gan_sntg.load_run(tmp_path / "a", "cpu")
    assert torch.equal(loaded.predict(data.test_x), predicted) and torch.equal(loaded.sample(7), samples)


def test_arrays_train_from_python_and_a_method_without_a_generator_says_so(tmp_path):
    digits = Digits()
    data = Arrays(digits.train_x[:200], digits.train_y[:200], digits.test_x, digits.test_y, digits.train_x[200:])
    torch.manual_seed(0)
    net = DenseDiscriminator(data.image_shape, data.num_classes, widths=(16,))
    method = Supervised(net=net, schedule=LinearTail(), learning_rate=1e-3, consistency_weight=0.0, stream="two")
    run = gan_sntg.train(method, data, out=tmp_path / "a", **SHORT)
    assert run.predict(data.test_x).shape == (397,)
    with pytest.raises(InputError, match="this Supervised has no generator of images"):
        run.sample(3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epochs": 0}, "epochs is 0; give at least 1"),
        ({"epochz": 3}, "'epochz' is not accepted\n  nearest: epochs"),
        ({"config": "a.yaml"}, "config is not an option of train"),
        ({"epochs": None}, "epochs is not set"),
        ({"precision": "float8"}, "precision: Expected a .*float32.*bfloat16.*Got value: float8"),
        ({"batch_size": None}, "batch_size is null"),
        ({"labels": 5000}, "5000"),
    ],
)
def test_bad_options_are_refused_by_name_and_nothing_is_written(tmp_path, options, words):
    data = Digits()
    with pytest.raises(InputError, match=words):
        gan_sntg.train(tiny_gan(data), data, out=tmp_path / "a", **SHORT | options)
    assert not (tmp_path / "a").exists()


def test_a_run_that_failed_goes_on_in_the_same_process_and_an_unfinished_one_is_not_loaded(tmp_path, monkeypatch):
    data, begun = Digits(), RunFolder(tmp_path / "a")
    monkeypatch.setattr(FeatureMatchingGAN, "end_epoch", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        gan_sntg.train(tiny_gan(data), data, labels=20, out=begun.path, **SHORT)
    monkeypatch.undo()
    with pytest.raises(InputError, match="is not finished; train it to its end first"):
        gan_sntg.load_run(begun.path)
    with monkeypatch.context() as broken, pytest.raises(InputError, match="cannot be written"):
        broken.setattr(RunFolder, "forget_after", lambda self, step: (_ for _ in ()).throw(OSError("no space")))
        gan_sntg.train(tiny_gan(data), data, labels=20, out=begun.path, **SHORT)
    assert gan_sntg.train(tiny_gan(data), data, labels=20, out=begun.path, **SHORT).result["steps"] == 12


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"activation": torch.relu},
            "its argument activation is a builtin_function_or_method, which",
        ),
        ({"widths": [torch.zeros(2)]}, "OneLayer: its argument widths is a Tensor"),
    ],
)
def test_what_a_configuration_cannot_hold_is_refused_by_name(tmp_path, arguments, words):
    class OneLayer(DenseDiscriminator):
        def __init__(self, image_shape, num_classes, widths=(8,), activation=None):
            super().__init__(image_shape, num_classes, widths=(8,))

    data = Digits()
    net = OneLayer(data.image_shape, data.num_classes, **arguments)
    method = Supervised(net=net, schedule=LinearTail(), learning_rate=1e-3, consistency_weight=0.0, stream="two")
    with pytest.raises(InputError, match=words):
        gan_sntg.train(method, data, out=tmp_path / "a", **SHORT)
    assert not (tmp_path / "a").exists()


@pytest.fixture
def own(monkeypatch, tmp_path):
    """A package of one's own on Python's path, admitted to nothing yet."""
    shutil.copytree(ROOT / "tests/own/mypackage", tmp_path / "path/mypackage")
    monkeypatch.syspath_prepend(tmp_path / "path")
    monkeypatch.setattr(import_paths, "_packages", {})
    yield tmp_path / "path/mypackage"
    monkeypatch.undo()
    set_parsing_settings(import_path_denylist=["mypackage"])
    for name in [name for name in sys.modules if name.split(".")[0] == "mypackage"]:
        del sys.modules[name]


@pytest.fixture
def own_config(tiny_tree, tmp_path) -> Path:
    """A configuration that names the package's classes."""
    tree = tiny_tree()
    tree["method"]["class_path"] = "mypackage.MeanMatchingGAN"
    tree["method"]["init_args"]["discriminator"] = {"class_path": "mypackage.SmallResNet", "init_args": {"width": 4}}
    tree["method"]["init_args"]["logits_weight"] = 0.25
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(tree))
    return tmp_path / "own.yaml"


def test_ones_own_method_and_network_train_by_allow_and_are_refused_without(command, own, own_config, tmp_path):
    words = ["train", "--config", own_config, "--out", tmp_path / "run"]
    refused = command(*words)
    assert refused.status == 2 and "mypackage.MeanMatchingGAN is refused" in refused.err and "--allow PACKAGE" in refused.err
    assert "mypackage" not in sys.modules and not (tmp_path / "run").exists()
    outcome = command(*words, "--allow", "mypackage")
    assert outcome.status == 0, outcome.err
    import_paths._packages.clear()
    for again in words, ["evaluate", tmp_path / "run"], ["sample", tmp_path / "run"]:
        outcome = command(*again)
        assert outcome.status == 2 and "--allow mypackage" in outcome.err or "--allow PACKAGE" in outcome.err
    assert command("evaluate", tmp_path / "run", "--allow=mypackage").status == 0
    (own / "gan.py").write_text((own / "gan.py").read_text() + "\n")
    import_paths._packages.clear()
    outcome = command("evaluate", "--allow", "mypackage", tmp_path / "run")
    assert outcome.status == 0 and "the code of mypackage has changed" in outcome.err


def test_ones_own_data_are_trained_and_tested_on_by_allow_and_refused_without(command, own, own_config, tmp_path):
    tree, run = yaml.safe_load(own_config.read_text()), tmp_path / "run"
    own_config.write_text(yaml.safe_dump(tree | {"data": {"class_path": "mypackage.Stripes", "init_args": {"n": 270}}, "labels": 30}))
    words = ["train", "--config", own_config, "--out", run]
    refused = command(*words)
    assert refused.status == 2 and "mypackage.Stripes is refused" in refused.err and "mypackage" not in sys.modules and not run.exists()
    trained = command(*words, "--allow", "mypackage")
    assert trained.status == 0, trained.err
    for again in ["evaluate", run], ["export", run, "--out", tmp_path / "export"], ["sample", run]:
        import_paths._packages.clear()
        refused = command(*again)
        assert refused.status == 2 and "--allow mypackage" in refused.err
        assert command(*again, "--allow", "mypackage").status == 0
    assert json.loads((run / "result.json").read_text())["test_images"] == 54


def test_a_configuration_cannot_allow_anything_itself(command, own, own_config, tmp_path):
    own_config.write_text(own_config.read_text() + "allow: mypackage\n")
    outcome = command("train", "--config", own_config, "--out", tmp_path / "run")
    assert outcome.status == 2 and "mypackage" not in sys.modules
    for name in "sys", "not.a.name", "nowhere_to_be_found":
        assert command("train", "--config", own_config, "--allow", name).status == 2


def test_ones_own_method_and_network_train_from_python(command, own, tmp_path):
    mypackage = importlib.import_module("mypackage")
    data = Digits()
    torch.manual_seed(0)
    d, g = mypackage.SmallResNet(data.image_shape, data.num_classes, width=4), DenseGenerator(data.image_shape, latent=8, widths=(12, 12))
    method = mypackage.MeanMatchingGAN(discriminator=d, generator=g, sntg=SNTG(weight=0.1), logits_weight=0.25)
    run = gan_sntg.train(method, data, labels=20, out=tmp_path / "a", **SHORT | {"liveness": True})
    assert run.metrics[-1]["g/logits"] > 0
    outcome = command("evaluate", tmp_path / "a", "--allow", "mypackage")
    assert outcome.status == 0, outcome.err


@pytest.mark.parametrize("script", ["train_gan", "train_discriminative"])
def test_the_scripts_train(script, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    made = runpy.run_path(str(ROOT / f"scripts/{script}.py"))
    run = made["main"](["--epochs", "2", "--threads", "1", "--out", str(tmp_path / "run")])
    assert f"{run.test_error:.2f} %" in capsys.readouterr().out
