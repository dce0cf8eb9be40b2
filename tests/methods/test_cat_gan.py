"""CatGAN: its losses on cases solved by hand, which term moves which network, passes apart, and runs that weights of 0 leave."""

import copy
import math

import pytest
import torch
from helpers.cat_gans import answering, close, gan, quiet, run, value
from helpers.method_runs import assert_resumes_in_mid_epoch, assert_stacked_as_alone
from helpers.tiny import Squares, assert_same, norms, started, streams

from gan_sntg.errors import InputError
from gan_sntg.graph.pairs import AllPairs, Sampled
from gan_sntg.graph.teachers import Averaged, Ensemble, SamePass, SecondPass
from gan_sntg.losses import entropy, marginal_entropy, prior_cross_entropy
from gan_sntg.methods import cat_gan
from gan_sntg.methods.cat_gan import CatGAN
from gan_sntg.networks.batch_norm import BatchNorm
from gan_sntg.training.term_check import examine

REAL, FAKE = [[0.9, 0.1], [0.2, 0.8]], [[0.7, 0.3]]


# --- losses ---------------------------------------------------------------------------------------------------------------


def test_the_losses_are_those_solved_by_hand():
    method, batch = quiet(labeled_weight=0.0)
    answering(method, REAL, FAKE)
    terms = method.discriminator_terms(batch, 0)
    close([float(terms[f"d/{name}"].detach()) for name in ("marginal", "unlabeled", "generated")], [-0.68814, 0.41274, -0.61086])
    close(value(terms), -0.88626)
    answering(method, REAL)
    close(value(method.generator_terms(batch, 0)), -0.27540)


def test_the_gradient_of_the_entropy_is_that_solved_by_hand():
    logits = torch.tensor(FAKE, dtype=torch.float64).log().requires_grad_()
    (grad,) = torch.autograd.grad(entropy(logits), logits)
    close(grad, [[-0.17793, 0.17793]])


def test_uniform_predictions_cost_nothing_and_the_entropies_have_no_gradient():
    logits = torch.zeros(4, 10, dtype=torch.float64, requires_grad=True)
    terms = -marginal_entropy(logits.softmax(1).mean(0)), entropy(logits)
    close(value(dict(enumerate(terms))), 0.0, 1e-12)
    for term in terms:
        assert torch.autograd.grad(term, logits, retain_graph=True)[0].abs().max() < 1e-15


@pytest.mark.parametrize("prior", ["uniform", "labels"])
def test_the_order_of_the_classes_changes_neither_loss(prior):
    method, batch = quiet(labeled_weight=0.0, class_prior=prior)
    method.prior = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    real, fake = (torch.rand(n, 3, dtype=torch.float64).softmax(1).tolist() for n in (6, 4))
    found = []
    for order in [0, 1, 2], [2, 0, 1]:
        method.prior = method.prior[order] if found else method.prior
        answering(method, *([[row[k] for k in order] for row in p] for p in (real, fake, fake)))
        found.append((value(method.discriminator_terms(batch, 0)), value(method.generator_terms(batch, 0))))
    close(found[0], list(found[1]), 1e-12)


def test_with_the_labels_prior_the_marginal_is_their_cross_entropy_least_at_their_shares():
    method, _ = quiet(class_prior="labels")
    close(method.prior, [1 / 3] * 3, 1e-12)
    method.prior = torch.tensor([0.25, 0.75], dtype=torch.float64)
    close(float(method.marginal(torch.tensor(REAL, dtype=torch.float64).log())), -0.25 * math.log(0.55) - 0.75 * math.log(0.45), 1e-12)
    at_prior = method.prior.log().repeat(3, 1).requires_grad_()
    (grad,) = torch.autograd.grad(method.marginal(at_prior), at_prior)
    close(grad, [[0.0, 0.0]] * 3, 1e-15)


def test_a_class_that_is_never_predicted_leaves_gradients_finite():
    logits = torch.tensor([[2000.0, 0.0], [2000.0, -1.0]], requires_grad=True)
    p = logits.softmax(1).mean(0)
    (grad,) = torch.autograd.grad(marginal_entropy(p) + prior_cross_entropy(torch.full((2,), 0.5), p) + entropy(logits), logits)
    assert p[1] == 0 and grad.isfinite().all()


