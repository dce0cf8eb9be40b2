"""How each method makes f~: against loops in double precision, with gradients where they belong."""

import copy

import pytest
import torch
from helpers.classifiers import Normed
from helpers.method_factories import made, prepared
from helpers.tiny import weights

from discriminative.vat import GraphPass, unit
from gan_sntg.data.augmentation import Augmentation
from gan_sntg.errors import InputError
from gan_sntg.losses import kl_divergence
from gan_sntg.networks.noise import RepeatedDraws
from gan_sntg.training.optim import trainable


def first(streams):
    return next(iter(streams.epoch()))


# --- Pi model ---------------------------------------------------------------------------------------------------------


def test_pis_gradient_goes_through_both_passes_or_the_students_alone():
    norms = {}
    for gradient in ("both", "student"):
        method = made("pi", gradient=gradient, weight=0.0)
        s = prepared(method)
        found = method.passes(first(s))
        assert found.targets.requires_grad == (gradient == "both")
        (grad,) = torch.autograd.grad(method.weighted(found, 1)["net/consistency"], method.net.out.v)
        norms[gradient] = grad
    torch.testing.assert_close(norms["both"].norm(), 2**0.5 * norms["student"].norm(), rtol=0.5, atol=0)
    assert not torch.equal(norms["both"], norms["student"])


def test_pis_passes_share_the_mirror_and_not_the_translation():
    method = made("pi", noise=0.0, augmentation=Augmentation(translation=0, flip=True))
    s = prepared(method)
    found = method.passes(first(s))
    torch.testing.assert_close(found.targets, found.labeled[0].softmax(1))
    moved = made("pi", noise=0.0, augmentation=Augmentation(translation=1, flip=True))
    found = moved.passes(first(prepared(moved)))
    assert not torch.allclose(found.targets, found.labeled[0].softmax(1))


def test_pis_second_pass_moves_no_running_statistics():
    method = made("pi")
    method.net = Normed()
    method.passes(first(prepared(method)))
    assert method.net.hidden[3].num_batches_tracked == 1


# --- temporal ensembling ----------------------------------------------------------------------------------------------


def test_the_ensemble_over_five_epochs_is_eq_3_of_the_visits_of_each_image():
    method = made("tempens", alpha=0.6)
    prepared(method, dtype=torch.float64)
    g = torch.Generator().manual_seed(1)
    history: dict[int, list[list[float]]] = {i: [] for i in range(60)}
    for _ in range(5):
        visited = torch.randperm(60, generator=g)[:40]  # a third of the images is not seen in an epoch
        p = torch.randn(40, 3, generator=g, dtype=torch.float64).softmax(1)
        view = type("V", (), {"index": visited})
        targets = method.targets(view, p.log())
        for row, (i, now) in enumerate(zip(visited.tolist(), p.tolist(), strict=True)):
            ensemble = [0.0] * 3
            for earlier in history[i]:
                ensemble = [0.6 * z + 0.4 * e for z, e in zip(ensemble, earlier, strict=True)]
            expected = [z / (1 - 0.6 ** len(history[i])) for z in ensemble] if history[i] else now
            torch.testing.assert_close(targets[row], torch.tensor(expected, dtype=torch.float64))
            history[i].append(now)
        method.end_epoch()
    assert not targets.requires_grad


def test_targets_are_constant_within_an_epoch_and_nothing_is_kept_in_evaluation():
    method = made("tempens")
    s = prepared(method)
    for batch in s.epoch():
        method.step(batch, 1)
    method.end_epoch()
    batch = first(s)
    a = method.targets(batch.unlabeled, torch.randn(10, 3))
    b = method.targets(batch.unlabeled, torch.randn(10, 3))
    assert torch.equal(a, b)
    kept = method.latest.clone()
    method.eval()
    method.targets(batch.unlabeled, torch.randn(10, 3))
    assert torch.equal(method.latest, kept)


# --- mean teacher -----------------------------------------------------------------------------------------------------


def test_the_teachers_weights_are_eq_4_from_the_initialised_student():
    method = made("mean_teacher", decay=0.9, early_decay=0.5, early_epochs=2)
    s = prepared(method, dtype=torch.float64)
    expected = weights(method.net).tolist()
    assert torch.equal(weights(method.teacher), weights(method.net))
    for t, batch in zip(range(5), s.epoch(), strict=False):
        method.step(batch, t)
        alpha = 0.5 if t < 2 else 0.9
        expected = [alpha * a + (1 - alpha) * p for a, p in zip(expected, weights(method.net).tolist(), strict=True)]
        torch.testing.assert_close(weights(method.teacher), torch.tensor(expected, dtype=torch.float64))
    assert method.classifiers == {"last": method.net, "averaged": method.teacher}


