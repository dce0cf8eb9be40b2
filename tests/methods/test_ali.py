"""ALI: its losses on the case solved by hand, which term moves which network, and the classifier x -> D(x, E(x))."""

import copy

import pytest
import torch
from helpers.alis import KINDS, ali, answering, quiet
from helpers.tiny import assert_same, started, streams

from gan_sntg.graph.pairs import AllPairs
from gan_sntg.graph.teachers import Averaged, Ensemble, SamePass, SecondPass
from gan_sntg.losses import fake_loss, mean_distance, real_loss, supervised_loss
from gan_sntg.methods.ali import ALI
from gan_sntg.networks.batch_norm import BatchNorm
from gan_sntg.training.optim import parameters, trainable
from gan_sntg.training.term_check import examine


def parts_of(method: ALI) -> tuple:
    """D, E and G."""
    return method.discriminator.pairs, method.discriminator.encoder, method.generator


# --- losses ---------------------------------------------------------------------------------------------------------------


def test_the_losses_are_those_solved_by_hand_and_an_exchange_of_the_pairs_exchanges_nothing_else():
    method, batch = quiet()
    labeled, one_of = [[5.0, 5.0, 5.0]] * 10, lambda z: [[z, -1e9, -1e9]] * 10  # Z = z
    inferred, generated = one_of(2.0), one_of(-1.0)
    answering(method, labeled + inferred + generated, inferred + generated, generated + inferred)
    d = method.discriminator_terms(batch, 0)
    torch.testing.assert_close(d["d/unlabeled"] + d["d/generated"], torch.tensor(0.22009).double(), rtol=0, atol=1e-5)
    g, exchanged = method.generator_terms(batch, 0), method.generator_terms(batch, 0)
    torch.testing.assert_close(sum(g.values()), torch.tensor(3.44019).double(), rtol=0, atol=1e-5)
    torch.testing.assert_close(sum(exchanged.values()), torch.tensor(0.44019).double(), rtol=0, atol=1e-5)  # d's, unhalved


def test_the_terms_are_those_of_separate_passes_over_pairs():
    method, batch = quiet(encoder_labeled_weight=0.5)
    (d, e, g), z_state = parts_of(method), method.generators["z"].get_state()
    found = method.discriminator_terms(batch, 0) | method.generator_terms(batch, 0)
    method.generators["z"].set_state(z_state)
    z, z_g = method.draw_z(10), method.draw_z(10)
    both = e(torch.cat([batch.labeled.x, batch.unlabeled.x]))
    x = batch.unlabeled_g.x
    expected = {
        "d/labeled": supervised_loss(d((batch.labeled.x, both[:10]))[1], batch.labeled.y),
        "d/unlabeled": real_loss(d((batch.unlabeled.x, both[10:]))[1]),
        "d/generated": fake_loss(d((g(z), z))[1]),
        "g/inferred": 2 * fake_loss(d((x, e(x)))[1]),
        "g/generated": 2 * real_loss(d((g(z_g), z_g))[1]),
        "g/labeled": 0.5 * supervised_loss(d((batch.labeled.x, e(batch.labeled.x)))[1], batch.labeled.y),
    }
    torch.testing.assert_close(found, expected)


def test_matching_is_the_mean_distance_of_features_of_both_kinds_of_pairs():
    method, batch = quiet(generator_loss="matching")
    z_state = method.generators["z"].get_state()
    found, x = method.generator_terms(batch, 0), batch.unlabeled_g.x
    method.generators["z"].set_state(z_state)
    z, (d, e, g) = method.draw_z(10), parts_of(method)
    difference = d((x, e(x)))[0].mean(0) - d((g(z), z))[0].mean(0)
    torch.testing.assert_close(found, {"g/matching": sum(map(abs, difference)) / len(difference)})
    h, h_fake = (torch.tensor(rows, dtype=torch.float64, requires_grad=True) for rows in ([[1.0, 4.0], [3.0, 0.0]], [[5.0, 1.0]]))
    term = mean_distance(h, h_fake)
    assert float(term.detach()) == 2.0
    grads = torch.autograd.grad(term, [h, h_fake])
    torch.testing.assert_close(grads, (torch.tensor([[-0.25, 0.25]] * 2).double(), torch.tensor([[0.5, -0.5]]).double()))


@pytest.mark.parametrize("options", KINDS)
def test_gradients_are_those_of_finite_differences(options):
    method, batch = quiet(weight=0.5, teacher=SamePass(), **options)
    method.sntg.graph.weights = lambda targets, y, index, i, j: ((i + j) % 2).double()  # the same, wherever D moves
    states = {name: generator.get_state() for name, generator in method.generators.items()}
    for net, terms_of in method.losses.values():
        params = trainable(net)
        way = [torch.randn_like(p) for p in params]

        def terms(step: float = 0.0, params=params, way=way, terms_of=terms_of) -> dict:
            for name, generator in method.generators.items():
                generator.set_state(states[name])
            with torch.no_grad():
                torch._foreach_add_(params, way, alpha=step)
            return terms_of(batch, 5)

        def slope(term, params=params, way=way) -> float:
            grads = torch.autograd.grad(term, params, retain_graph=True, materialize_grads=True, allow_unused=True)
            return float(sum((g * w).sum() for g, w in zip(grads, way, strict=True)))

        slopes = {name: slope(term) for name, term in terms().items()}
        more, less = terms(1e-6), terms(-2e-6)
        found = {name: float((more[name] - less[name]).detach()) / 2e-6 for name in slopes}
        torch.testing.assert_close(slopes, found, rtol=1e-4, atol=1e-6)
        assert all(slopes.values())