@pytest.mark.parametrize("prior", ["uniform", "labels"])
def test_every_gradient_is_the_limit_of_differences(prior):
    method, batch = quiet(weight=0.5, teacher=SamePass(), class_prior=prior, labeled_weight=0.7)
    method.sntg.graph.weights = lambda targets, y, index, i, j: ((i + j) % 2).double()  # the same, wherever D moves
    z = method.generators["z"].get_state()
    for net, terms_of in method.losses.values():
        params = list(net.parameters())
        way = [torch.randn_like(p) for p in params]

        def terms(terms_of=terms_of) -> dict:
            method.generators["z"].set_state(z)
            return terms_of(batch, 5)

        def slope(term, params=params, way=way) -> float:
            grads = torch.autograd.grad(term, params, retain_graph=True, materialize_grads=True)
            return float(sum((g * w).sum() for g, w in zip(grads, way, strict=True)))

        def after(step: float, params=params, way=way) -> dict:
            with torch.no_grad():
                torch._foreach_add_(params, way, alpha=step)
            return terms()

        slopes = {name: slope(term) for name, term in terms().items()}
        more, less = after(1e-6), after(-2e-6)
        found = {name: float((more[name] - less[name]).detach()) / 2e-6 for name in slopes}
        torch.testing.assert_close(slopes, found, rtol=1e-4, atol=1e-6)


