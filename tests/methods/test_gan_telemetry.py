"""The GAN's telemetry: it sees a generator that has collapsed, whatever the networks, and leaves the run as it was."""

import pytest
import torch
from helpers.tiny import assert_same, gan, started, streams
from torch import nn

from gan_sntg.data.loader import Batch, Examples
from gan_sntg.graph.sntg import SNTG
from gan_sntg.graph.teachers import SecondPass
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.networks.conv_gan import ConvDiscriminator, ConvGenerator
from gan_sntg.networks.dense_gan import DenseDiscriminator, DenseGenerator
from gan_sntg.networks.noise import GaussianNoise

SHAPES = {"dense": (1, 4, 4), "conv": (1, 28, 28), "points": (2,)}


def method_for(kind: str, **options) -> FeatureMatchingGAN:
    torch.manual_seed(0)
    shape = SHAPES[kind]
    if kind == "conv":
        nets = ConvDiscriminator(shape, 3, widths=(4, 6)), ConvGenerator(shape, latent=5, width=4)
    else:
        nets = DenseDiscriminator(shape, 3, widths=(12, 8)), DenseGenerator(shape, latent=5, widths=(9,))
    method = FeatureMatchingGAN(discriminator=nets[0], generator=nets[1], teacher=SecondPass(), sntg=SNTG(1.0), **options)
    method.seed(0, "cpu")
    method.settings = {}
    return method


def batch_for(kind: str, seed: int = 1, n: int = 40) -> Batch:
    x = torch.rand(n, *SHAPES[kind], generator=torch.Generator().manual_seed(seed))
    view = Examples(x, torch.arange(n) % 3, torch.arange(n))
    return Batch(view, view, view)


def onto(method: FeatureMatchingGAN, k: int, monkeypatch) -> None:
    """Let G draw k images only, each as often as the others."""
    real = method.generator.forward
    monkeypatch.setattr(method.generator, "forward", lambda z: real(z)[torch.arange(len(z)) % k])


@pytest.mark.parametrize("kind", SHAPES)
def test_an_untrained_generator_is_not_collapsed_and_one_of_one_or_two_images_is(kind, monkeypatch):
    method = method_for(kind)
    method.start(batch_for(kind))
    seen = method.telemetry(batch_for(kind))
    assert seen["gan/collapsed"] == 0 and seen["gan/copies"] < 0.3 and seen["gan/diversity"] > 0.05
    for k in 2, 1:
        onto(method, k, monkeypatch)
        seen = method.telemetry(batch_for(kind))
        assert (seen["gan/collapsed"], seen["gan/copies"]) == (1, 1) and seen["gan/nearest_share"] >= 1 / k
        torch.testing.assert_close(float(seen["gan/effective_rank"]), 1.0, rtol=1e-3, atol=0)


@pytest.mark.parametrize("kind", SHAPES)
def test_a_generator_whose_output_no_longer_hangs_on_z_is_flagged(kind):
    method = method_for(kind)
    method.start(batch_for(kind))
    with torch.no_grad():
        method.generator.out.g.zero_()
    seen = method.telemetry(batch_for(kind))
    assert [float(seen[f"gan/{name}"]) for name in ("collapsed", "diversity", "effective_rank", "nearest_share")] == [1, 0, 1, 1]


@pytest.mark.parametrize("kind", SHAPES)
def test_training_that_is_watched_equals_training_that_is_not(kind):
    def train(watched: bool) -> dict:
        method = method_for(kind)
        method.start(batch_for(kind))
        for k in range(4):
            method.step(batch_for(kind, k, 10), k)
            if watched:
                method.telemetry(batch_for(kind))
        streams = {f"{name} draws": generator.get_state() for name, generator in method.generators.items()}
        momenta = {f"{name} {p}": v for name, o in method.optimizers.items() for p, v in enumerate(o.state.values())}
        return method.state_dict() | streams | momenta | {"torch's draws": torch.get_rng_state()}

    assert_same(train(False), train(True))


@pytest.mark.parametrize("training", [True, False])
def test_running_statistics_modes_gradients_and_the_global_stream_stay_as_they_were(training):
    """Also of networks that are not ours: with torch's batch norm and a noise of their own."""
    s, nets = streams(), (DenseDiscriminator((1, 4, 4), 3, widths=(12, 8)), DenseGenerator((1, 4, 4), latent=5, widths=(9,)))
    nets[0].hidden[0] = nn.Sequential(nets[0].hidden[0], nn.BatchNorm1d(12))
    nets[1].hidden.append(nn.Sequential(nn.BatchNorm1d(9), GaussianNoise(0.1)))
    method = FeatureMatchingGAN(discriminator=nets[0], generator=nets[1], teacher=SecondPass(), sntg=SNTG(1.0))
    method.seed(0, "cpu")
    started(method, s)
    method.step(next(s.epoch()), 1)
    method.discriminator.train(training)
    method.generator.train(training)
    state, draws = {k: v.clone() for k, v in method.state_dict().items()}, torch.get_rng_state()
    modes = {name: m.training for name, m in method.named_modules()}
    grads = {name: p.grad.clone() for name, p in method.named_parameters() if p.grad is not None}
    first, second = (method.telemetry(s.example(20, "telemetry", revealed=True)) for _ in range(2))
    assert_same(state, method.state_dict())
    assert torch.equal(draws, torch.get_rng_state()) and modes == {name: m.training for name, m in method.named_modules()}
    assert_same(grads, {name: p.grad for name, p in method.named_parameters() if p.grad is not None})
    assert_same(first, second)
    assert len(grads) > 8 and not any(v.requires_grad for v in first.values() if isinstance(v, torch.Tensor))


def test_modes_are_restored_where_a_pass_fails(monkeypatch):
    method = method_for("dense")
    monkeypatch.setattr(method.generator, "forward", lambda z: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        method.telemetry(batch_for("dense"))
    assert method.discriminator.training and method.generator.training


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_networks_that_are_not_finite_are_watched_without_an_error(value):
    method = method_for("dense")
    with torch.no_grad():
        method.discriminator.hidden[0].v.fill_(value)
    seen = method.telemetry(batch_for("dense"))
    assert seen["gan/collapsed"] == 0 and seen["gan/diversity"].isnan() and seen["gan/class_0"].isnan()


def test_a_method_in_float64_is_watched_in_float64():
    s = streams()
    method = gan(dtype=torch.float64)
    method.settings, batch = {}, s.example(20, "telemetry", revealed=True)
    views = [view and view._replace(x=view.x.double()) for view in batch]
    assert method.telemetry(Batch(*views))["gan/effective_rank"].dtype == torch.float64