def test_the_teacher_keeps_running_statistics_of_its_own():
    method = made("mean_teacher")
    method.net, method.teacher = Normed(), Normed().requires_grad_(False)
    method.optimizers = {"net": torch.optim.SGD(method.net.parameters(), 0.1)}
    s = prepared(method)
    for batch in s.epoch():
        method.step(batch, 1)
    student, teacher = method.net.hidden[3], method.teacher.hidden[3]
    assert student.num_batches_tracked == teacher.num_batches_tracked == 6
    assert not torch.equal(student.running_mean, teacher.running_mean)


# --- VAT --------------------------------------------------------------------------------------------------------------


def test_the_direction_is_that_of_finite_differences():
    method = made("vat", noise=0.3, xi=0.05)
    s = prepared(method, dtype=torch.float64)
    x = first(s).unlabeled.x
    noise = RepeatedDraws(method.generators["noise"])
    start = method.generators["direction"].get_state()
    _, clean, found = method.direction(x, noise)
    targets = clean.detach().softmax(1)
    method.generators["direction"].set_state(start)
    probe = 0.05 * unit(torch.randn(x.shape, generator=method.generators["direction"], dtype=x.dtype))

    def divergence(d: torch.Tensor) -> torch.Tensor:  # of each image
        logits = method.predict_with(noise, x + d)[1]
        return (torch.xlogy(targets, targets) - targets * logits.log_softmax(1)).sum(1).detach()

    slope = torch.zeros_like(x)
    for r in range(4):
        for c in range(4):
            e = torch.zeros_like(x)
            e[:, 0, r, c] = 1e-6
            slope[:, 0, r, c] = (divergence(probe + e) - divergence(probe - e)) / 2e-6
    expected = slope / slope.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found.flatten(1).norm(dim=1), torch.ones(10, dtype=torch.float64), rtol=1e-4, atol=0)


@pytest.mark.parametrize("iterations", [1, 3])
def test_the_direction_by_derivatives_is_that_of_jacobians(iterations):
    method = made("vat", noise=0.3, power_iterations=iterations, probe="derivatives")
    x = first(prepared(method, dtype=torch.float64)).unlabeled.x
    noise = RepeatedDraws(method.generators["noise"])
    h, logits = method.predict_with(noise, x)
    start = method.generators["direction"].get_state()
    found = method.direction(x, noise)
    method.generators["direction"].set_state(start)
    d = torch.randn(x.shape, generator=method.generators["direction"], dtype=x.dtype)
    torch.testing.assert_close(found[:2], (h, logits), rtol=0, atol=0)
    jacobian = torch.autograd.functional.jacobian(lambda x: method.predict_with(noise, x)[1], x)
    for _ in range(iterations):
        rows = []
        for i, p in enumerate(logits.detach().softmax(1)):
            j = jacobian[i, :, i].flatten(1)
            rows.append(j.T @ (torch.diag(p) - torch.outer(p, p)) @ j @ unit(d)[i].flatten())
        d = torch.stack(rows).view_as(x)
    torch.testing.assert_close(found[2], unit(d), rtol=1e-6, atol=1e-9)
    expected = torch.autograd.grad(logits.square().sum() + h.sum(), trainable(method.net), allow_unused=True)
    again = torch.autograd.grad(found[1].square().sum() + found[0].sum(), trainable(method.net), allow_unused=True)
    torch.testing.assert_close(again, expected, rtol=1e-9, atol=1e-12)  # the clean pass is one to descend on


def test_the_probe_survives_rounding_in_float32():
    single, double = made("vat"), made("vat")
    s = prepared(single)
    prepared(double, dtype=torch.float64)
    double.load_state_dict(single.state_dict())
    x = first(s).unlabeled.x
    found = []
    for method, values in (single, x), (double, x.double()):
        noise = RepeatedDraws(method.generators["noise"])
        for layer in method.net.noise:
            layer.std = 0.0
        targets = method.predict(values)[1].detach().softmax(1)
        start = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(values.dtype)
        d = (method.xi * unit(start)).requires_grad_()
        found.append(torch.autograd.grad(kl_divergence(targets, method.predict_with(noise, values + d)[1]), d)[0].double().flatten(1))
    assert torch.nn.functional.cosine_similarity(*found).min() > 0.99