def test_a_batch_twice_over_leaves_every_term_as_it_is():
    method, batch = quiet()
    z = torch.rand(10, 5, dtype=torch.float64)
    twice = type(batch)(*(type(view)(*(torch.cat([part, part]) for part in view)) for view in batch))
    method.draw_z = lambda n: z.repeat(n // 10, 1)
    for _, terms_of in method.losses.values():
        torch.testing.assert_close(terms_of(twice, 0), terms_of(batch, 0))


# --- which network each term moves ----------------------------------------------------------------------------------------

MOVED = {"g/inferred": {"encoder"}, "g/generated": {"generator"}, "g/labeled": {"encoder"}, "g/matching": {"encoder", "generator"}}


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("teacher", [SecondPass, Averaged, Ensemble])
def test_every_term_moves_the_networks_that_it_should_and_no_other(teacher, options):
    method = ali(weight=0.5, teacher=teacher(), average_decay=0.9, **options)
    found = examine(method, streams(), t=5, steps=2)
    assert found.faults == {} and found.moved["d"] == {"discriminator"} and found.moved["g"] == {"generator", "encoder"}
    assert set(found.terms) == {name for name, weight in method.weights().items() if weight}
    for term, norms in found.gradients.items():
        reached = {name for name in ("encoder", "generator") if any(norms[name])}  # of D, biases have a gradient that is not descended
        assert reached == MOVED.get(term, set()), term
        assert any(norms["discriminator"]) and not any(norms["average"]), term


def test_the_optimizers_share_the_networks_and_g_and_e_have_one_rate():
    method = started(ali(learning_rate=0.004, generator_learning_rate=0.001), streams())
    method.step(next(streams().epoch()), 0)
    own = {name: {id(p) for p in parameters(optimizer)} for name, optimizer in method.optimizers.items()}
    d, e, g = ({id(p) for p in trainable(net)} for net in parts_of(method))
    assert own == {"d": d, "g": e | g}
    assert [group["lr"] for group in method.optimizers["g"].param_groups] == [0.001, 0.001]
    before = copy.deepcopy(method.discriminator.pairs.state_dict())
    method.descend("g", next(streams().epoch()), 0)
    assert_same(method.discriminator.pairs.state_dict(), before)


def test_only_the_generators_images_move_the_running_statistics_of_e():
    method, batch = quiet(weight=0.5, labeled=True, encoder_labeled_weight=1.0)
    norms = [m for m in method.discriminator.modules() if isinstance(m, BatchNorm)]
    method.discriminator_terms(batch, 5)
    assert [int(m.num_batches_tracked) for m in norms] == [0]
    alone = copy.deepcopy(method.discriminator.encoder)
    alone(batch.unlabeled_g.x)
    method.generator_terms(batch, 5)
    method.settings = {}
    method.telemetry(batch)
    assert [int(m.num_batches_tracked) for m in norms] == [1]
    assert_same(dict(method.discriminator.encoder.named_buffers()), dict(alone.named_buffers()))


# --- the classifier -------------------------------------------------------------------------------------------------------


def test_the_classifier_is_d_of_x_and_e_of_x_and_its_averages_cover_both():
    method, batch = quiet(average_decay=0.5)
    method.step(batch, 0)
    x = batch.unlabeled.x
    for net in method.classifiers.values():
        net.eval()
        torch.testing.assert_close(net(x), net.pairs((x, net.encoder(x))))
    before = {name: copy.deepcopy(net.state_dict()) for name, net in method.average.net.named_children()}
    method.step(batch, 0)
    for name, net in method.average.net.named_children():
        assert not torch.equal(
            net.out.v if name == "encoder" else net.joint.out.v, before[name]["out.v" if name == "encoder" else "joint.out.v"]
        )


def test_the_graph_is_on_the_classifiers_last_hidden_layer_under_the_averaged_classifier():
    method, batch = quiet(weight=0.7, teacher=Averaged(0.5), pairing=AllPairs())
    method.step(batch, 5)
    z_state, views = method.generators["z"].get_state(), []
    method.sntg.forward = lambda h, targets, *rest, **options: views.append((h, targets)) or h.sum()
    method.discriminator_terms(batch, 5)
    method.generators["z"].set_state(z_state)
    (h, targets), x = views[0], torch.cat([batch.labeled.x, batch.unlabeled.x])
    torch.testing.assert_close(h, method.discriminator(x)[0][10:])
    torch.testing.assert_close(targets, method.teacher.average.net(batch.unlabeled.x)[1].softmax(1))


def test_telemetry_is_of_the_pairs_and_says_how_far_d_heeds_z_and_leaves_the_run_as_it_was():
    method, batch = quiet(weight=0.5)
    method.step(batch, 1)
    before, draws = copy.deepcopy(method.state_dict()), {name: g.get_state() for name, g in method.generators.items()}
    found = method.telemetry(batch)
    assert_same(method.state_dict() | {name: g.get_state() for name, g in method.generators.items()}, before | draws)
    net, x = method.discriminator.eval(), batch.unlabeled.x
    z = net.encoder(x)
    moved = net.pairs((x, z[[9, *range(9)]]))[1] - net.pairs((x, z))[1]
    torch.testing.assert_close(found["gan/effect_of_z"], moved.abs().mean())
    torch.testing.assert_close(found["gan/reconstruction"], (method.generator(z) - x).square().mean())
    assert found["gan/effect_of_z"] > 0
    generated = method.draw_z(10, torch.Generator().manual_seed(0))
    gap = net(x)[0].mean(0) - net.pairs((method.generator(generated), generated))[0].mean(0)
    torch.testing.assert_close(found["gan/matching_gap"], gap.square().mean())
    deaf = method.discriminator.pairs.joint.hidden[0].v
    with torch.no_grad():
        deaf[:, 16:] = 0
    assert method.telemetry(batch)["gan/effect_of_z"] == 0
