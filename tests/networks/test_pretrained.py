"""Pretrained networks that are trained on: what they see, what moves, what stays, and what is refused."""

import pytest
import torch
import torchvision
import yaml
from helpers.run_folders import assert_same_run
from helpers.trees import SMALL
from torch import Tensor, nn
from torchvision.transforms.v2.functional import normalize, resize

from gan_sntg.data import Symmetric, UnitRange
from gan_sntg.data.backbones import Network
from gan_sntg.data.loader import Pool
from gan_sntg.errors import InputError
from gan_sntg.evaluation.classification import logits_of
from gan_sntg.export.load import load_export
from gan_sntg.networks import PretrainedNet, classifiers
from gan_sntg.runs.reading import load_model

NET = "shufflenet_v2_x0_5"


def small(name: str) -> Network:
    """A network of a millisecond, in place of torchvision's of that name."""
    body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
    return Network(body, 32, (0.5,) * 3, (0.25,) * 3, None)


@pytest.fixture
def weights(tmp_path) -> str:
    torch.manual_seed(3)
    torch.save(small("").body.state_dict(), tmp_path / "small.pth")
    return str(tmp_path / "small.pth")


def pool(x: Tensor, normalization) -> Pool:
    y = torch.zeros(len(x), dtype=torch.int64)
    return Pool(x, y, y, torch.arange(len(x)), normalization, "cpu")


def test_it_sees_what_torchvision_shows_and_h_is_a_layer_of_the_features(tmp_path):
    other = torchvision.models.get_model(NET, weights=None).eval()
    torch.save(other.state_dict(), tmp_path / "own.pth")
    x = torch.randint(0, 256, (3, 3, 12, 12), dtype=torch.uint8)
    net = PretrainedNet((3, 12, 12), 4, NET, str(tmp_path / "own.pth"), size=32, width=5).eval()
    net.fit(pool(x, UnitRange()))
    other.fc = nn.Identity()
    seen = normalize(resize(x.float() / 255, [32, 32], antialias=True), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    h = (other(seen) @ net.hidden[1].weight.T + net.hidden[1].bias).relu()
    found, logits = net(UnitRange()(x))
    torch.testing.assert_close(found, h, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(logits, h @ net.out.weight.T + net.out.bias, atol=1e-5, rtol=1e-4)


def test_all_weights_are_trained_and_statistics_stay(monkeypatch, weights):
    monkeypatch.setattr(classifiers, "network", small)
    net = PretrainedNet((1, 12, 12), 3, NET, weights)
    x = torch.randint(0, 256, (9, 1, 12, 12), dtype=torch.uint8)
    net.fit(pool(x, UnitRange()))
    statistics = {name: buffer.clone() for name, buffer in net.named_buffers()}
    logits = net.train()(UnitRange()(x))[1]
    assert not torch.equal(net(UnitRange()(x))[1], logits)  # dropout
    logits.square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in net.parameters())
    assert statistics and all(torch.equal(buffer, statistics[name]) for name, buffer in net.named_buffers())
    assert torch.equal(net.eval()(UnitRange()(x))[1], net(UnitRange()(x))[1])


def test_making_one_draws_for_its_head_alone(monkeypatch):
    monkeypatch.setattr(classifiers, "network", small)
    torch.manual_seed(0)
    first = PretrainedNet((3, 12, 12), 3, NET).out.weight
    monkeypatch.setattr(classifiers, "network", lambda name: [small(name), torch.rand(7)][0])
    torch.manual_seed(0)
    assert torch.equal(PretrainedNet((3, 12, 12), 3, NET).out.weight, first)


@pytest.mark.parametrize(
    ("shape", "given", "normalization", "said"),
    [
        ((3, 12, 12), {}, Symmetric(128), "images in 0..1; choose the normalization UnitRange"),
        ((3, 12, 12), {}, UnitRange(), "needs its weights: save .* --method.net.file"),
        ((2, 12, 12), {}, UnitRange(), "1 or 3 channels, not 2"),
        ((3, 12, 12), {"width": 0}, UnitRange(), "a width of 1 or more, not 0"),
        ((3, 12, 12), {"size": 1}, UnitRange(), "cannot see images of 1 pixels"),
        ((7,), {}, UnitRange(), "needs images of channels x height x width"),
    ],
)
def test_what_does_not_fit_is_refused(monkeypatch, shape, given, normalization, said):
    monkeypatch.setattr(classifiers, "network", small)
    with pytest.raises(InputError, match=said):
        PretrainedNet(shape, 3, NET, **given).fit(pool(torch.full((4, *shape), 9, dtype=torch.uint8), normalization))


@pytest.fixture
def config(monkeypatch, weights, tmp_path) -> str:
    """Pi and SNTG with a pretrained network on random images, two epochs of four steps."""
    monkeypatch.setattr(classifiers, "network", small)
    own = {"net": NET, "file": weights, "width": 6, "dropout": 0.2}
    method = {"net": {"class_path": "gan_sntg.networks.PretrainedNet", "init_args": own}, "learning_rate": 0.001, "stream": "two"}
    method |= {"schedule": {"class_path": "gan_sntg.schedules.LinearTail"}, "sntg": {"class_path": "gan_sntg.graph.SNTG"}}
    method["sntg"]["init_args"] = {"weight": 0.1}
    data = {"class_path": "gan_sntg.data.Synthetic", "init_args": {"shape": [3, 12, 12], "num_classes": 3, "n": 200}}
    tree = SMALL | {"data": data, "labels": 30, "normalization": {"class_path": "gan_sntg.data.UnitRange"}, "epochs": 2}
    tree |= {"steps_per_epoch": 4, "method": {"class_path": "discriminative.PiModel", "init_args": method}}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(tree))
    return str(tmp_path / "a.yaml")


def test_a_run_resumes_to_the_bit_and_is_exported_without_the_file_of_its_weights(command, config, weights, tmp_path):
    whole, run, out = tmp_path / "whole", tmp_path / "run", tmp_path / "export"
    assert command("train", "--config", config, "--out", whole).status == 0
    assert command("train", "--config", config, "--max_minutes", "1e-9", "--out", run).status == 75
    assert command("train", "--config", config, "--out", run).status == 0
    assert_same_run(run, whole)
    (tmp_path / "small.pth").unlink()
    parts, _ = load_model(str(run), "cpu")
    assert command("export", run, "--out", out).status == 0
    classifier, _, card = load_export(out)
    x = torch.randint(0, 256, (5, 3, 12, 12), dtype=torch.uint8)
    logits = logits_of(parts.method.classifiers["averaged"], x, parts.normalization)
    torch.testing.assert_close(classifier(x), logits, atol=1e-4, rtol=1e-4)
    assert weights not in (out / "card.json").read_text() and card.architecture.net["init_args"]["width"] == 6
