"""Triple-GAN in training: the Pi model that it is without D and G, what is drawn for whom, and runs that stop and resume."""

import copy
import json
import math
from argparse import Namespace
from itertools import islice

import pytest
import torch
from helpers import trees
from helpers.method_runs import assert_resumes_in_mid_epoch, assert_stacked_as_alone
from helpers.tiny import Squares, assert_same, started, streams
from helpers.triple_gans import EVERY, classifier, close, gan, of, quiet, run, unscaled

from discriminative import PiModel, Supervised
from gan_sntg.errors import InputError
from gan_sntg.graph import SNTG, Averaged, Ensemble, SamePass, Sampled, SecondPass
from gan_sntg.methods import triple_gan
from gan_sntg.networks.gan import DenseDiscriminator
from gan_sntg.runs.build import build, parse_run
from gan_sntg.schedules import LinearTail, RampedWeight

NOTHING = dict.fromkeys(EVERY, 0.0)
PURPOSES = "z", "noise", "pairs"  # but "graph"


# --- the control ----------------------------------------------------------------------------------------------------------


def twin(method, s, steps: int, kind=PiModel, **options) -> dict:
    """The state of C and of its average after the steps of a discriminative method that starts from the same C."""
    own = {"schedule": LinearTail(), "learning_rate": 1e-2, "average_decay": 0.9, "stream": "two", "divisor": "labeled"} | options
    other = kind(net=copy.deepcopy(method.net), **own)
    other.prepare(Squares(), s.pool)
    other.seed(0, "cpu")
    return of(stepped(started(other, s), s, steps), "net", "average")


