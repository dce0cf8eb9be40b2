"""The Ladder network as a method: where its terms go, what it does not see, weight 0, stopping, ranks and stacked seeds."""

import json

import pytest
import torch
import yaml
from helpers import two_ranks
from helpers.ladders import FULL, TOP, case, ladder, made_random, network, reached
from helpers.method_factories import prepared
from helpers.run_folders import assert_same_run, interrupted
from helpers.tiny import Squares, UnitRange64, assert_same
from torch.func import functional_call

from discriminative import Ladder, Supervised
from gan_sntg.data.loader import UNLABELED, Batch, Loader, Pool
from gan_sntg.data.splits import make_split
from gan_sntg.distributed.process_group import started
from gan_sntg.errors import InputError
from gan_sntg.graph import AllPairs
from gan_sntg.graph.loss import graph_loss
from gan_sntg.networks import passes
from gan_sntg.networks.passes import Precision
from gan_sntg.schedules import LinearTail
from gan_sntg.training.data_parallel import join
from gan_sntg.training.multi_seed import StackedStreams, stacked, unstack
from gan_sntg.training.optim import parameters
from gan_sntg.training.term_check import examine

T = 2
KINDS = pytest.mark.parametrize("weights", [FULL, TOP], ids=["full", "gamma"])


# --- terms ------------------------------------------------------------------------------------------------------------


@KINDS
def test_every_weighted_term_is_healthy(weights):
    method = ladder(weights)
    found = examine(method, prepared(method), t=5, steps=3)
    assert found.faults == {} and found.moved == {"net": {"net"}, "step": {"net", "average"}}
    assert set(found.terms) == {term for term, weight in method.weights().items() if weight}
    names = {f"net/denoising_{k}" for k in ((0, 1, 2, 3) if weights == FULL else (3,))}
    assert set(found.terms) == {"net/labeled", "net/graph"} | names


def test_the_cross_entropy_moves_the_encoder_alone_and_the_costs_the_decoder_too():
    method, batch = case()
    terms = method.terms(batch, T)
    encoder = {name for name, _ in method.net.named_parameters() if name.startswith("layers")}
    decoder = {name for name, _ in method.net.named_parameters() if name.startswith("decoders")}
    assert set(reached(method, terms["net/labeled"])) == encoder and len(decoder) == 3 + 4
    for term in "net/denoising_0", "net/denoising_1":
        found = set(reached(method, terms[term]))
        assert {f"layers.{k}.transform.weight" for k in range(3)} <= found
        below = {"decoders.3.transform.weight", "decoders.3.combine.a"} if term.endswith("1") else set()
        assert decoder - below <= found
    assert set(reached(method, terms["net/graph"])) <= encoder - {"layers.2.transform.weight"}


def test_a_cost_reaches_the_encoder_through_both_paths():
    method, batch = case(sntg=0.0)
    encode = method.net.encode
    whole = reached(method, method.terms(batch, T)["net/denoising_1"])
    parts = []
    for cut in (True, False):

        def half(x, noisy, cut=cut):
            path = encode(x, noisy)
            return [type(layer)(*(None if t is None else t.detach() for t in layer)) for layer in path] if noisy == cut else path

        method.net.encode = half
        method.predict = lambda x: (None, torch.zeros(len(x), 3))  # the labelled pass is not looked at
        parts.append(reached(method, method.terms(batch, T)["net/denoising_1"]))
    weight = "layers.0.transform.weight"
    assert all(weight in part for part in parts)
    torch.testing.assert_close(parts[0][weight] + parts[1][weight], whole[weight])


def test_the_first_steps_gradient_reaches_some_a_and_not_v_or_the_corrupted_path():
    method = ladder(sntg=0.0)
    batch = next(prepared(method, dtype=torch.float64).epoch())
    terms = method.terms(batch, 0)
    found = reached(method, sum(terms[f"net/denoising_{k}"] for k in range(4)))
    reached_a = {}
    for name in (name for name in found if name.startswith("decoders")):
        reached_a[name] = [k for k, row in enumerate(found[name], start=1) if row.any()]
    below = {f"decoders.{k}.combine.a": [1, 5, 6, 10] for k in (1, 2, 3)}  # where u is 0, since what comes from above is
    assert reached_a == {"decoders.0.combine.a": [1, 4, 5, 6, 9, 10]} | below
    encode = method.net.encode
    method.net.encode = lambda x, noisy: [type(z)(*(t if t is None or noisy else t.detach() for t in z)) for z in encode(x, noisy)]
    cut = method.terms(batch, 0)
    assert not any("layers" in name for name in reached(method, sum(cut[f"net/denoising_{k}"] for k in range(4))))


