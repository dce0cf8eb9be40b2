"""Bad GAN: which term moves which network, FM-GAN at weights 0, the draws of low density, and what is refused."""

import pytest
import torch
import yaml
from helpers.method_runs import assert_stacked_as_alone
from helpers.run_folders import assert_same_run, interrupted, rows
from helpers.tiny import FURTHER, Dark, UnitRange64, assert_same, bad_gan, gan, mixture, started, streams
from torch import nn

from gan_sntg import losses
from gan_sntg.errors import InputError
from gan_sntg.graph.pairs import Sampled
from gan_sntg.methods.bad_gan import BadGAN
from gan_sntg.networks.density import MixtureDensity
from gan_sntg.networks.inference import DenseEncoder
from gan_sntg.networks.noise import GaussianNoise
from gan_sntg.training.optim import trainable
from gan_sntg.training.term_check import examine

OFF = dict.fromkeys(FURTHER, 0.0)
TERMS = {"d/entropy": "entropy", "g/pull_away": "pull_away", "g/variational": "variational", "g/low_density": "low_density"}


def only(term: str) -> dict[str, float]:
    return OFF | {f"{TERMS[term]}_weight": 1.0}


def batch():
    return next(streams(normalization=UnitRange64).epoch())


def quiet(**options) -> BadGAN:
    """In float64, without noise, low density in each step."""
    method = started(bad_gan(dtype=torch.float64, **options), streams(normalization=UnitRange64))
    for noise in (m for m in method.modules() if isinstance(m, GaussianNoise)):
        noise.std = 0.0
    method.rare_probability = 1.0
    return method


# --- at weight 0 --------------------------------------------------------------------------------------------------------


def trained(method) -> dict:
    """All state after some steps but for optimizers, whose moments these weights show."""
    s = streams()
    started(method, s)
    for t in range(2):
        for one in s.epoch():
            method.step(one, t)
    return method.state_dict() | {f"{purpose}'s draws": g.get_state() for purpose, g in method.generators.items()}


def test_with_all_weights_0_it_is_fm_gan_bit_for_bit():
    expected, found = trained(gan(weight=0.5)), trained(bad_gan(weight=0.5, **OFF))
    untouched = found.pop("density's draws")
    assert torch.equal(untouched, bad_gan().generators["density"].get_state())
    assert_same(found, expected)


@pytest.mark.parametrize("term", ["d/entropy", "g/pull_away", "g/low_density"])
def test_a_term_draws_nothing_from_the_generators_of_fm_gan(term):
    expected, found = trained(gan(weight=0.5)), trained(bad_gan(weight=0.5, **only(term)))
    assert_same(
        {k: v for k, v in found.items() if "draws" in k and "density" not in k}, {k: v for k, v in expected.items() if "draws" in k}
    )
    net = "generator" if term.startswith("g") else "discriminator"
    assert not torch.equal(found[f"{net}.out.v"], expected[f"{net}.out.v"])


def test_a_graph_weight_of_0_is_the_run_without_sntg():
    plain = trained(bad_gan(weight=0.0))
    assert_same(trained(bad_gan(weight=0.0, margin=3.0, pairing=Sampled(7))), plain)
    assert not torch.equal(trained(bad_gan(weight=1.0))["discriminator.out.v"], plain["discriminator.out.v"])


# --- which network each term moves --------------------------------------------------------------------------------------


def test_it_is_healthy_and_every_term_moves_what_it_should():
    found = examine(bad_gan(weight=0.5, average_decay=0.9), streams(), t=5, steps=3)
    assert found.faults == {} and set(TERMS) < set(found.terms)
    assert found.moved["d"] == {"discriminator"} and found.moved["g"] == {"generator", "encoder"}


@pytest.mark.parametrize("term", TERMS)
def test_a_term_alone_moves_its_networks_and_no_other(term):
    method, own = quiet(**only(term)), {"d/entropy": {"discriminator"}, "g/variational": {"generator", "encoder"}}
    terms = method.losses[term[0]][1](batch(), 1)
    nets = {"discriminator": method.discriminator, "generator": method.generator, "encoder": method.encoder}
    reached = set()
    for name, net in nets.items():
        grads = torch.autograd.grad(terms[term], trainable(net), allow_unused=True, retain_graph=True) if net else []
        reached |= {name} if any(grad is not None and (grad != 0).any() for grad in grads) else set()
    assert reached - {"discriminator"} == own.get(term, {"generator"}) - {"discriminator"}
    assert ("discriminator" in reached) == (term in ("d/entropy", "g/pull_away"))  # of D's biases, which G's step does not move


