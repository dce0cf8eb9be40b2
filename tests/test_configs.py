"""Every configuration builds and takes a step, on data of its declared shape."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
import yaml
from helpers.tiny import mixture
from jsonargparse import Namespace
from torch import nn

from gan_sntg.commands.doctor import small_run
from gan_sntg.data import backbones
from gan_sntg.data.backbones import Backbone, Network
from gan_sntg.data.normalization import Normalization, Whitening
from gan_sntg.networks import classifiers
from gan_sntg.networks.density import MixtureDensity
from gan_sntg.runs.build import build
from gan_sntg.runs.options import is_length
from gan_sntg.runs.parsing import Parser
from gan_sntg.runs.seeds import too_long
from gan_sntg.schedules import linear_tail

CONFIGS = sorted(p for p in (Path(__file__).parent.parent / "configs").glob("*/*.yaml") if p.parent.name not in ("grids", "search"))


def but_for_labels(path: Path) -> str:
    """A configuration's text without its header and its number of labels."""
    return re.sub(r"^labels:.*", "", path.read_text()[path.read_text().index("\ndata:") :], flags=re.MULTILINE)


def each(*texts: str, paths: Iterable[Path] = CONFIGS):
    """Every configuration in which the texts stand."""
    paths = [path for path in paths if all(text in path.read_text() for text in texts)]
    return pytest.mark.parametrize("config", paths, ids=lambda path: f"{path.parent.name}/{path.stem}")


def test_no_configuration_sets_a_precision_which_is_the_machines_to_choose():
    root = Path(__file__).parent.parent
    every = [*root.glob("configs/**/*.yaml"), *root.glob("scripts/studies/**/*.yaml")]
    lines = {path.relative_to(root).as_posix(): [line.partition("#")[0] for line in path.read_text().splitlines()] for path in every}
    found = [path for path, own in lines.items() if any("--precision " in line or line.startswith("precision:") for line in own)]
    assert found == ["configs/grids/precision.yaml"] and len(every) > 150


