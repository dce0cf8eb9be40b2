"""ALI: its losses on the case solved by hand, which term moves which network, the classifier x -> D(x, E(x)), and its runs."""

import copy
from itertools import islice

import pytest
import torch
import yaml
from helpers import two_ranks
from helpers.alis import ali, ali_tree, answering, quiet
from helpers.run_folders import assert_same_run, interrupted
from helpers.tiny import UnitRange64, assert_same, started, streams

from gan_sntg.data.public import Digits
from gan_sntg.errors import InputError
from gan_sntg.export import load_export
from gan_sntg.graph.pairs import AllPairs, Sampled
from gan_sntg.graph.teachers import Averaged, Ensemble, SamePass, SecondPass
from gan_sntg.losses import fake_loss, mean_distance, real_loss, supervised_loss
from gan_sntg.methods.ali import ALI
from gan_sntg.networks.batch_norm import BatchNorm
from gan_sntg.networks.gan import DenseGenerator
from gan_sntg.networks.inference import DenseInferenceEncoder, DensePairDiscriminator
from gan_sntg.runs.run import load_run
from gan_sntg.training.data_parallel import join
from gan_sntg.training.multi_seed import StackedStreams, stacked, unstack
from gan_sntg.training.optim import parameters, trainable
from gan_sntg.training.term_check import examine

DIGITS = Digits()
KINDS = [{}, {"encoder_labeled_weight": 0.5}, {"generator_loss": "matching"}]


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
    real = (net.pairs((method.generator(generated), generated))[1].logsumexp(1) < 0).double().mean()
    torch.testing.assert_close(found["gan/generated_accuracy"].double(), real)
    deaf = method.discriminator.pairs.joint.hidden[0].v
    with torch.no_grad():
        deaf[:, 16:] = 0
    assert method.telemetry(batch)["gan/effect_of_z"] == 0


# --- runs -----------------------------------------------------------------------------------------------------------------


def trained(relabel=lambda batch: batch, **options) -> dict:
    s = streams()
    method = started(ali(**options), s)
    for batch in islice((batch for _ in range(2) for batch in s.epoch()), 8):
        method.step(relabel(batch), 1)
    state = {name: value for name, value in method.state_dict().items() if not name.startswith("teacher")}
    return state | {f"{purpose}'s draws": g.get_state() for purpose, g in method.generators.items() if purpose != "graph"}


def test_weights_of_0_are_the_run_without_their_terms_bit_for_bit():
    plain = trained(weight=0.0)
    for options in {"teacher": Averaged(), "margin": 3.0}, {"teacher": Ensemble(), "pairing": Sampled(7), "labeled": True}:
        assert_same(trained(weight=0.0, encoder_labeled_weight=0.0, **options), plain)
    for changed in trained(weight=1.0, teacher=Averaged()), trained(encoder_labeled_weight=1.0):
        assert torch.equal(changed["z's draws"], plain["z's draws"])
        assert not torch.equal(changed["discriminator.pairs.joint.out.v"], plain["discriminator.pairs.joint.out.v"])
    graph = trained(weight=1.0, teacher=Averaged())
    assert torch.equal(graph["noise's draws"], plain["noise's draws"])  # the graph's draws are its own


def test_labels_of_unlabelled_images_are_not_read():
    def blind(batch):
        views = {name: getattr(batch, name) for name in ("unlabeled", "unlabeled_g")}
        return batch._replace(**{name: view._replace(y=torch.full_like(view.y, -1)) for name, view in views.items()})

    assert_same(trained(relabel=blind), trained())  # SNTG does read the labels that are known