def test_ds_weights_have_no_gradient_after_gs_step_and_gs_and_the_encoders_have_one():
    method = quiet()
    before = {name: p.clone() for name, p in method.discriminator.named_parameters()}
    method.descend("g", batch(), 1)
    assert all(p.grad is None for p in method.discriminator.parameters())
    assert all(p.grad is not None for net in (method.generator, method.encoder) for p in trainable(net))
    assert_same(before, dict(method.discriminator.named_parameters()))
    method = quiet()
    method.descend("d", batch(), 1)
    assert all(p.grad is None for net in (method.generator, method.encoder) for p in net.parameters())


def test_the_encoder_has_the_rate_and_betas_of_g():
    method = started(bad_gan(learning_rate=0.004, generator_learning_rate=0.001, generator_beta1=0.0), streams())
    method.step(next(streams().epoch()), 0)
    first, second = method.optimizers["g"].param_groups
    assert (second["lr"], second["betas"]) == (first["lr"], first["betas"]) == (0.001, (0.0, 0.999))
    assert {id(p) for p in second["params"]} == {id(p) for p in trainable(method.encoder)}


def test_labels_of_unlabelled_images_change_nothing():
    def terms(hide: bool) -> dict:
        method, one = quiet(weight=0.0), batch()
        views = {name: getattr(one, name) for name in ("unlabeled", "unlabeled_g")}
        one = one._replace(**{name: v._replace(y=torch.full_like(v.y, -1)) for name, v in views.items()} if hide else {})
        return method.step(one, 1)

    assert_same(terms(False), terms(True))


# --- values and gradients -----------------------------------------------------------------------------------------------


def test_the_terms_are_those_of_separate_passes():
    method, one = quiet(), batch()
    states = {name: generator.get_state() for name, generator in method.generators.items()}
    found = method.discriminator_terms(one, 1) | method.generator_terms(one, 1)
    for name, generator in method.generators.items():
        generator.set_state(states[name])
    method.draw_z(10)  # D's
    fake = method.generator(z := method.draw_z(10))
    rare = method.generator(method.draw_z(6, method.generators["density"]))
    excess = losses.low_density(-rare.flatten(1).square().sum(1), method.density.threshold)
    expected = {
        "d/entropy": 0.1 * losses.entropy(method.discriminator(one.unlabeled.x)[1]),
        "g/pull_away": 0.8 * losses.pull_away(method.discriminator(fake)[0]),
        "g/variational": 0.01 * losses.variational_entropy(z, *method.encoder(fake)),
        "g/low_density": 0.5 * excess / method.density.spread,
    }
    torch.testing.assert_close({name: found[name] for name in expected}, expected)
    assert excess > 0


@pytest.mark.parametrize("term", TERMS)
def test_gradients_through_the_networks_are_those_of_finite_differences(term):
    method, one = quiet(**only(term)), batch()
    nets = [method.discriminator] if term[0] == "d" else [method.generator, *([method.encoder] if method.encoder else [])]
    params, states = trainable(*nets), {name: g.get_state() for name, g in method.generators.items()}

    def value() -> torch.Tensor:
        for name, generator in method.generators.items():
            generator.set_state(states[name])
        return method.losses[term[0]][1](one, 1)[term]

    along = [torch.randn(p.shape, dtype=p.dtype, generator=torch.Generator().manual_seed(k)) for k, p in enumerate(params)]
    grads = torch.autograd.grad(value(), params, materialize_grads=True, allow_unused=True)
    slope, ends = sum((g * d).sum() for g, d in zip(grads, along, strict=True)), []
    for step in (1e-6, -2e-6):
        with torch.no_grad():
            torch._foreach_add_(params, along, alpha=step)
        ends.append(value().detach())
    torch.testing.assert_close(slope, (ends[0] - ends[1]) / 2e-6, rtol=1e-4, atol=1e-7)
    assert slope != 0


# --- low density --------------------------------------------------------------------------------------------------------