def test_all_passes_over_the_unlabelled_images_share_one_draw_of_noise():
    method, twin = made("vat"), torch.Generator()
    batch, seen = first(prepared(method)), []
    twin.set_state(method.generators["noise"].get_state())
    for view in batch.labeled, batch.unlabeled:
        method.execution(method.net, view.x, twin)
    method.net.noise[0].register_forward_hook(lambda layer, inputs, y: seen.append((y - inputs[0]).detach()))
    method.passes(batch)
    assert len(seen) == 4 and not torch.equal(seen[0], seen[1])  # the labelled pass, the clean, the probe's and the perturbed one
    for noise in seen[2:]:
        torch.testing.assert_close(noise, seen[1], rtol=0, atol=1e-6)
    assert torch.equal(method.generators["noise"].get_state(), twin.get_state())


@pytest.mark.parametrize("tiny", [0.0, 1e-30, 1.0])
def test_unit_vectors_stay_finite_however_small(tiny):
    d = unit(torch.full((2, 1, 3, 3), tiny))
    assert d.isfinite().all() and (d.flatten(1).norm(dim=1) <= 1).all()


def test_the_student_of_vat_is_the_perturbed_pass_and_the_graphs_features_are_as_named():
    for graph_pass in GraphPass:
        method = made("vat", noise=0.0, graph_pass=graph_pass)
        batch = first(prepared(method, dtype=torch.float64))
        found = method.passes(batch)
        h, clean = method.net(batch.unlabeled.x)
        torch.testing.assert_close(found.clean, clean)
        torch.testing.assert_close(found.targets, clean.softmax(1))
        assert not torch.allclose(found.consistency[1], clean) and not found.targets.requires_grad
        assert torch.allclose(found.h, h) == (graph_pass == "clean")


def test_only_the_labelled_pass_of_vat_moves_running_statistics_and_evaluation_renews_them():
    method = made("vat", refresh_batches=3)
    method.net = Normed()
    method.average.net = copy.deepcopy(method.net)
    s = prepared(method)
    method.passes(first(s))
    norm = method.net.hidden[3]
    x = s.pool.view(first(s).labeled.index)
    assert norm.num_batches_tracked == 1 and len(x.y) == 10
    state = {name: generator.get_state() for name, generator in method.generators.items() if name != "refresh"}
    method.before_evaluation()
    assert norm.num_batches_tracked == 4 and method.average.net.hidden[3].num_batches_tracked == 3 and not method.average.net.training
    assert all(torch.equal(method.generators[name].get_state(), before) for name, before in state.items())


BAD = {"epsilon": (0.0, -1.0, float("nan")), "xi": (0.0, 1e-6, 11.0), "power_iterations": (0,), "refresh_batches": (-1,)}


@pytest.mark.parametrize(("option", "value"), [(option, value) for option, values in BAD.items() for value in values])
def test_vat_refuses_values_out_of_range(option, value):
    with pytest.raises(InputError, match=option):
        made("vat", **{option: value})


# --- the labels alone -------------------------------------------------------------------------------------------------


def test_the_only_term_of_the_labels_alone_is_their_mean_cross_entropy():
    method = made("supervised", noise=0.0, weight=0.0, stream="two")
    batch = first(prepared(method))
    expected = torch.nn.functional.cross_entropy(method.net(batch.labeled.x)[1], batch.labeled.y)
    torch.testing.assert_close(method.terms(batch, 0), {"net/labeled": expected})


@pytest.mark.parametrize(
    ("stream", "weight", "views"), [("two", 0.0, ["labeled"]), ("two", 0.1, ["labeled", "unlabeled"]), ("mixed", 0.0, ["unlabeled"])]
)
def test_without_a_graph_two_streams_are_one_of_labelled_images(stream, weight, views):
    assert list(made("supervised", stream=stream, weight=weight).views) == views


def test_a_consistency_weight_of_the_labels_alone_is_refused_since_its_term_would_be_dead():
    method = made("supervised", consistency_weight=1.0)
    with pytest.raises(InputError, match="set it to 0"):
        prepared(method)