@pytest.mark.parametrize("graph_pass", ["corrupted", "clean"])
def test_the_graph_has_the_named_features_and_the_clean_predictions_without_gradient(graph_pass):
    method, batch = case(noise=0.3, graph_pass=graph_pass)
    state = method.generators["noise"].get_state()
    found = method.terms(batch, T)["net/graph"]
    method.generators["noise"].set_state(state)
    method.predict(batch.labeled.x)
    for layer in (method.net.noise, *(layer.noise for layer in method.net.layers)):
        layer.generator = method.generators["noise"]
    clean, corrupted = (method.net.encode(batch.unlabeled.x, noisy) for noisy in (False, True))
    h, classes = (corrupted if graph_pass == "corrupted" else clean)[-2].h, clean[-1].h.argmax(1)
    known = batch.unlabeled.y != UNLABELED
    classes = torch.where(known, batch.unlabeled.y, classes)
    torch.testing.assert_close(found, 0.5 * graph_loss(h, classes, pairing=lambda n: AllPairs()(n, torch.Generator())))


@KINDS
def test_every_terms_gradient_is_that_of_finite_differences(weights):
    method, batch = case(weights)
    named = dict(method.net.named_parameters())
    d = {name: torch.randn_like(p) for name, p in named.items()}
    for term, value in method.terms(batch, T).items():
        slope = sum((grad * d[name]).sum() for name, grad in reached(method, value).items())
        ends = []
        for sign in (1, -1):
            moved = {f"net.{name}": p.detach() + sign * 1e-6 * d[name] for name, p in named.items()}
            ends.append(functional_call(Terms(method), {f"method.{k}": v for k, v in moved.items()}, (batch, term)))
        torch.testing.assert_close((ends[0] - ends[1]) / 2e-6, slope, rtol=1e-5, atol=1e-6)


class Terms(torch.nn.Module):
    """One term of a method as a module, for `functional_call`."""

    def __init__(self, method: Ladder):
        super().__init__()
        self.method = method

    def forward(self, batch: Batch, term: str) -> torch.Tensor:
        return self.method.terms(batch, T)[term].detach()


def test_terms_are_float32_bit_for_bit_under_bfloat16():
    method = ladder()
    batch, state = next(prepared(method).epoch()), method.generators["noise"].get_state()
    expected = method.terms(batch, T)
    method.generators["noise"].set_state(state)
    with Precision.bfloat16("cpu"):
        found = method.terms(batch, T)
    method.generators["graph"].manual_seed(0)
    assert_same({k: v for k, v in found.items() if k != "net/graph"}, {k: v for k, v in expected.items() if k != "net/graph"})
    torch.testing.assert_close(found["net/graph"], expected["net/graph"])  # its pairs are in another order


def test_a_step_is_float32_bit_for_bit_under_bfloat16():
    plain, rounded = (made_random(ladder(sntg=0.0)) for _ in range(2))
    batch = next(prepared(plain).epoch())
    prepared(rounded)
    plain.step(batch, T)
    with Precision.bfloat16("cpu"):
        rounded.step(batch, T)
    assert_same(*({name: p.grad for name, p in method.net.named_parameters()} for method in (rounded, plain)))


def test_its_automatic_precision_is_float32(command, words, tmp_path, monkeypatch):
    monkeypatch.setattr(passes, "has_bfloat16", lambda device: True)
    monkeypatch.setattr(passes, "WORTH", 1)
    assert command("train", *words, "--epochs", 1, "--out", tmp_path / "run").status == 0
    assert "\nprecision: float32\n" in (tmp_path / "run/config.yaml").read_text()


# --- what is not seen -------------------------------------------------------------------------------------------------


def test_unlabelled_images_change_no_labelled_logit_and_their_labels_nothing():
    method, batch = case(sntg=0.0)
    expected, y = method.terms(batch, T), batch.unlabeled
    outlier = y._replace(x=torch.cat([y.x[1:].flip(0), 50 * torch.ones_like(y.x[:1])]))
    torch.testing.assert_close(method.terms(batch._replace(unlabeled=outlier), T)["net/labeled"], expected["net/labeled"], rtol=0, atol=0)
    hidden = batch._replace(unlabeled=y._replace(y=torch.full_like(y.y, UNLABELED)))
    assert_same(method.terms(hidden, T), expected)


def trained(method) -> dict:
    """State after an epoch, and the generators'."""
    for k, batch in enumerate(prepared(method).epoch()):
        method.step(batch, 1 + k)
    method.before_evaluation()
    return method.state_dict() | {name: generator.get_state() for name, generator in method.generators.items()}


@KINDS
def test_a_graph_weight_of_0_is_the_method_without_sntg_and_all_of_0_the_labels_alone_bit_for_bit(weights):
    options = {"schedule": LinearTail(beta1=0.9), "learning_rate": 2e-3, "average_decay": 0.9}
    plain = trained(Ladder(network(weights), weights, **options))
    assert_same(trained(ladder(weights, sntg=0.0)), plain)
    assert not torch.equal(trained(ladder(weights))["net.layers.0.transform.weight"], plain["net.layers.0.transform.weight"])
    nothing = Ladder(network(weights), (0.0,) * len(weights), **options)
    alone = Supervised(net=network(weights), stream="two", consistency_weight=0.0, **options)
    found, expected = trained(nothing), trained(alone)
    weights_of = [name for name in found if "running" not in name and "tracked" not in name]
    assert_same({name: found[name] for name in weights_of}, {name: expected[name] for name in weights_of})


