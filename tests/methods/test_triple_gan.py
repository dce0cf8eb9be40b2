"""Triple-GAN: its losses on cases solved by hand, who moves whom, and what D and C are shown."""

import copy
import math

import pytest
import torch
from helpers.tiny import assert_same, started, streams
from helpers.triple_gans import EVERY, close, gan, quiet, saying, unscaled

from gan_sntg.graph import AllPairs, Ensemble, SamePass, SecondPass
from gan_sntg.losses import false_pair_loss, pair_cost, true_pair_loss, uniform_cross_entropy
from gan_sntg.networks.batch_norm import BatchNorm
from gan_sntg.schedules import ExponentialDecay
from gan_sntg.training.optim import trainable
from gan_sntg.training.term_check import examine

P = [[0.8, 0.2]]


def value(terms: dict) -> float:
    return float(sum(terms.values()).detach())


# --- losses ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_where_d_cannot_tell_its_loss_is_2_ln_2_and_gs_half_ln_2(share):
    method, batch = quiet(labeled_share=share)
    saying(method, 0.5)
    close(value(method.discriminator_terms(batch, 1)), 1.38629)
    close(value(method.generator_terms(batch, 1)), 0.34657)
    close(float(method.discriminator_terms(batch, 1)["d/labeled"]), share * math.log(2))


def adversarial(tried: str, *d: float) -> tuple[float, list]:
    """C's adversarial term for p = P where D answers with d, and the derivative with respect to the logits."""
    method, _ = quiet(tried=tried)
    logits = torch.tensor(P, dtype=torch.float64).log().requires_grad_()
    term = saying(method, *d).adversarial(torch.zeros(1, 1, 4, 4), logits)
    return float(term.detach()), torch.autograd.grad(term, logits)[0].tolist()[0]


@pytest.mark.parametrize(
    ("tried", "d", "expected", "slope"), [("argmax", [0.5], 0.27726, 0.05545), ("integrated", [0.9, 0.1], 0.27240, -0.17578)]
)
def test_cs_adversarial_term_and_its_derivative_are_those_solved_by_hand(tried, d, expected, slope):
    found, grad = adversarial(tried, *d)
    close([found, *grad], [expected, slope, -slope])


def test_argmax_always_lowers_confidence_and_integrated_follows_d():
    for d, sign in ([0.9, 0.1], -1), ([0.1, 0.9], 1):
        assert adversarial("argmax", d[0])[1][0] > 0 and adversarial("integrated", *d)[1][0] * sign > 0


def test_losses_of_pairs_are_binary_cross_entropies_and_d_is_a_constant_for_c():
    scores = torch.tensor([2.0, -30.0, 400.0], dtype=torch.float64)
    d = scores.sigmoid()
    close(true_pair_loss(scores[:2]), float(-d[:2].log().mean()))
    close(false_pair_loss(scores[:1]), float(-(1 - d[:1]).log()))
    assert float(false_pair_loss(scores[2:])) == 400 and 0 < float(true_pair_loss(scores[2:])) < 1e-170  # nothing is rounded to 0 or 1
    logits, s = torch.randn(4, 3, dtype=torch.float64, requires_grad=True), torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    y, p = torch.tensor([[0, 2]] * 4), logits.detach().softmax(1)
    naive = sum(float(p[i, y[i, m]] * -s[i, m].detach().sigmoid().log()) for i in range(4) for m in range(2)) / 4
    cost = pair_cost(logits, y, s)
    close(float(cost.detach()), naive)
    assert torch.autograd.grad(cost, [logits, s], allow_unused=True)[1] is None
    assert torch.autograd.gradcheck(lambda logits: pair_cost(logits, y, s), logits)
    close(float(uniform_cross_entropy(torch.full((10,), 0.1, dtype=torch.float64))), math.log(10))
    close(float(uniform_cross_entropy(torch.tensor([0.25, 0.75]))), -0.5 * math.log(0.25 * 0.75))


def test_every_gradient_is_the_limit_of_differences():
    method, batch = quiet(tried="integrated", w=unscaled(1.0), teacher=SamePass(), labeled=True, pairing=AllPairs())
    method.sntg.graph.weights = lambda targets, y, index, i, j: ((i + j) % 2).double()  # the same, wherever C moves
    draws, state = {k: g.get_state() for k, g in method.generators.items()}, copy.deepcopy(method.state_dict())
    for net, terms_of in method.losses.values():
        params = trainable(net)
        way = [torch.randn_like(p) for p in params]

        def terms(step: float, terms_of=terms_of, params=params, way=way) -> dict:
            method.load_state_dict(state)
            for name, generator in method.generators.items():
                generator.set_state(draws[name])
            with torch.no_grad():
                torch._foreach_add_(params, way, alpha=step)
            return terms_of(batch, 5)

        slopes = {}
        for name, term in terms(0.0).items():
            grads = torch.autograd.grad(term, params, retain_graph=True, materialize_grads=True)
            slopes[name] = float(sum((g * w).sum() for g, w in zip(grads, way, strict=True)))
        more, less = terms(1e-6), terms(-1e-6)
        found = {name: float((more[name] - less[name]).detach()) / 2e-6 for name in slopes}
        torch.testing.assert_close(slopes, found, rtol=1e-4, atol=1e-6)