def test_a_batch_twice_over_leaves_every_term_as_it_is():
    method, batch = quiet(weight=0.0)
    z = torch.rand(10, 5, dtype=torch.float64)
    twice = type(batch)(*(view and type(view)(*(torch.cat([part, part]) for part in view)) for view in batch))
    method.draw_z = lambda n: z.repeat(n // 10, 1)
    for _, terms_of in method.losses.values():
        torch.testing.assert_close(terms_of(twice, 0), terms_of(batch, 0))


# --- networks, passes and statistics --------------------------------------------------------------------------------------


@pytest.mark.parametrize("teacher", [SecondPass, Averaged, Ensemble])
def test_every_term_moves_the_network_that_it_should_and_no_other(teacher):
    method = gan(weight=0.5, teacher=teacher(), average_decay=0.9)
    found = examine(method, streams(), t=5, steps=2)
    assert found.faults == {}
    assert found.moved["d"] == {"discriminator"} and found.moved["g"] == {"generator"}
    assert set(found.terms) == {name for name, weight in method.weights().items() if weight}
    for name, term in method.discriminator_terms(next(streams().epoch()), 5).items():
        sizes = norms(method, term)
        assert sizes["d"] > 0 and sizes["g"] == sizes["teacher"] == sizes["average"] == 0, name


def statistics(method: CatGAN) -> dict:
    return {name: value.clone() for name, value in method.discriminator.named_buffers()}


@pytest.mark.parametrize("teacher", [SecondPass, SamePass])
def test_running_statistics_follow_the_unlabelled_pass_alone(teacher):
    method, batch = quiet(weight=0.5, teacher=teacher(), labeled=True)
    alone = copy.deepcopy(method.discriminator)
    alone(batch.unlabeled.x)
    method.discriminator_terms(batch, 5)
    assert_same(statistics(method), dict(alone.named_buffers()))
    assert [m.num_batches_tracked for m in alone.modules() if isinstance(m, BatchNorm)] == [1, 1]
    method.generator_terms(batch, 5)
    method.settings = {}
    method.telemetry(batch)
    assert_same(statistics(method), dict(alone.named_buffers()))


def test_no_kind_of_image_is_normalised_with_another():
    method, batch = quiet()
    z = method.generators["z"].get_state()
    before = method.discriminator_terms(batch, 0)
    outlier = batch.labeled._replace(x=batch.labeled.x.clone())
    outlier.x[0] += 1000
    method.generators["z"].set_state(z)
    after = method.discriminator_terms(batch._replace(labeled=outlier), 0)
    assert [name for name in before if before[name] != after[name]] == ["d/labeled"]


def test_generated_images_are_constants_in_ds_step_and_fresh_in_gs():
    method, batch = quiet()
    drawn = []
    method.draw_z = lambda n: drawn.append(torch.rand(n, 5, dtype=torch.float64)) or drawn[-1]
    assert not any(norms(method, term)["g"] for term in method.discriminator_terms(batch, 0).values())
    assert all(norms(method, term)["g"] > 0 for term in method.generator_terms(batch, 0).values())
    assert len(drawn) == 2


def test_the_mean_prediction_is_that_of_all_ranks(monkeypatch):
    method, _ = quiet()
    logits = torch.randn(8, 3, dtype=torch.float64)
    whole, other = method.marginal(logits), logits[1::2].softmax(1).mean(0)
    monkeypatch.setattr(cat_gan, "all_mean", lambda p: (p + other) / 2)
    torch.testing.assert_close(method.marginal(logits[::2]), whole)


# --- runs -----------------------------------------------------------------------------------------------------------------


def test_a_graph_weight_of_zero_is_catgan_bit_for_bit():
    plain, _ = run(weight=0.0)
    for options in {"teacher": Averaged()}, {"teacher": Ensemble(), "pairing": Sampled(7), "labeled": True}:
        found, log = run(weight=0.0, **options)
        assert_same(found, plain)
        assert "d/graph" not in log[-1]
    changed, _ = run(weight=1.0, teacher=Averaged(), pairing=AllPairs())
    assert_same({k: changed[k] for k in ("z", "noise")}, {k: plain[k] for k in ("z", "noise")})  # its draws are its own
    assert not torch.equal(changed["discriminator.out.weight"], plain["discriminator.out.weight"])


def hidden(batch):
    """The batch without its labels."""
    return batch._replace(labeled=None, unlabeled=batch.unlabeled._replace(y=torch.full_like(batch.unlabeled.y, -1)))


def test_a_lambda_of_zero_is_catgan_without_labels():
    plain, log = run(labeled_weight=0.0)
    assert_same(run(labeled_weight=0.0, relabel=hidden)[0], plain)
    assert set(log[-1]) == {"d/marginal", "d/unlabeled", "d/generated", "g/marginal", "g/generated"}


def test_labels_of_unlabelled_images_are_not_read():
    blind, _ = run(relabel=lambda batch: batch._replace(unlabeled=hidden(batch).unlabeled))
    assert_same(blind, run()[0])


def test_lambda_scales_the_labelled_term_alone():
    (once, batch), (thrice, _) = quiet(), quiet(labeled_weight=3.0)
    a, b = once.discriminator_terms(batch, 0), thrice.discriminator_terms(batch, 0)
    torch.testing.assert_close(b, a | {"d/labeled": 3 * a["d/labeled"]})


@pytest.mark.parametrize("prior", ["uniform", "labels"])
def test_seeds_trained_as_one_are_each_the_run_that_it_would_be_alone(prior):
    assert_stacked_as_alone(lambda seed: gan(seed, torch.float64, weight=0.5, teacher=Averaged(), class_prior=prior))


def test_a_run_stopped_in_mid_epoch_and_resumed_equals_one_never_stopped(tmp_path):
    options = {"weight": 0.5, "pairing": Sampled(7), "class_prior": "labels"}
    assert_resumes_in_mid_epoch(lambda: gan(teacher=Averaged(), **options), tmp_path)


def test_its_telemetry_says_nothing_of_a_fake_class_and_changes_nothing():
    s = streams()
    method = started(gan(weight=0.5), s)
    method.step(next(s.epoch()), 1)
    before = copy.deepcopy(method.state_dict())
    seen = method.telemetry(s.example(20, "telemetry", revealed=True))
    assert {"gan/matching_gap", "gan/class_entropy", "gan/collapsed", "graph/precision", "weight/graph"} <= set(seen)
    assert not {"gan/real_accuracy", "gan/generated_accuracy"} & set(seen)
    assert_same(method.state_dict(), before)


def test_it_learns_three_brightnesses_from_six_labels():
    s = streams(batch_size=30)
    method = started(gan(noise=0.1, weight=0.3, margin=2.0, ramp_epochs=10, average_decay=0.9), s)
    for t in range(30):
        for batch in s.epoch():
            method.step(batch, t)
    x, y = s.pool.normalize(s.pool.x), s.pool.truth
    assert (method.average.net(x)[1].argmax(1) == y).float().mean() > 0.95


def test_a_negative_lambda_and_a_prior_of_labels_that_a_class_lacks_are_refused():
    with pytest.raises(InputError, match="labeled_weight is -1; give CatGAN's lambda"):
        gan(labeled_weight=-1.0)
    method, pool = gan(class_prior="labels"), streams().pool
    pool.labeled = pool.labeled[pool.y[pool.labeled] != 2]
    with pytest.raises(InputError, match="of 3 classes 1 have none; give uniform"):
        method.prepare(Squares(), pool)