def stepped(method, s, steps: int) -> dict:
    for t, batch in enumerate(islice((batch for _ in range(steps) for batch in s.epoch()), steps)):
        method.step(batch, t // 3)
    return method.state_dict()


def dense(noise: float = 0.3) -> DenseDiscriminator:
    """C with weight norm, which starts from data."""
    return DenseDiscriminator((1, 4, 4), 3, widths=(12, 8), input_noise=noise, hidden_noise=noise)


@pytest.mark.parametrize("net", [classifier, dense])
@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_without_d_and_g_c_is_the_pi_model_bit_for_bit(net, weight):
    torch.manual_seed(7)
    options = NOTHING | {"consistency_weight": 3.0, "w": unscaled(10.0), "weight": weight, "labeled": True, "teacher": SamePass()}
    method, s = gan(net=net(), **options), streams()
    pi = twin(method, streams(), 12, consistency_weight=3.0, w=unscaled(10.0), sntg=SNTG(weight))
    found = stepped(started(method, s), s, 12)
    assert_same(of(found, "net", "average"), pi)
    with_d = stepped(started(gan(net=copy.deepcopy(method.net), **options | {"adversarial_weight": 0.1}), streams()), streams(), 12)
    assert not torch.equal(
        with_d["net.out.weight" if net is classifier else "net.out.v"], pi["net.out.weight" if net is classifier else "net.out.v"]
    )


def configured(tree: dict, tmp_path) -> dict:
    """The state of C and its average after six steps of a run that a configuration names, its start included."""
    (tmp_path / "run.yaml").write_text(json.dumps(tree))
    parts = build(*parse_run(Namespace(root=None, synthetic=False, device="cpu"), str(tmp_path / "run.yaml"), ["--seed", "3"]))
    parts.method.start(parts.streams.example(500, "start"))
    for t in 0, 1, 2:
        for batch in islice(parts.streams.epoch(), 2):
            parts.method.step(batch, t)
    return of(parts.method.state_dict(), "net", "average")


def test_so_it_is_in_runs_that_configurations_name_for_c_is_built_before_d_and_g(tmp_path):
    tree = trees.triple_gan() | {"labeled_batch_size": 20}
    options = tree["method"]["init_args"]
    shared = {"consistency_weight": 3.0, "w": {"max_weight": 10.0, "ramp_epochs": 2, "scaled": False}, "average_decay": 0.99}
    graph = {"class_path": "gan_sntg.graph.SNTG", "init_args": {"weight": 0.5}}
    shared |= {"sntg": graph} | {name: options[name] for name in ("net", "schedule", "learning_rate")}
    pi = tree | {"method": {"class_path": "discriminative.PiModel", "init_args": shared | {"stream": "two", "divisor": "labeled"}}}
    own = {"teacher": {"class_path": "gan_sntg.graph.SamePass"}, "sntg": graph | {"init_args": {"weight": 0.5, "labeled": True}}}
    options |= shared | own | dict.fromkeys(("adversarial_weight", "generated_weight", "entropy_weight", "balance_weight"), 0.0)
    assert_same(configured(tree, tmp_path), configured(pi, tmp_path))


def test_without_d_g_and_consistency_c_is_labels_and_graph_alone_bit_for_bit():
    method, s = gan(**NOTHING, weight=0.5, labeled=True, teacher=SamePass()), streams()
    alone = twin(method, streams(), 9, Supervised, consistency_weight=0, sntg=SNTG(0.5), w=RampedWeight(1.0, None, False))
    assert_same(of(stepped(started(method, s), s, 9), "net", "average"), alone)


def test_what_d_and_g_do_without_a_weight_changes_nothing_of_c():
    mine = ("net", "average", "teacher", "noise", "graph")
    options = {"adversarial_weight": 0.0, "generated_weight": 0.0}
    plain, _ = run(**options)
    for other in {"labeled_share": 0.5}, {"generated_ratio": 2.1}, {"tried": "integrated"}, {"game_learning_rate": 0.1}:
        assert_same(of(run(**options | other)[0], *mine), of(plain, *mine))
    assert_same(of(run(**options, pretraining_epochs=99, balance_weight=0.3)[0], *mine), of(run(**options, balance_weight=0.3)[0], *mine))


def test_a_weight_of_zero_leaves_its_term_out_and_draws_nothing():
    every, _ = run(steps=2)
    for name in EVERY:
        found, log = run(steps=2, **{name: 0.0})
        assert f"net/{name.removesuffix('_weight')}" not in log[-1]
        assert_same(of(found, "graph"), of(every, "graph"))
    plain, log = run(weight=0.0)
    everyone = "net", "discriminator", "generator", "average", *PURPOSES
    for other in {"teacher": SecondPass()}, {"teacher": Ensemble(), "pairing": Sampled(7), "labeled": True}:
        assert_same(of(run(weight=0.0, **other)[0], *everyone), of(plain, *everyone))
    assert "net/graph" not in log[-1]
    assert_same(of(run(weight=1.0)[0], *PURPOSES), of(plain, *PURPOSES))


def test_labels_of_unlabelled_images_are_not_read():
    def hidden(batch):
        blind = {name: view._replace(y=torch.full_like(view.y, -1)) for name, view in batch._asdict().items() if name != "labeled"}
        return batch._replace(**blind)

    assert_same(run(relabel=hidden, labeled=True)[0], run(labeled=True)[0])


# --- runs -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tried", ["argmax", "integrated"])
def test_seeds_trained_as_one_are_each_the_run_that_it_would_be_alone(tried):
    assert_stacked_as_alone(lambda seed: gan(seed, torch.float64, tried=tried, adam_epsilon="inside_sqrt"))


@pytest.mark.parametrize("pretraining", [0, 2])
def test_a_run_stopped_in_mid_epoch_and_resumed_equals_one_never_stopped(tmp_path, pretraining):
    options = {"pairing": Sampled(7), "pretraining_epochs": pretraining}
    assert_resumes_in_mid_epoch(lambda: gan(teacher=Averaged(), **options), tmp_path)


def test_the_mean_prediction_of_the_balance_is_that_of_all_ranks(monkeypatch):
    method, batch = quiet()
    seen = []
    monkeypatch.setattr(triple_gan, "all_mean", lambda p: seen.append(p) or torch.full_like(p, 1 / 3))
    close(float(method.classifier_terms(batch, 5)["net/balance"]), EVERY["balance_weight"] * math.log(3))
    assert [p.shape for p in seen] == [(3,)]


def test_it_learns_three_brightnesses_from_six_labels():
    s = streams(batch_size=30)
    weights = NOTHING | {"adversarial_weight": 0.1, "generated_weight": 0.1, "entropy_weight": 0.1, "balance_weight": 0.1}
    method = started(gan(noise=0.1, **weights, weight=0.1, pretraining_epochs=2, generated_start_epochs=10), s)
    for t in range(30):
        for batch in s.epoch():
            method.step(batch, t)
    x, y = s.pool.normalize(s.pool.x), s.pool.truth
    assert (method.average.net(x)[1].argmax(1) == y).float().mean() > 0.9


def test_an_untrained_c_is_at_chance_on_balanced_classes():
    errors = [
        float((gan(seed).net.eval()(torch.rand(99, 1, 4, 4))[1].argmax(1) != torch.arange(99) % 3).float().mean()) for seed in range(6)
    ]
    assert abs(sum(errors) / 6 - 2 / 3) < 0.07


def test_a_share_that_is_none_is_refused():
    for share in 0.0, 1.0:
        with pytest.raises(InputError, match=f"labeled_share is {share:g}; give the share of labelled pairs"):
            gan(labeled_share=share)


def test_a_run_that_ends_before_d_and_g_begin_is_refused_with_what_to_change(refused):
    words = ["train", "--config", "digits_20/triple_gan", "--epochs", 3, "--method.pretraining_epochs", 3, "--out", "run"]
    refused(words, "C alone trains for the first 3 epochs, but the run has 3", "give more --epochs, or fewer --method.pretraining_epochs")
