"""The GAN's telemetry: its figures against loops and cases by hand; it names a collapse and leaves the run as it was."""

import math

import pytest
import torch
from helpers.tiny import SHAPES, assert_same, gan, pair_batch, pair_gan, started, streams
from torch import nn

from gan_sntg.data.loader import Batch
from gan_sntg.graph.pairs import Sampled
from gan_sntg.graph.sntg import SNTG
from gan_sntg.graph.teachers import Averaged, Ensemble, NoiseFree, SamePass, SecondPass
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.methods.telemetry import (
    COPY,
    class_entropy,
    collapsed,
    copies,
    diversity,
    effective_rank,
    gaps,
    health_telemetry,
    nearest_share,
)
from gan_sntg.networks.gan import DenseDiscriminator, DenseGenerator
from gan_sntg.networks.noise import GaussianNoise

# --- figures of features ----------------------------------------------------------------------------------------------

SIZES = [(2, 1), (3, 5), (12, 4), (40, 16)]


def features(seed: int, b: int, d: int, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(b, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def naive_distance(h) -> float:
    pairs = [math.dist(h[i].tolist(), h[j].tolist()) for i in range(len(h)) for j in range(i)]
    return sum(pairs) / len(pairs)


def naive_gaps(h) -> list[float]:
    return [min(math.dist(h[i].tolist(), h[j].tolist()) for j in range(len(h)) if j != i) for i in range(len(h))]


@pytest.mark.parametrize(("b", "d"), SIZES)
def test_diversity_is_the_mean_distance_of_pairs_over_that_of_real_images(b, d):
    fake, real = features(0, b, d, 0.3), features(1, b + 3, d)
    torch.testing.assert_close(float(diversity(fake, real)), naive_distance(fake) / naive_distance(real))
    torch.testing.assert_close(float(diversity(7 + 2 * real, real)), 2.0)


@pytest.mark.parametrize("fake", [torch.zeros(4, 3), torch.eye(4, 3)])
def test_where_real_images_do_not_differ_diversity_and_copies_are_nan(fake):
    assert math.isnan(diversity(fake, torch.ones(4, 3))) and math.isnan(copies(fake, torch.ones(4, 3)))


@pytest.mark.parametrize(("b", "d"), SIZES)
def test_effective_rank_is_the_exponential_of_the_entropy_of_the_singular_values(b, d):
    h = features(2, b, d) + 5
    mean = [sum(h[:, k].tolist()) / b for k in range(d)]
    gram = [[sum((float(r[k]) - mean[k]) * (float(r[j]) - mean[j]) for r in h) for j in range(d)] for k in range(d)]
    s = torch.linalg.eigvalsh(torch.tensor(gram, dtype=torch.float64)).clamp(0).sqrt().tolist()
    p = [value / sum(s) for value in s if value > 1e-6]
    torch.testing.assert_close(float(effective_rank(h)), math.exp(-sum(q * math.log(q) for q in p)), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("scale", [2, 1e-30, 3e38])
def test_effective_rank_of_a_cross_of_any_size_is_its_axes_and_of_a_line_one(scale):
    cross, line = torch.cat([torch.eye(3), -torch.eye(3)]), torch.linspace(-1, 1, 9).outer(torch.tensor([1.0, 0.5, -0.7]))
    torch.testing.assert_close(float(effective_rank(scale * cross)), 3.0)
    torch.testing.assert_close(float(effective_rank(scale * line)), 1.0)


@pytest.mark.parametrize("h", [torch.zeros(6, 4), torch.full((6, 4), 0.1), 1 + 1e-7 * features(0, 50, 20).float()])
def test_effective_rank_of_features_that_differ_by_rounding_is_one(h):
    assert float(effective_rank(h)) == 1.0


@pytest.mark.parametrize(("b", "d"), SIZES)
def test_nearest_share_equals_a_loop(b, d):
    fake, real = features(3, b, d), features(4, b + 1, d, 2.0)
    nearest = [min(range(len(real)), key=lambda j, i=i: math.dist(fake[i].tolist(), real[j].tolist())) for i in range(b)]
    torch.testing.assert_close(float(nearest_share(fake, real)), max(map(nearest.count, nearest)) / b)


@pytest.mark.parametrize(("b", "d"), SIZES)
def test_copies_are_the_images_whose_gap_is_far_below_the_median_of_real_ones(b, d):
    fake, real = torch.cat([features(5, b, d), features(5, b, d)[: b // 2] + 1e-4]), features(6, b + 1 - b % 2, d)
    torch.testing.assert_close(gaps(fake).tolist(), naive_gaps(fake))
    least = COPY * sorted(naive_gaps(real))[len(real) // 2]  # their number is odd
    expected = sum(gap < least for gap in naive_gaps(fake)) / len(fake)
    torch.testing.assert_close(float(copies(fake, real)), expected)
    assert expected >= 2 * (b // 2) / len(fake) and float(copies(real, real)) == 0


def test_three_of_five_images_that_repeat_are_three_fifths_whatever_one_far_real_image_does():
    fake, real = torch.tensor([1.0, 1.0, 4.0, 1.01, 3.0]), torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0, 1000.0])
    torch.testing.assert_close(float(copies(fake.view(5, 1), real.view(6, 1))), 3 / 5)


def test_class_shares_count_the_arg_max_and_their_entropy_is_of_log_k():
    figures = health_telemetry(features(0, 4, 3), features(1, 4, 3), torch.eye(4)[[0, 0, 3, 1]])
    assert [float(figures[f"gan/class_{k}"]) for k in range(4)] == [0.5, 0.25, 0.0, 0.25]
    torch.testing.assert_close(float(figures["gan/class_entropy"]), 1.5 * math.log(2) / math.log(4))
    assert float(class_entropy(torch.tensor([0.0, 1.0]))) == 0.0 and math.isnan(class_entropy(torch.ones(1)))
    for k in range(2, 40):
        whole = class_entropy(torch.full((k,), 1 / k))
        torch.testing.assert_close(whole, torch.ones(()))
        assert whole <= 1


@pytest.mark.parametrize(("k", "named"), [(2, 2), (10, 10), (11, 0)])
def test_up_to_ten_classes_have_a_share_each(k, named):
    figures = health_telemetry(features(0, 8, 3), features(1, 8, 3), features(2, 8, k))
    shares = [float(v) for name, v in figures.items() if name.startswith("gan/class_") and name != "gan/class_entropy"]
    assert len(shares) == named and sum(shares) == pytest.approx(min(named, 1)) and figures["gan/largest_class"] >= 1 / k


REAL = 3 + features(1, 60, 20)
COLLAPSED = {
    "one image": REAL[:1].expand(60, -1),
    "one image and a little noise": REAL[:1] + features(2, 60, 20, 0.026),
    "two images": REAL[:2].repeat(30, 1),
    "ten images": REAL[:10].repeat(6, 1),
    "two thirds on one image": torch.cat([REAL[:1].expand(40, -1), 3 + features(3, 20, 20)]),
}
ORDINARY = {
    "as real ones": 3 + features(3, 60, 20),
    "a tenth as varied and all near one real image": REAL[:1] + features(3, 60, 20, 0.1),
    "a third on one image": torch.cat([REAL[:1].expand(20, -1), 3 + features(3, 40, 20)]),
}


@pytest.mark.parametrize("fake", [*COLLAPSED.values(), *ORDINARY.values()], ids=[*COLLAPSED, *ORDINARY])
def test_collapsed_is_one_image_or_a_few_and_not_a_generator_that_has_still_to_learn(fake):
    expected = any(fake is h for h in COLLAPSED.values())
    assert health_telemetry(fake, REAL, fake)["gan/collapsed"] == expected


@pytest.mark.parametrize("spoilt", range(3), ids=["generated", "real", "logits"])
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_what_is_not_finite_has_no_health_and_no_collapse_and_raises_nothing(value, spoilt):
    given = [torch.zeros(6, 4), torch.eye(6, 4), torch.zeros(6, 3)]
    given[spoilt][2, 1] = value
    figures = {name: float(figure) for name, figure in health_telemetry(*given).items()}
    assert figures.pop("gan/collapsed") == 0 and all(map(math.isnan, figures.values())) and len(figures) == 10


@pytest.mark.parametrize("b", [1, 2])
def test_a_batch_of_one_or_two_raises_nothing(b):
    figures = health_telemetry(features(0, b, 3), features(1, b, 3), features(2, b, 4))
    assert figures["gan/collapsed"] == 0 and not any(math.isinf(v) for v in figures.values())


def test_nothing_is_said_where_d_does_not_tell_real_images_apart():
    assert health_telemetry(torch.ones(9, 4), torch.ones(9, 4), torch.ones(9, 3))["gan/collapsed"] == 0
    assert collapsed(*map(torch.tensor, (math.nan, 1.0, math.nan))) == 0


# --- a method that is watched -----------------------------------------------------------------------------------------


def onto(method: FeatureMatchingGAN, k: int, monkeypatch) -> None:
    """Let G draw k images only, each as often as the others."""
    real = method.generator.forward
    monkeypatch.setattr(method.generator, "forward", lambda z: real(z)[torch.arange(len(z)) % k])


@pytest.mark.parametrize("kind", SHAPES)
def test_an_untrained_generator_is_not_collapsed_and_one_of_one_or_two_images_is(kind, monkeypatch):
    method = pair_gan(kind)
    method.start(pair_batch(kind))
    seen = method.telemetry(pair_batch(kind))
    assert seen["gan/collapsed"] == 0 and seen["gan/copies"] < 0.3 and seen["gan/diversity"] > 0.05
    for k in 2, 1:
        onto(method, k, monkeypatch)
        seen = method.telemetry(pair_batch(kind))
        assert (seen["gan/collapsed"], seen["gan/copies"]) == (1, 1) and seen["gan/nearest_share"] >= 1 / k
        torch.testing.assert_close(float(seen["gan/effective_rank"]), 1.0, rtol=1e-3, atol=0)


TEACHERS = [("dense", teacher) for teacher in (SamePass, SecondPass, NoiseFree, Averaged, Ensemble)]


@pytest.mark.parametrize(("kind", "teacher"), [*TEACHERS, ("conv", SecondPass), ("points", SecondPass)])
def test_training_that_is_watched_equals_training_that_is_not(kind, teacher):
    def train(watched: bool) -> dict:
        method = pair_gan(kind, teacher=teacher(), sntg=SNTG(1.0, pairing=Sampled(5)))
        method.start(pair_batch(kind))
        for k in range(4):
            method.step(pair_batch(kind, k, 10), k)
            if watched:
                seen = method.telemetry(pair_batch(kind))
                assert {"weight/graph", "gan/real_accuracy", "graph/precision", "graph/negatives_inside_margin"} <= set(seen)
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
    method.pool = None  # no graph of these draws images from it
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
    method = pair_gan("dense")
    monkeypatch.setattr(method.generator, "forward", lambda z: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        method.telemetry(pair_batch("dense"))
    assert method.discriminator.training and method.generator.training


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_networks_that_are_not_finite_are_watched_without_an_error(value):
    method = pair_gan("dense")
    with torch.no_grad():
        method.discriminator.hidden[0].v.fill_(value)
    seen = method.telemetry(pair_batch("dense"))
    assert seen["gan/collapsed"] == 0 and seen["gan/diversity"].isnan() and seen["gan/class_0"].isnan()


def test_a_method_in_float64_is_watched_in_float64():
    s = streams()
    method = gan(dtype=torch.float64)
    method.settings, batch = {}, s.example(20, "telemetry", revealed=True)
    views = [view and view._replace(x=view.x.double()) for view in batch]
    assert method.telemetry(Batch(*views))["gan/effective_rank"].dtype == torch.float64
