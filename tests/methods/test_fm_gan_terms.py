"""CT-GAN's consistency and the manifold term: solved by hand, on D alone, and FM-GAN bit for bit at weight 0."""

from functools import partial
from itertools import islice

import pytest
import torch
import torch.nn.functional as F
from helpers.method_runs import assert_resumes_in_mid_epoch, assert_stacked_as_alone
from helpers.tiny import Squares, UnitRange64, assert_same, norms, sntg, started, streams

from gan_sntg.errors import InputError
from gan_sntg.graph.pairs import AllPairs, Sampled
from gan_sntg.graph.teachers import Averaged, Ensemble, NoiseFree, SamePass
from gan_sntg.losses import LogitChange, absolute_change, squared_change
from gan_sntg.methods.ct_gan import CTGAN
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.methods.manifold_gan import ManifoldGAN
from gan_sntg.networks.gan import DenseDiscriminator, DenseGenerator
from gan_sntg.training.term_check import examine

AMBIENT = partial(ManifoldGAN, direction="ambient")
KINDS = {"ct": CTGAN, "tangent": partial(ManifoldGAN, epsilon=0.7), "ambient": partial(AMBIENT, epsilon=0.7)}
TERM = {"ct": "consistency", "tangent": "manifold", "ambient": "manifold"}
EACH = pytest.mark.parametrize("kind", KINDS)


def gan(kind, seed: int = 0, dtype: torch.dtype = torch.float32, noise: float = 0.3, **options) -> FeatureMatchingGAN:
    torch.manual_seed(seed)
    d = DenseDiscriminator((1, 4, 4), 3, widths=(12, 8), input_noise=noise, hidden_noise=noise)
    nets = {"discriminator": d, "generator": DenseGenerator((1, 4, 4), latent=5, widths=(9,))}
    graph = sntg(options)
    method = KINDS.get(kind, kind)(**nets, sntg=graph, **({"teacher": SamePass(), "average_decay": 0.9} | options)).to(dtype)
    method.prepare(data := Squares(), streams(source=data).pool)
    method.to(dtype).seed(seed, "cpu")
    return method


def quiet(kind, noise: float = 0.0, **options):
    """A method in float64, and a batch."""
    s = streams(normalization=UnitRange64)
    return started(gan(kind, dtype=torch.float64, noise=noise, **options), s), next(s.epoch())


def run(kind, steps: int = 4, **options) -> tuple[dict, list[dict]]:
    s, log = streams(), []
    method = started(gan(kind, **options), s)
    for batch in islice((batch for _ in range(steps) for batch in s.epoch()), steps):
        log.append(method.step(batch, 1 + len(log)))
    draws = {name: generator.get_state() for name, generator in method.generators.items() if name not in ("graph", "manifold")}
    return {k: v for k, v in method.state_dict().items() if not k.startswith("teacher")} | draws, log


# --- both terms -----------------------------------------------------------------------------------------------------------


@EACH
def test_a_weight_of_zero_is_fm_gan_bit_for_bit_whatever_the_graph(kind):
    off = {f"{TERM[kind]}_weight": 0.0}
    for options in {"weight": 0.0}, {"weight": 0.6, "pairing": Sampled(7), "labeled": True}:
        (plain, expected), (found, log) = run(FeatureMatchingGAN, **options), run(kind, **off, **options)
        assert_same(found, plain)
        assert_same(log[-1], expected[-1])
    assert not torch.equal(run(kind)[0]["discriminator.out.v"], run(FeatureMatchingGAN)[0]["discriminator.out.v"])


@EACH
def test_a_graph_weight_of_zero_is_the_method_without_sntg_bit_for_bit(kind):
    plain, _ = run(kind, weight=0.0)
    assert_same(run(kind, weight=0.0, teacher=Ensemble(), pairing=Sampled(7), labeled=True)[0], plain)
    changed, _ = run(kind, weight=1.0, pairing=AllPairs())
    assert_same({k: changed[k] for k in ("z", "noise")}, {k: plain[k] for k in ("z", "noise")})  # the graph's draws are its own


