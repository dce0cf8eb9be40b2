"""Every configuration builds and takes a step, on data of its declared shape."""

from pathlib import Path

import pytest
import torch

from gan_sntg.commands.building import build, config_parser
from gan_sntg.core.data.sources import MNIST

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*/*.yaml"))


@pytest.fixture
def made_mnist(monkeypatch):
    def read(self, *args, **kwargs):
        g = torch.Generator().manual_seed(0)
        self.train_x = torch.randint(0, 256, (1200, 1, 28, 28), dtype=torch.uint8, generator=g)
        self.train_y = torch.arange(1200) % 10
        self.test_x, self.test_y = self.train_x[:100], self.train_y[:100]
        self.validation = torch.arange(1000, 1200)

    monkeypatch.setattr(MNIST, "__init__", read)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_it_builds_and_takes_a_step(config, made_mnist):
    parser = config_parser()
    parts = build(parser, parser.parse_args(["--config", str(config), "--batch_size", "20", "--device", "cpu"]))
    parts.method.start(parts.streams.example(50, "start"))
    terms = parts.method.step(next(iter(parts.streams.epoch())), 10**6)
    assert all(value.isfinite() for value in terms.values())
    if "fm_gan" in config.stem:
        assert parts.method.graph_weight > 0 and "d/graph" in terms


def test_there_are_configurations():
    assert len(CONFIGS) >= 4
