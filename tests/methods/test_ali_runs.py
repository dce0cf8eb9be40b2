"""Runs of ALI: weights of 0, several seeds or ranks as one, resuming, exporting, learning, and what is refused."""

from itertools import islice

import pytest
import torch
import yaml
from helpers import two_ranks
from helpers.alis import KINDS, ali, ali_tree
from helpers.method_runs import assert_stacked_as_alone
from helpers.run_folders import assert_same_run, interrupted
from helpers.tiny import assert_same, started, streams

from gan_sntg.data.public import Digits
from gan_sntg.errors import InputError
from gan_sntg.export import load_export
from gan_sntg.graph.pairs import AllPairs, Sampled
from gan_sntg.graph.teachers import Averaged, Ensemble, SamePass
from gan_sntg.methods.ali import ALI
from gan_sntg.networks.gan import DenseGenerator
from gan_sntg.networks.inference import DenseInferenceEncoder, DenseJointDiscriminator
from gan_sntg.runs.run import load_run
from gan_sntg.training.data_parallel import join
from gan_sntg.training.optim import parameters

DIGITS = Digits()


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
    assert_stacked_as_alone(lambda seed: ali(seed, torch.float64, weight=0.5, teacher=Averaged(), **options), 3)


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
    nets = {"discriminator": DenseJointDiscriminator((1, 4, 4), 3, latent=5, widths=(24, 16), **noise)}
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