def test_low_density_begins_with_its_epoch_and_is_a_factor_of_0_or_1_in_a_step():
    method = started(bad_gan(**only("g/low_density"), low_density_start_epochs=3), streams())
    one, found = next(streams().epoch()), []
    assert "g/low_density" not in method.generator_terms(one, 2)
    assert method.graph_key("g", 2) != method.graph_key("g", 3) == method.graph_key("g", 9)
    for _ in range(40):
        found.append(method.generator_terms(one, 3)["g/low_density"])
    silent = sum(float(value.detach()) == 0 for value in found)
    assert 10 < silent < 30 and all(value.requires_grad for value in found)


def test_a_network_of_ones_own_is_a_density_frozen_and_none_of_the_networks_that_move():
    class Learned(Dark):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(16, 1)

        def log_density(self, images):
            return super().log_density(images) + 0 * self.layer(images.flatten(1)).squeeze(1)

    method = bad_gan(density=Learned(), average_decay=0.9)
    assert not trainable(method.density) and not method.density.training and "density" not in method.networks
    assert examine(method, streams(), t=5, steps=2).faults == {}


def test_the_density_is_fitted_to_the_pool_never_to_test_images():
    seen = []

    class Seen(Dark):
        def prepare(self, images):
            seen.append(images)
            super().prepare(images)

    bad_gan(density=Seen())
    pool = streams().pool
    assert len(seen) == 1 and torch.equal(seen[0], pool.normalize(pool.x[pool.unlabeled]))


# --- as part of a run ---------------------------------------------------------------------------------------------------


def test_telemetry_watches_the_encoder_and_the_density_and_leaves_the_run_as_it_was():
    def run(watched: bool) -> dict:
        s, method = streams(), bad_gan(weight=0.5)
        started(method, s)
        for t, one in zip(range(3), s.epoch(), strict=False):
            method.step(one, t)
            if watched:
                seen = method.telemetry(s.example(20, "telemetry", revealed=True))
                assert 0 <= seen["gan/dense_share"] <= 1 and seen["gan/least_log_std"].isfinite()
        return method.state_dict() | {name: g.get_state() for name, g in method.generators.items()}

    assert_same(run(False), run(True))


def test_runs_stacked_as_one_program_are_those_of_each_alone():
    assert_stacked_as_alone(lambda seed: bad_gan(seed, torch.float64, weight=1.0), 3)


def test_a_run_stopped_in_mid_epoch_resumes_bit_for_bit_with_its_encoder_and_its_mixture(command, tiny_tree, tmp_path, monkeypatch):
    tree = tiny_tree()
    tree["method"]["class_path"] = "gan_sntg.methods.BadGAN"
    tree["method"]["init_args"] |= FURTHER | {
        "encoder": {"class_path": "gan_sntg.networks.DenseEncoder", "init_args": {"latent": 8, "widths": [9]}},
        "density": {"class_path": "gan_sntg.networks.MixtureDensity", "init_args": {"components": 2, "directions": 5, "quantile": 0}},
        "low_density_start_epochs": 1,
        "adam_epsilon": "outside_sqrt",
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tree))
    words = ["--config", tmp_path / "config.yaml"]
    monkeypatch.setattr("gan_sntg.networks.density.cached", lambda key, shapes, fit: fit())
    monkeypatch.setattr(BadGAN, "rare_probability", 0.5)
    monkeypatch.setattr(MixtureDensity, "fitted", mixture(1.0))
    assert interrupted(command, words, tmp_path / "a", BadGAN, "step", 10).status == 130
    monkeypatch.setattr(MixtureDensity, "fitted", mixture(0.5))  # another fit than the run was begun with: the checkpoint's is taken
    assert command("train", *words, "--out", tmp_path / "a").status == 0
    monkeypatch.setattr(MixtureDensity, "fitted", mixture(1.0))
    assert command("train", *words, "--out", tmp_path / "b").status == 0
    assert sum(row["g/low_density"] for row in rows(tmp_path / "b")[1:]) > 0
    assert_same_run(tmp_path / "a", tmp_path / "b")


REFUSED = {
    "variational_weight needs an encoder of the generator's latent 5": {"encoder": None},
    "encoder of the generator's latent 5; give one, or the weight 0": {"encoder": DenseEncoder((1, 4, 4), latent=4)},
    "low_density_weight needs a density": {"density": None},
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_weight_without_its_part_and_an_encoder_of_another_z_are_refused(reason):
    with pytest.raises(InputError, match=reason):
        bad_gan(**REFUSED[reason])
    bad_gan(**(REFUSED[reason] | OFF))  # where the weight is 0, the part is left out