@pytest.fixture
def options(config, monkeypatch) -> tuple[Parser, Namespace]:
    """A configuration's parser and options, batches made small, and random images in place of files, which are not fitted at length."""

    def unwhitened(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        d = x[0].numel()
        return {"mean": torch.zeros(d), "matrix": torch.eye(d), "inverse": torch.eye(d)}

    def pooled(name: str) -> Network:
        return Network(nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten()), 224, (0.5,) * 3, (0.5,) * 3, None)

    for module in (backbones, classifiers):  # in place of one with weights
        monkeypatch.setattr(module, "network", pooled)
    monkeypatch.setattr(Backbone, "read_weights", lambda self: setattr(self, "fingerprint", "0"))
    monkeypatch.setattr(Network, "load", lambda *_: None)
    monkeypatch.setattr(Whitening, "_found", unwhitened)
    monkeypatch.setattr(MixtureDensity, "fitted", mixture(1.0))
    images = 4 if "labeled_batch_size" in config.read_text() else 2
    parser, own = small_run(Namespace(batch_size=images, device="cpu", synthetic=True, root=None), str(config))
    if "n" in (own.data.get("init_args") or {}):  # as many as there are labels, and some
        own.data.init_args.n = max(300, (own.labels or 0) * 11 // 10)
    return parser, own


@each(paths={but_for_labels(path): path for path in CONFIGS}.values())  # another number of labels is the same step
def test_it_builds_and_takes_a_step(config, options: tuple[Parser, Namespace]):
    parts, images, tree = build(*options), options[1].batch_size, yaml.safe_load(config.read_text())
    parts.method.check(tree["batch_size"], tree.get("labeled_batch_size") or tree["batch_size"])  # of a run, not of this small one
    if parts.method.image_generator is not None:
        assert_draws_in_range(parts.method.image_generator, parts.normalization)
    parts.method.start(parts.streams.example(images, "start"))
    terms = parts.method.step(next(iter(parts.streams.epoch())), options[1].epochs * 3 // 4)  # past the start of every term
    assert all(value.isfinite() for value in terms.values())
    assert set(terms) == {term for term, weight in parts.method.weights().items() if weight}
    assert config.stem == "supervised" or parts.method.sntg.weight > 0
    lengths = {path: str(value) for path, value in vars(options[1].as_flat()).items() if is_length(path)}
    assert too_long(lengths, options[1].epochs, parts.method) == []


def assert_draws_in_range(generator: nn.Module, normalization: Normalization) -> None:
    """The generator's least and largest values are black and white, as the discriminator sees them."""
    furthest = generator.out.register_forward_hook(lambda module, inputs, y: torch.full_like(y, 100).where(y > 0, -100))
    images = generator(torch.rand(4, generator.latent))
    furthest.remove()
    black, white = normalization(torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)).flatten()
    torch.testing.assert_close(torch.stack([images.min(), images.max()]), torch.stack([black, white]), atol=1 / 127, rtol=0)


@each()
def test_its_header_names_its_own_command(config):
    lines = config.read_text().splitlines()
    assert lines[0].startswith("# ") and f"gan-sntg train --config configs/{config.parent.name}/{config.name}" in lines[1]


@each("ConvDiscriminator", "FeatureMatchingGAN", paths=[path for path in CONFIGS if path.parent.name != "folder_small"])
def test_a_convolutional_recipe_is_that_of_the_source(config):
    tree = yaml.safe_load(config.read_text())
    method, cell = tree["method"]["init_args"], config.parent.name
    cifar = cell.startswith("cifar10")
    assert tree["normalization"]["init_args"] == {"divisor": 128 if cifar else 127.5}
    assert method["discriminator"]["init_args"]["widths"] == ([96, 192] if cifar else [64, 128])
    assert (method["learning_rate"], method["matching"]) == (3e-4, "absolute")
    assert tree["epochs"] == method["decay_epochs"] == {"cifar10": 1200, "svhn": 900, "folder": 300}[cell.split("_")[0]]
    third = tree["epochs"] / 3
    for t in (0, third, 2 * third, 2.5 * third, 3 * third - 1):
        assert linear_tail(t, method["decay_epochs"]) == pytest.approx(min(3 - t / third, 1))


BAD_GAN = {  # rates of D and G, beta2, epochs, batch, and the weights that are not 0
    "mnist_100": (3e-3, 1e-3, 0.9999, 2000, 100, {"low_density_weight"}),
    "svhn_1000": (1e-3, 1e-3, 0.999, 900, 64, {"entropy_weight", "pull_away_weight"}),
    "cifar10_4000": (6e-4, 3e-4, 0.999, 1200, 100, {"variational_weight"}),
}


@pytest.mark.parametrize("cell", BAD_GAN)
def test_bad_gans_recipe_is_that_of_the_source(cell):
    tree = yaml.safe_load((Path(__file__).parent.parent / f"configs/{cell}/bad_gan.yaml").read_text())
    method, (rate, rate_g, beta2, epochs, batch, weights) = tree["method"]["init_args"], BAD_GAN[cell]
    assert (method["learning_rate"], method["generator_learning_rate"], method.get("beta2", 0.999)) == (rate, rate_g, beta2)
    assert (method["beta1"], method["generator_beta1"], method["adam_epsilon"]) == (0.5, 0, "outside_sqrt")
    assert tree["epochs"] == method["decay_epochs"] == epochs and tree["batch_size"] == batch
    assert {name for name in method if name.endswith("_weight")} == weights
    assert method.get("least_learning_rate", 0) == (1e-4 if cell == "svhn_1000" else 0)
    assert method.get("matching", "squared") == ("squared" if cell == "mnist_100" else "absolute")


def test_a_cell_is_named_after_its_labels():
    labels = {path.parent.name: yaml.safe_load(path.read_text())["labels"] for path in CONFIGS}
    named = {cell: cell.removesuffix("_aug").split("_")[-1] for cell in labels if cell != "svhn_part" and not cell.startswith("folder_")}
    assert all(name == ("all" if labels[cell] is None else str(labels[cell])) for cell, name in named.items())
    augmented = {path.parent.name for path in CONFIGS if "Augmentation" in path.read_text()}
    named = {"mnist10k_100", "fashion10k_100", "mnist_all", "folder_small", "folder_finetuned"}  # their headers say so
    assert augmented == {cell for cell in labels if cell.endswith("_aug")} | named
    expected = {"digits_20", "mnist_20", "mnist_50", "mnist_100", "svhn_1000", "svhn_part", "folder_example"}
    expected |= {"two_moons_12", "four_spins_12"}
    assert expected | {"cifar10_1000", "cifar10_2000", "cifar10_4000"} <= set(labels)


ROWS = {  # of Tables 1 to 5 that the discriminative methods fill
    **{f"mnist_{n}": ["pi_model"] for n in (20, 50)},
    "mnist_100": ["pi_model", "vat"],
    **{f"svhn_{n}_aug": ["supervised", "pi_model", "temporal_ensembling", "mean_teacher"] for n in (250, 500, 1000, "all")},
    "svhn_1000": ["pi_model", "vat", "vat_ent"],
    **{f"cifar10_{n}_aug": ["pi_model", "temporal_ensembling"] for n in (1000, 2000)},
    **{f"cifar10_{n}_aug": ["supervised", "pi_model", "temporal_ensembling", "vat"] for n in (4000, "all")},
    "cifar10_4000": ["supervised", "pi_model", "vat", "vat_ent"],
    "cifar100_10000": ["pi_model"],
}


@pytest.mark.parametrize(("cell", "methods"), ROWS.items())
def test_every_cell_of_the_tables_has_its_methods_with_the_papers_numbers(cell, methods):
    for method in methods:
        header = (Path(__file__).parent.parent / f"configs/{cell}/{method}.yaml").read_text().split("data:")[0]
        assert "# Paper: " in header and "%" in header and "Table" in header