@pytest.mark.parametrize("weights", [(1.0, 1.0), (1.0, 1.0, 1.0, -1.0), (1.0, 1.0, 1.0, float("nan"))])
def test_weights_that_are_not_one_of_each_decoded_layer_are_refused(weights):
    with pytest.raises(InputError, match="denoising_weights is .* give 4 numbers of at least 0, one for each layer"):
        Ladder(network(), weights, schedule=LinearTail(), learning_rate=1e-3)


# --- training and evaluation ------------------------------------------------------------------------------------------


def test_it_learns_three_brightnesses_and_is_evaluated_on_the_statistics_of_the_labelled_images():
    method = ladder(sntg=0.0, learning_rate=1e-2)
    s = prepared(method, labels=12)
    for t in range(45):
        for batch in s.epoch():
            method.step(batch, t)
    generators = {name: generator.get_state() for name, generator in method.generators.items()}
    method.before_evaluation()
    assert_same(generators, {name: generator.get_state() for name, generator in method.generators.items()})
    x = s.pool.normalize(s.pool.x)
    for name, net in method.classifiers.items():
        assert (net.eval()(x)[1].argmax(1) == s.pool.truth).float().mean() > 0.9, name
    labeled = x[s.pool.labeled].flatten(1)
    for net in (method.net, method.average.net):
        torch.testing.assert_close(net.layers[0].norm.running_mean, (labeled @ net.layers[0].transform.weight.T).mean(0))


@pytest.fixture
def words(tmp_path, tiny_tree) -> list:
    """The words of a run of eight steps."""
    method = {
        "class_path": "discriminative.Ladder",
        "init_args": {
            "net": {"class_path": "gan_sntg.networks.DenseLadder", "init_args": {"widths": [12, 8]}},
            "denoising_weights": list(FULL),
            "schedule": {"class_path": "gan_sntg.schedules.LinearTail", "init_args": {"epochs": 3, "beta1": 0.9}},
            "learning_rate": 0.002,
            "sntg": {"class_path": "gan_sntg.graph.SNTG", "init_args": {"weight": 0.5}},
        },
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tiny_tree() | {"epochs": 2, "labeled_batch_size": 20, "method": method}))
    return ["--config", tmp_path / "config.yaml"]


def test_a_run_stopped_in_mid_epoch_resumes_bit_for_bit_and_its_export_does_what_it_does(command, words, tmp_path):
    assert interrupted(command, words, tmp_path / "a", Ladder, "terms", 6).status == 130
    for folder in "a", "b":
        assert command("train", *words, "--out", tmp_path / folder).status == 0
    assert_same_run(tmp_path / "a", tmp_path / "b")
    assert command("export", tmp_path / "a", "--out", tmp_path / "export").status == 0  # which compares the two
    evaluated, kept = command("evaluate", tmp_path / "a"), json.loads((tmp_path / "a/result.json").read_text())
    assert evaluated.status == 0 and f"{kept['test_error_last']:.2f}" in evaluated.out


# --- several runs, several processes ----------------------------------------------------------------------------------

SEEDS = (0, 3)


def of_seeds() -> tuple[list[Ladder], list[Loader]]:
    methods, loaders, source = [], [], Squares()
    for seed in SEEDS:
        method, split = ladder(seed=seed, adam_epsilon="inside_sqrt"), make_split(source, 6, 0, False)
        pool = Pool(source.train_x, source.train_y, split.known(source), split.pool(source), UnitRange64(), "cpu")
        method.double().prepare(source, pool)
        method.seed(seed, "cpu")
        methods.append(made_random(method))
        loaders.append(Loader(pool, 10, seed))  # of every view: stacked batches have no gaps
    return methods, loaders


def test_stacked_runs_are_each_the_run_that_it_would_be_alone():
    (methods, loaders), (alone, loaders_alone) = of_seeds(), of_seeds()
    whole = stacked(methods)
    for batch in StackedStreams(loaders).epoch():
        whole.step(batch, T)
    unstack(whole, methods)
    for method, own, streams in zip(methods, alone, loaders_alone, strict=True):
        for batch in streams.epoch():
            own.step(batch, T)
        torch.testing.assert_close(method.state_dict(), own.state_dict(), rtol=1e-8, atol=1e-10)


def taken() -> tuple[dict, list]:
    """Terms and gradients of one step without noise, by this process's part of the batch."""
    with started():
        method = ladder(noise=0.0)
        streams = prepared(method, batch_size=two_ranks.BATCH, dtype=torch.float64)
        made_random(method)
        join(method)
        terms = method.gradients(method, "net", next(streams.epoch()), T)
        return terms, [p.grad for p in parameters(method.optimizers["net"])]


def test_two_ranks_take_the_step_of_one_process_on_the_whole_batch():
    group = two_ranks.Ranks()
    try:
        found = group(taken)
    finally:
        group.end()
    expected = taken()
    for own in found:
        torch.testing.assert_close(own, expected, rtol=1e-8, atol=1e-10)