@pytest.mark.parametrize("options", KINDS)
def test_seeds_trained_as_one_are_each_the_run_that_it_would_be_alone(options):
    def made():
        s = [streams(seed=seed, normalization=UnitRange64) for seed in (0, 4)]
        methods = [ali(seed, torch.float64, weight=0.5, teacher=Averaged(), **options) for seed in (0, 4)]
        return [started(method, own) for method, own in zip(methods, s, strict=True)], s

    (methods, s), (alone, streams_alone) = made(), made()
    method = stacked(methods)
    terms = [method.step(batch, 1) for batch in islice(StackedStreams(s).epoch(), 3)]
    unstack(method, methods)
    for k, other in enumerate(alone):
        expected = [other.step(batch, 1) for batch in islice(streams_alone[k].epoch(), 3)]
        torch.testing.assert_close([{name: v[k] for name, v in of_step.items()} for of_step in terms], expected, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(methods[k].state_dict(), other.state_dict(), rtol=1e-9, atol=1e-12, equal_nan=True)


def taken(options: dict) -> list:
    """Terms and gradients of both descents of one step without noise, by this process's part of the batch."""
    with two_ranks.started():
        method, source = two_ranks.fm_gan(make=ali, pairing=AllPairs(), teacher=SamePass(), **options)
        join(method)
        batch = next(source.epoch())
        return [(method.gradients(method, name, batch, 2), [p.grad for p in parameters(method.optimizers[name])]) for name in ("d", "g")]


def test_two_ranks_take_the_step_of_one_process_on_the_whole_batch():
    group = two_ranks.Ranks()
    try:
        found = [group(taken, options) for options in KINDS[1:]]
    finally:
        group.end()
    for own, options in zip(found, KINDS[1:], strict=True):
        for ranks in own:
            torch.testing.assert_close(ranks, taken(options), rtol=1e-8, atol=1e-10)


@pytest.fixture(scope="module")
def whole(command, tiny_tree, tmp_path_factory):
    """The folder of a finished run, beside its configuration."""
    folder = tmp_path_factory.mktemp("ali")
    (folder / "config.yaml").write_text(yaml.safe_dump(ali_tree(tiny_tree())))
    assert command("train", "--config", folder / "config.yaml", "--out", folder / "run").status == 0
    return folder / "run"


def test_a_run_stopped_in_mid_epoch_resumes_bit_for_bit_with_es_statistics(command, whole, tmp_path):
    words = ["--config", whole.parent / "config.yaml"]
    assert interrupted(command, words, tmp_path / "run", ALI, "step", 10).status == 130
    assert command("train", *words, "--out", tmp_path / "run").status == 0
    assert_same_run(tmp_path / "run", whole)


def test_an_export_classifies_as_the_run_does_with_both_networks(command, whole, tmp_path):
    assert command("export", whole, "--out", tmp_path / "export").status == 0
    classifier, _, _ = load_export(tmp_path / "export")
    found = load_run(whole, "cpu").logits(DIGITS.test_x[:50])
    torch.testing.assert_close(classifier(DIGITS.test_x[:50]), found, rtol=1e-5, atol=1e-5)
    assert any(name.startswith("encoder") for name, _ in classifier.net.named_parameters())


def test_it_learns_three_brightnesses_from_six_labels():
    torch.manual_seed(0)
    s, noise = streams(batch_size=30), {"input_noise": 0.1, "hidden_noise": 0.1}
    nets = {"discriminator": DensePairDiscriminator((1, 4, 4), 3, latent=5, widths=(24, 16), **noise)}
    nets["encoder"] = DenseInferenceEncoder((1, 4, 4), latent=5, widths=(16,))
    method = started(ali(**nets, weight=0.3, margin=2.0, ramp_epochs=10, average_decay=0.9), s)
    for t in range(25):
        for batch in s.epoch():
            method.step(batch, t)
    x, y = s.pool.normalize(s.pool.x), s.pool.truth
    assert (method.average.net(x)[1].argmax(1) == y).float().mean() > 0.95


REFUSED = {
    "encoder_labeled_weight is -1; give a finite number": {"encoder_labeled_weight": -1.0},
    "the encoder's latent is 5, the generator's 4; give them the same": {"generator": DenseGenerator((1, 4, 4), latent=4, widths=(9,))},
    "the discriminator's latent is 5, the encoder's 4; give": {"encoder": DenseInferenceEncoder((1, 4, 4), latent=4, widths=(9,))},
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_negative_weight_and_parts_of_other_z_are_refused(reason):
    with pytest.raises(InputError, match=reason):
        ali(**REFUSED[reason])
