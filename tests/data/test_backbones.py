"""Frozen networks as normalizations: their features are right, computed once, part of the run, and refused where they cannot be."""

import pytest
import torch
import torchvision
import yaml
from helpers.trees import DISCRIMINATOR, SMALL, TINY, labels_alone
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.transforms.v2.functional import normalize, resize

from gan_sntg.data import Backbone, Synthetic, backbones
from gan_sntg.data.augmentation import Augmentation
from gan_sntg.data.backbones import Network
from gan_sntg.errors import InputError
from gan_sntg.evaluation.classification import logits_of
from gan_sntg.export.load import load_export
from gan_sntg.runs.build import load
from gan_sntg.runs.reading import load_model

NET = "shufflenet_v2_x0_5"
X = torch.randint(0, 256, (9, 3, 12, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def net() -> torch.nn.Module:
    """A classifier of torchvision with weights of our own, its batch norms in use."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = torchvision.models.get_model(NET, weights=None)
        for _ in range(40):
            net.train()(torch.randn(16, 3, 32, 32))
        return net.eval()


@pytest.fixture(scope="module")
def weights(net, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("weights") / "own.pth"
    torch.save(net.state_dict(), path)
    return str(path)


@pytest.fixture
def backbone(weights) -> Backbone:
    return Backbone(NET, weights, size=32)


@pytest.fixture
def passes(monkeypatch) -> list[int]:
    """Sizes of the batches that pass a network from here on."""
    seen, features = [], Backbone.features

    def counted(self, x: Tensor, *body) -> Tensor:
        seen.extend([] if torch.compiler.is_compiling() or len(x) == 1 else [len(x)])  # one is a probe
        return features(self, x, *body)

    monkeypatch.setattr(Backbone, "features", counted)
    return seen


def expected(net: torch.nn.Module, x: Tensor) -> Tensor:
    """Features by torchvision's own transforms, what its last layer is given, one image after another."""
    seen: list[Tensor] = []
    hook = net.fc.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    with torch.no_grad():
        for image in x.expand(-1, 3, -1, -1):
            image = resize(image.float() / 255, [32, 32], antialias=True)
            net(normalize(image, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])[None])
    hook.remove()
    return torch.cat(seen)


@pytest.mark.parametrize("x", [X, X[:, :1]], ids=["colour", "grey"])
def test_features_are_what_the_last_layer_is_given_standardised_over_the_pool(net, backbone, x):
    backbone.check(x)
    backbone.fit(x[:6])
    h = backbone.prepare(x)
    torch.testing.assert_close(h, expected(net, x), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(backbone(h), backbone(x), atol=0, rtol=0)
    of_pool = backbone(backbone.prepare(x[:6])).double()
    varied = backbone.prepare(x[:6]).std(0) > 1e-3
    assert backbone.shape((3, 12, 12)) == (1024,) and varied.sum() > 500
    torch.testing.assert_close(of_pool.mean(0), torch.zeros(1024, dtype=torch.float64), atol=1e-3, rtol=0)
    torch.testing.assert_close(
        of_pool[:, varied].std(0, correction=0), torch.ones(int(varied.sum()), dtype=torch.float64), atol=1e-3, rtol=0
    )


def test_images_pass_once_whoever_asks_again_and_other_images_or_weights_pass_anew(net, weights, passes, tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_SNTG_CACHE", str(tmp_path / "cache"))
    for _ in range(2):
        Backbone(NET, weights, size=32).fit(X)
    assert passes == [9]
    Backbone(NET, weights, size=32).fit(X[1:])
    changed = net.state_dict() | {"conv1.0.weight": net.state_dict()["conv1.0.weight"] * 2}
    save_file(changed, tmp_path / "other.safetensors")
    Backbone(NET, str(tmp_path / "other.safetensors"), size=32).fit(X)
    Backbone(NET, weights, size=24).fit(X)
    assert passes == [9, 8, 9, 9]


def test_making_one_draws_nothing_from_torchs_generator(weights):
    before = torch.get_rng_state()
    Backbone(NET, weights).fit(X)
    assert torch.equal(torch.get_rng_state(), before)


def small(name: str) -> Network:
    """A network of a millisecond, in place of torchvision's of that name."""
    body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
    return Network(body, 32, (0.5,) * 3, (0.25,) * 3, None)


def small_state(factor: float = 1.0) -> dict[str, Tensor]:
    """Its weights, those of the convolution times a factor."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        state = small("").body.state_dict()
    return state | {"0.weight": factor * state["0.weight"]}


@pytest.fixture
def tree(tmp_path, monkeypatch) -> dict:
    """Labels alone and SNTG on features of random images, two epochs of four steps."""
    monkeypatch.setattr(backbones, "network", small)
    weights = str(tmp_path / "small.pth")
    torch.save(small_state(), weights)
    method = labels_alone(DISCRIMINATOR)
    method["init_args"]["sntg"] = {"class_path": "gan_sntg.graph.SNTG", "init_args": {"weight": 0.1}}
    data = {"class_path": "gan_sntg.data.Synthetic", "init_args": {"shape": [3, 12, 12], "num_classes": 3, "n": 200}}
    normalization = {"class_path": "gan_sntg.data.Backbone", "init_args": {"net": NET, "file": weights, "size": 32}}
    return SMALL | {"data": data, "labels": 30, "normalization": normalization, "method": method, "epochs": 2, "steps_per_epoch": 4}


@pytest.fixture
def config(tree, tmp_path) -> str:
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(tree))
    return str(tmp_path / "a.yaml")


def test_a_run_on_features_is_evaluated_and_exported_without_its_data_and_weights(command, config, tmp_path, monkeypatch, passes):
    monkeypatch.setenv("GAN_SNTG_CACHE", str(tmp_path / "cache"))
    run, out = tmp_path / "run", tmp_path / "export"
    words = ["train", "--config", config, "--out", run]
    assert command(*words).status == 0
    trained = sum(passes)
    parts, _ = load(str(run), "cpu")
    assert sum(passes) == trained == len(parts.source.train_x) + len(parts.source.test_x)
    tree = yaml.safe_load((run / "config.yaml").read_text())
    tree["normalization"]["init_args"]["file"] = "gone.pth"
    (run / "config.yaml").write_text(yaml.safe_dump(tree))
    model, _ = load_model(str(run), "cpu")
    x = parts.source.test_x[:20]
    logits = logits_of(parts.method.classifiers["averaged"], x, parts.normalization)
    torch.testing.assert_close(logits_of(model.method.classifiers["averaged"], x, model.normalization), logits, atol=0, rtol=0)
    assert command("export", run, "--out", out).status == 0
    monkeypatch.setenv("GAN_SNTG_CACHE", str(tmp_path / "empty"))
    again, _, card = load_export(out)
    torch.testing.assert_close(again(x), logits, atol=1e-4, rtol=1e-4)
    new = (x + 7).contiguous()
    expected = logits_of(parts.method.classifiers["averaged"], new, parts.normalization)
    torch.testing.assert_close(again(new), expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(torch.export.load(out / "classifier.pt2").module()(x[:7]), logits[:7], atol=1e-4, rtol=1e-4)
    assert card.architecture.normalization["init_args"] == {"net": NET, "size": 32} and str(tmp_path) not in (out / "card.json").read_text()


def test_with_validation_images_too_each_image_passes_once(command, config, tmp_path, monkeypatch, passes):
    monkeypatch.setenv("GAN_SNTG_CACHE", str(tmp_path / "cache"))
    assert command("train", "--config", config, "--validation", "true", "--out", tmp_path / "run").status == 0
    parts, _ = load(str(tmp_path / "run"), "cpu")
    assert sum(passes) == len(parts.source.train_x) + len(parts.source.test_x) and parts.split.validation


def test_pictures_are_classified_by_their_features(command, config, tmp_path):
    run, folder = tmp_path / "run", tmp_path / "pictures"
    assert command("train", "--config", config, "--out", run).status == 0
    folder.mkdir()
    parts, _ = load(str(run), "cpu")
    for k, image in enumerate(parts.source.test_x[:5]):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / f"{k}.png")
    assert command("predict", run, folder, "--out", tmp_path / "found.csv").status == 0
    logits = logits_of(parts.method.classifiers["averaged"], parts.source.test_x[:5], parts.normalization)
    named = [line.split(",")[1] for line in (tmp_path / "found.csv").read_text().splitlines()[1:]]
    assert named == [str(k) for k in logits.argmax(1).tolist()]


def test_a_run_goes_on_with_its_own_weights_alone(command, config, tmp_path):
    run = tmp_path / "run"
    words = ["train", "--config", config, "--out", run]
    assert command(*words, "--max_minutes", "0.0001").status == 75
    torch.save(small_state(2.0), tmp_path / "small.pth")
    status, _, err = command(*words)
    assert status == 2 and f"the weights of {NET} are not those that the run was begun with" in err
    torch.save(small_state(), tmp_path / "small.pth")
    assert command(*words).status == 0
    assert command(*words, "--normalization.file", tmp_path / "another.pth").status == 2  # another run
    assert command(*words[:-1], tmp_path / "whole").status == 0
    found, whole = (load(str(folder), "cpu")[0].method.state_dict() for folder in (run, tmp_path / "whole"))
    assert all(torch.equal(found[name], whole[name]) for name in whole)


def test_it_is_no_part_of_what_trains(command, config, tmp_path):
    assert command("train", "--config", config, "--out", tmp_path / "run").status == 0
    parts, _ = load(str(tmp_path / "run"), "cpu")
    assert not any(p.requires_grad for p in parts.normalization.network.body.parameters())
    own = {id(p) for p in parts.normalization.network.body.parameters()}
    assert not own & {id(p) for p in parts.method.parameters()}
    state = [x.flatten() for x in small_state().values() if x.is_floating_point()]
    assert torch.equal(parts.normalization.weights, torch.cat(state))


@pytest.mark.parametrize(
    ("net", "said"),
    [
        ("resnet19", "resnet19 is no classifier of torchvision; nearest: resnet18"),
        ("squeezenet1_0", "squeezenet1_0 does not end in a linear layer"),
        ("vit_b_32:3", "vit_b_32:3 is no classifier"),
        ("timm/local-dir:x", "is a place, not a name"),
        ("timm/nothing", r"timm/nothing cannot be made \(.*pip install 'gan-sntg\[backbones\]'"),
    ],
)
def test_an_unknown_network_is_refused_with_what_to_choose(net, said):
    with pytest.raises(InputError, match=said):
        Backbone(net)


def test_weights_that_are_missing_damaged_or_of_another_network_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    with pytest.raises(InputError, match=r"the published weights of resnet18. is not there; add --normalization.download true, or give"):
        Backbone("resnet18").fit(X)
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth").write_bytes(b"cut off")
    with pytest.raises(InputError, match="is not the published file, whose SHA-256 begins with f37072fd"):
        Backbone("resnet18").fit(X)
    torch.save({"a": torch.zeros(2)}, tmp_path / "other.pth")
    torch.save(["a"], tmp_path / "list.pth")
    for name in "other.pth", "list.pth", "none.pth":
        with pytest.raises(InputError, match=f"{name} does not hold weights of {NET}"):
            Backbone(NET, str(tmp_path / name), size=32).fit(X)


def test_what_cannot_be_with_features_is_refused(backbone, weights, monkeypatch):
    with pytest.raises(InputError, match="sees images of one or three channels, but these have 2"):
        backbone.check(X[:, :2])
    with pytest.raises(InputError, match="Backbone cannot be undone"):
        backbone.images(X)
    fixed = Network(nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 4)), 16, (0.5,) * 3, (0.5,) * 3, None)
    monkeypatch.setattr(backbones, "network", lambda name: fixed)
    with pytest.raises(InputError, match="vit_b_32 cannot see images of 64 pixels .* leave size out for its own"):
        Backbone("vit_b_32", size=64)
    with pytest.raises(InputError, match="size is 0"):
        Backbone(NET, weights, size=0)
    with pytest.raises(InputError, match="features and points cannot be flipped or moved"):
        Augmentation(flip=True)(torch.zeros(2, 5), torch.Generator())
    with pytest.raises(InputError, match="7 numbers|.7. numbers are no weights"):
        backbone.weights = torch.zeros(7)
    with pytest.raises(RuntimeError, match="used before `fit`"):
        backbone(X)


def test_a_gan_draws_features_and_one_of_images_is_refused(refused, command, tmp_path, weights):
    tree = TINY | {"normalization": {"class_path": "gan_sntg.data.Backbone", "init_args": {"net": NET, "file": weights, "size": 32}}}
    words = "train", "--config", tmp_path / "a.yaml", "--out", tmp_path / "run"
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(tree))
    refused(["train", "--config", "a.yaml", "--out", "run"], "Backbone cannot be undone, so that no image can be made")
    generator = {"class_path": "gan_sntg.networks.FeatureGenerator", "init_args": {"latent": 4, "widths": [6]}}
    method = tree["method"] | {"init_args": tree["method"]["init_args"] | {"generator": generator}}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(tree | {"method": method}))
    assert command(*words).status == 0
    assert load_model(str(tmp_path / "run"), "cpu")[0].method.generator(torch.rand(3, 4)).shape == (3, 1024)


def test_random_images_stand_in(backbone):
    source = Synthetic(shape=(3, 12, 12), num_classes=3, n=60)
    backbone.fit(source.train_x)
    assert backbone(source.test_x[:2]).shape == (2, 1024)


def test_a_network_of_timm_reads_weights_from_a_file_alone(tmp_path):
    timm = pytest.importorskip("timm", reason="timm, of the extra [backbones], is not installed")
    net = timm.create_model("mobilenetv3_small_050", pretrained=False, num_classes=7).eval()
    save_file(net.state_dict(), tmp_path / "own.safetensors")
    found = Backbone("timm/mobilenetv3_small_050", str(tmp_path / "own.safetensors"), size=32)
    found.fit(X)
    x = normalize(
        torch.stack([resize(image.float() / 255, [32, 32], antialias=True) for image in X]), found.network.mean, found.network.std
    )
    with torch.no_grad():
        h = net.forward_head(net.forward_features(x), pre_logits=True)
    torch.testing.assert_close(found.prepare(X), h, atol=1e-5, rtol=1e-4)
    assert found.shape((3, 12, 12)) == tuple(h.shape[1:])
    with pytest.raises(InputError, match="needs its weights: save the network's state_dict by torch.save, and give --normalization.file"):
        Backbone("timm/mobilenetv3_small_050").fit(X)