@EACH
def test_the_term_moves_d_alone_and_all_others_are_those_of_fm_gan(kind):
    method = gan(kind, weight=0.5, teacher=Averaged())
    found = examine(method, streams(), t=5, steps=2)
    assert found.faults == {} and found.moved["d"] == {"discriminator"} and found.moved["g"] == {"generator"}
    assert set(found.terms) == set(gan(FeatureMatchingGAN).weights()) | {f"d/{TERM[kind]}"} == set(method.weights())
    sizes = norms(method, method.discriminator_terms(next(streams().epoch()), 5)[f"d/{TERM[kind]}"])
    assert sizes["d"] > 0 and sizes["g"] == sizes["teacher"] == sizes["average"] == 0
    (with_it, batch), (without, _) = quiet(kind), quiet(FeatureMatchingGAN)
    terms = with_it.discriminator_terms(batch, 5)
    terms.pop(f"d/{TERM[kind]}")
    torch.testing.assert_close(terms, without.discriminator_terms(batch, 5))


@EACH
def test_its_gradient_is_the_limit_of_differences(kind):
    method, batch = quiet(kind, noise=0.2)
    params = [p for p in method.discriminator.parameters() if p.requires_grad]
    way, states = [torch.randn_like(p) for p in params], {name: g.get_state() for name, g in method.generators.items()}

    def term(step: float) -> torch.Tensor:
        with torch.no_grad():
            torch._foreach_add_(params, way, alpha=step)
        for name, state in states.items():
            method.generators[name].set_state(state)
        return method.discriminator_terms(batch, 5)[f"d/{TERM[kind]}"]

    grads = torch.autograd.grad(term(0.0), params, materialize_grads=True)
    slope = sum((g * w).sum() for g, w in zip(grads, way, strict=True))
    torch.testing.assert_close(slope, (term(1e-6) - term(-2e-6)).detach() / 2e-6, rtol=1e-4, atol=1e-9)


@EACH
def test_seeds_trained_as_one_are_each_the_run_that_it_would_be_alone(kind):
    assert_stacked_as_alone(lambda seed: gan(kind, seed, torch.float64, weight=0.5))


@EACH
def test_a_run_stopped_in_mid_epoch_and_resumed_equals_one_never_stopped(kind, tmp_path):
    assert_resumes_in_mid_epoch(lambda: gan(kind, weight=0.5, pairing=Sampled(7)), tmp_path)


# --- the consistency ------------------------------------------------------------------------------------------------------


def test_the_consistency_is_that_solved_by_hand():
    method, batch = quiet("ct", feature_weight=0.1)
    p, other = (torch.tensor([row], dtype=torch.float64) for row in ([0.8, 0.2], [0.6, 0.4]))
    h, h_other = torch.tensor([[1.0, 2.0]], dtype=torch.float64), torch.tensor([[1.0, 5.0]], dtype=torch.float64)
    method.discriminate = lambda x: (h_other, other.log())
    for weights, expected in ((0.5, 0.1), 0.5 * (0.04 + 0.1 * 4.5)), ((1.0, 0.0), 0.04):
        method.consistency_weight, method.feature_weight = weights
        _, term = method.consistency(batch.unlabeled, h, p.log())
        torch.testing.assert_close(float(term["d/consistency"]), expected, rtol=0, atol=1e-12)


