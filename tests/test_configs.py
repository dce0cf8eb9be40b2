"""Every configuration builds and takes a step, on data of its declared shape."""

import functools
import importlib
from pathlib import Path

import pytest
import torch
import yaml

from gan_sntg.commands.building import build, config_parser
from gan_sntg.commands.parsing import Parser
from gan_sntg.core.data.plane import Plane
from gan_sntg.core.schedules import linear_tail

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*/*.yaml"))
CONVOLUTIONAL = [path for path in CONFIGS if "conv_networks" in path.read_text()]
SHAPES = {"Digits": (1, 8, 8), "MNIST": (1, 28, 28), "SVHN": (3, 32, 32), "SVHNPart": (3, 32, 32), "CIFAR10": (3, 32, 32)}
EVERY = pytest.mark.parametrize("config", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")


def made(shape: tuple[int, int, int], classes: int):
    """What a source's constructor leaves behind, with random pixels of the shape and 4,200 training images."""

    def read(self, *args, **kwargs):
        g = torch.Generator().manual_seed(0)
        self.train_x = torch.randint(0, 256, (4200, *shape), dtype=torch.uint8, generator=g)
        self.train_y = torch.arange(4200) % classes
        self.test_x, self.test_y = self.train_x[:100], self.train_y[:100]
        self.validation, self.num_classes = torch.arange(4000, 4200), classes

    return read


@pytest.fixture
def options(config, monkeypatch):
    """A configuration's options and parser, its data set replaced by made images of the shape that it declares; points are as they are."""
    data = yaml.safe_load(config.read_text())["data"]
    module, _, name = data["class_path"].rpartition(".")
    source, given = getattr(importlib.import_module(module), name), data.get("init_args", {})
    if not issubclass(source, Plane):
        size = given.get("image_size")
        shape = (3 if given["color"] else 1, size, size) if size else SHAPES[name]
        read = functools.wraps(source.__init__)(made(shape, 3 if size else 10))
        monkeypatch.setattr(source, "__init__", read)
    parser = config_parser()
    return parser, parser.parse_args(["--config", str(config), "--batch_size", "4", "--device", "cpu"])


@EVERY
def test_it_builds_and_takes_a_step(config, options: tuple[Parser, object]):
    parts = build(*options)
    parts.method.start(parts.streams.example(12, "start"))
    terms = parts.method.step(next(iter(parts.streams.epoch())), options[1].epochs // 2)
    assert all(value.isfinite() for value in terms.values())
    if "fm_gan" in config.stem:
        assert parts.method.graph_weight > 0 and "d/graph" in terms


@EVERY
def test_its_generator_draws_in_the_range_that_its_discriminator_sees(config, options):
    parts = build(*options)
    generator = getattr(parts.method, "generator", None)
    if generator is None:
        return
    generator.out.register_forward_hook(lambda module, inputs, y: torch.full_like(y, 100).where(y > 0, -100))  # as far as it goes
    images = generator(torch.rand(4, generator.latent))
    black, white = parts.normalization(torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)).flatten()
    torch.testing.assert_close(torch.stack([images.min(), images.max()]), torch.stack([black, white]), atol=1 / 127, rtol=0)


@EVERY
def test_its_header_names_its_own_command(config):
    lines = config.read_text().splitlines()
    assert lines[0].startswith("# ") and f"gan-sntg train --config configs/{config.parent.name}/{config.name}" in lines[1]


@pytest.mark.parametrize("config", CONVOLUTIONAL, ids=lambda path: path.parent.name)
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


def test_a_cell_is_named_after_its_labels():
    labels = {path.parent.name: yaml.safe_load(path.read_text())["labels"] for path in CONFIGS}
    assert all(str(n) == cell.split("_")[-1] for cell, n in labels.items() if cell not in ("svhn_part", "folder_example"))
    expected = {"digits_20", "mnist_20", "mnist_50", "mnist_100", "svhn_1000", "svhn_part", "folder_example"}
    expected |= {"two_moons_12", "four_spins_12"}
    assert expected | {"cifar10_1000", "cifar10_2000", "cifar10_4000"} <= set(labels)