def test_a_batch_twice_over_leaves_every_term_as_it_is():
    method, batch = quiet(weight=0.0, generated_ratio=0.9)
    twice = type(batch)(*(type(view)(*(torch.cat([part, part]) for part in view)) for view in batch))
    z = torch.rand(9, 6, dtype=torch.float64)
    method.draw_z, found = lambda n: z.repeat(n // 9, 1), []
    for own in batch, twice:
        found.append({name: term for _, terms_of in method.losses.values() for name, term in terms_of(own, 5).items()})
    torch.testing.assert_close(*found)


# --- who moves whom, and by what -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"teacher": SecondPass(), "tried": "integrated"}, {"teacher": Ensemble(), "labeled": True}])
def test_every_term_moves_its_player_and_no_other(options):
    method = gan(**options)
    found = examine(method, streams(), t=5, steps=2)
    assert found.faults == {}
    assert {prefix: found.moved[prefix] for prefix in ("net", "d", "g")} == {"net": {"net"}, "d": {"discriminator"}, "g": {"generator"}}
    assert set(found.terms) == {name for name, weight in method.weights().items() if weight}
    batch = next(streams().epoch())
    for prefix, others in {"net": ("discriminator", "generator"), "d": ("net", "generator"), "g": ("net",)}.items():
        for name, term in method.losses[prefix][1](batch, 5).items():
            params = [p for other in (*others, "average", "teacher") for p in trainable(getattr(method, other))]
            assert all(g is None for g in torch.autograd.grad(term, params, retain_graph=True, allow_unused=True)), name


def test_statistics_of_c_follow_its_first_pass_alone():
    method, batch = quiet(weight=0.5, teacher=SecondPass())
    alone = copy.deepcopy(method.net)
    alone(torch.cat([batch.labeled.x, batch.unlabeled.x]))
    for _, terms_of in method.losses.values():
        terms_of(batch, 5)
    method.settings = {}
    method.telemetry(batch)
    assert_same(dict(method.net.named_buffers()), dict(alone.named_buffers()))
    assert [m.num_batches_tracked for m in method.net.modules() if isinstance(m, BatchNorm)] == [1, 1]


def test_d_sees_four_kinds_of_pairs_and_g_every_class_alike():
    method, batch = quiet(generated_ratio=0.6)
    seen = []
    method.judge = lambda x, y: seen.append((x, y)) or torch.zeros(len(y), dtype=torch.float64, requires_grad=True)
    state = method.generators["z"].get_state()
    method.discriminator_terms(batch, 1)
    (x, y) = seen[0]
    both = torch.cat([batch.unlabeled_g.x, batch.unlabeled.x])
    assert torch.equal(x[:30], torch.cat([batch.labeled.x, both])) and torch.equal(y[:10], batch.labeled.y)
    assert torch.equal(y[10:30], method.net(both)[1].argmax(1)) and y[30:].tolist() == [0, 1, 2] * 2
    method.generators["z"].set_state(state)
    z = method.draw_z(6)
    expected = method.generator(torch.cat([z[:, :-1], (torch.tensor([0, 1, 2] * 2).double().unsqueeze(1) + 0.5) / 3], 1))
    torch.testing.assert_close(x[30:], expected)
    method.generator_terms(batch, 1)
    assert not torch.equal(seen[1][0], x[30:]) and seen[1][0].requires_grad  # fresh images


def test_a_step_is_ds_gs_and_cs_and_in_pretraining_cs_alone():
    method, s = gan(pretraining_epochs=3, generated_start_epochs=4), streams()
    started(method, s)
    batch, taken = next(s.epoch()), []
    descend = method.descend
    method.descend = lambda name, batch, t: taken.append(name) or descend(name, batch, t)
    terms = {t: set(method.step(batch, t)) for t in (2, 3, 4)}
    assert taken == ["net", *["d", "g", "net"] * 2]
    assert terms[2] == {"net/labeled", "net/consistency", "net/entropy", "net/balance", "net/graph"}
    assert terms[4] - terms[3] == {"net/generated"} and terms[4] == {name for name, weight in method.weights().items() if weight}
    assert [method.weights_at(t, 1.0)["net/balance"] for t in (2, 3)] == [EVERY["entropy_weight"], EVERY["balance_weight"]]
    assert [len({method.graph_key(name, t) for t in (2, 3, 4, 5)}) for name in ("d", "g", "net")] == [1, 1, 3]


def test_each_player_has_its_rate_and_betas():
    decays = {"schedule": ExponentialDecay(4, 0.9, fall_epochs=2), "game_schedule": ExponentialDecay(5, 0.8)}
    method = started(gan(**decays, learning_rate=0.01, game_learning_rate=0.001), streams())
    method.step(next(streams().epoch()), 6)
    found = {name: (group["lr"], group["betas"][0]) for name, own in method.optimizers.items() for group in own.param_groups}
    assert found == {"net": pytest.approx((0.01 * 0.9**2, 0.5), rel=1e-5), **dict.fromkeys("dg", pytest.approx((0.0008, 0.5)))}
    assert method.settings["learning_rate"] == 0.01 * 0.9**2
    method.learning_rate = 0.001  # as after a roll-back
    method.step(next(streams().epoch()), 0)
    assert [own.param_groups[0]["lr"] for own in method.optimizers.values()] == pytest.approx([0.001, 0.0001, 0.0001])


def test_its_telemetry_says_how_many_images_are_of_their_class_and_changes_nothing():
    s = streams()
    method = started(gan(), s)
    method.step(next(s.epoch()), 1)
    before = copy.deepcopy(method.state_dict()), {k: g.get_state() for k, g in method.generators.items()}
    seen = method.telemetry(s.example(20, "telemetry", revealed=True))
    assert {"gan/own_class", "gan/real_accuracy", "gan/collapsed", "graph/precision", "weight/graph", "learning_rate"} <= set(seen)
    assert_same(method.state_dict(), before[0])
    assert_same({k: g.get_state() for k, g in method.generators.items()}, before[1])