def test_the_gradient_of_the_consistency_goes_through_both_passes():
    method, batch = quiet("ct")
    first, second = (torch.randn(10, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    h = torch.zeros(10, 8, dtype=torch.float64)
    method.discriminate = lambda x: (h, second)
    _, term = method.consistency(batch.unlabeled, h, first)
    assert all(grad.abs().sum() > 0 for grad in torch.autograd.grad(term["d/consistency"], (first, second)))


def test_without_noise_both_passes_agree_and_with_it_they_do_not():
    for noise, agree in (0.0, True), (0.2, False):
        method, batch = quiet("ct", noise=noise)
        assert (method.discriminator_terms(batch, 5)["d/consistency"] < 1e-20) == agree  # another sum of the same products


def test_the_same_pass_as_a_teacher_is_the_second_pass_at_no_cost():
    passes, targets = {}, []
    for teacher in SamePass(), NoiseFree():
        method, batch = quiet("ct", noise=0.3, weight=0.5, teacher=teacher)
        seen = []
        method.discriminator.register_forward_hook(lambda _, x, y, seen=seen: seen.append(y[1].detach().softmax(1)))
        forward = method.sntg.forward
        method.sntg.forward = lambda h, given, *rest, forward=forward, **more: targets.append(given) or forward(h, given, *rest, **more)
        method.discriminator_terms(batch, 5)
        passes[type(teacher)] = seen
    assert {teacher: len(seen) for teacher, seen in passes.items()} == {SamePass: 2, NoiseFree: 3}
    torch.testing.assert_close(targets[0], passes[SamePass][1])  # not the first pass, whose features the graph moves
    assert not targets[0].requires_grad


# --- the manifold term ----------------------------------------------------------------------------------------------------


def test_the_changes_are_those_solved_by_hand():
    logits, moved = torch.tensor([[1.0, 1.0], [0.0, 0.0]], dtype=torch.float64), torch.tensor([[0.0, 3.0], [0.0, 0.0]], dtype=torch.float64)
    for change, found, at_rest in (absolute_change, 3.0, 2e-4), (squared_change, 5.0, 0.0):
        torch.testing.assert_close(float(change(logits[:1], moved[:1])), found, rtol=0, atol=1e-7)
        torch.testing.assert_close(float(change(logits, moved)), (found + at_rest) / 2, rtol=0, atol=1e-7)
    still = torch.zeros(2, 3, requires_grad=True)
    assert all(torch.autograd.grad(change(still, still.detach()), still)[0].abs().max() == 0 for change in LogitChange)


def ends(method: ManifoldGAN, batch) -> tuple[torch.Tensor, torch.Tensor]:
    return method.ends(batch.unlabeled.x, method.generators["manifold"])


def test_steps_are_of_norm_epsilon_along_the_generators_tangent_and_images_are_constants():
    method, batch = quiet("tangent", eta=1e-6)
    states = {name: method.generators[name].get_state() for name in ("z", "noise")}
    fake, moved = ends(method, batch)
    assert not fake.requires_grad and not moved.requires_grad and fake.shape == batch.unlabeled.x.shape
    torch.testing.assert_close((moved - fake).flatten(1).norm(dim=1), torch.full((10,), 0.7, dtype=torch.float64))
    assert_same({name: method.generators[name].get_state() for name in states}, states)  # D's and G's draws are left alone
    method.generators["manifold"].manual_seed(7)
    z = method.draw_z(10, draws := torch.Generator().manual_seed(7))
    u = F.normalize(torch.randn(10, 5, generator=draws, dtype=torch.float64), dim=1)
    method.eta = 1.0
    fake, moved = ends(method, batch)
    first, near = method.generator(torch.cat([z, z + u])).chunk(2)
    torch.testing.assert_close(fake, first.detach())
    torch.testing.assert_close(moved - fake, 0.7 * F.normalize((near - first).detach().flatten(1)).view_as(fake))


def test_the_ambient_control_steps_from_real_images_at_random():
    method, batch = quiet("ambient")
    (x, moved), (_, other) = ends(method, batch), ends(method, batch)
    torch.testing.assert_close(x, batch.unlabeled.x)
    torch.testing.assert_close((moved - x).flatten(1).norm(dim=1), torch.full((10,), 0.7, dtype=torch.float64))
    assert not torch.equal(moved, other)


def test_the_manifold_term_is_the_weighted_change_of_ds_logits():
    method, batch = quiet("tangent", manifold_weight=0.3, change=LogitChange.squared)
    x, moved = ends(method, batch)
    method.ends = lambda x_real, draws: (x, moved)
    found = method.discriminator_terms(batch, 5)["d/manifold"]
    gap = method.discriminator(x)[1] - method.discriminator(moved)[1]
    torch.testing.assert_close(found, 0.3 * gap.square().sum() / 10)


def test_where_the_generator_does_not_move_there_is_no_step():
    method, batch = quiet("tangent")
    method.generator.forward = lambda z: torch.ones(len(z), 1, 4, 4, dtype=z.dtype)
    fake, moved = ends(method, batch)
    assert torch.equal(fake, moved)


@pytest.mark.parametrize(
    ("kind", "wrong", "said"),
    [
        ("ct", {"consistency_weight": -1.0}, "consistency_weight -1 and feature_weight 0.1; give finite numbers of 0 or more"),
        ("ct", {"feature_weight": float("nan")}, "feature_weight nan"),
        ("ambient", {"manifold_weight": -1.0}, "manifold_weight -1, epsilon 0.7, eta 1: give 0 or more, and steps above 0"),
        ("tangent", {"eta": 0.0}, "eta 0: give"),
    ],
)
def test_impossible_numbers_are_refused(kind, wrong, said):
    with pytest.raises(InputError, match=said):
        gan(kind, **wrong)
