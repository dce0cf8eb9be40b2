"""Runs that are trained as one: each is the run that it would be alone, in float64 but for rounding."""

from itertools import islice

import pytest
import torch
from helpers.tiny import UnitRange64, assert_same, gan, started, streams

from gan_sntg.data.normalization import UnitRange
from gan_sntg.graph.balance import DistributionAlignment, EqualShares
from gan_sntg.graph.pairs import AllPairs, Halves, Sampled
from gan_sntg.graph.teachers import Averaged, Ensemble, NoiseFree, SamePass, SecondPass
from gan_sntg.networks.passes import Precision
from gan_sntg.training.multi_seed import PerRunGenerators, StackedStreams, stacked, unstack

SEEDS = (0, 1, 5)
PLAIN = {"weight": 0.0}
GRAPHS = [{"teacher": teacher, "pairing": Halves} for teacher in (SamePass, SecondPass, NoiseFree, Averaged, Ensemble)]
GRAPHS += [{"teacher": SecondPass, "pairing": lambda: Sampled(30), "labeled": True}, {"teacher": Averaged, "pairing": AllPairs}]
BALANCED = [{"balance": DistributionAlignment, "confidence": 0.4}, {"balance": lambda: EqualShares(queue=15), "attraction_margin": 0.1}]


def made(dtype: torch.dtype = torch.float64, **options) -> tuple[list, list]:
    """The methods and streams of three seeds; what can be called in the options is called for each."""
    all_streams = [streams(seed=seed, normalization=UnitRange64 if dtype == torch.float64 else UnitRange) for seed in SEEDS]
    methods = [gan(seed, dtype, **{"weight": 1.0} | {k: v() if callable(v) else v for k, v in options.items()}) for seed in SEEDS]
    return [started(method, s) for method, s in zip(methods, all_streams, strict=True)], all_streams


def steps(method, from_streams, n: int) -> list[dict]:
    batches = (batch for _ in range(n) for batch in from_streams.epoch())
    return [method.step(batch, 1) for batch in islice(batches, n)]


def together(methods, all_streams, n: int) -> list[list[dict]]:
    """n steps as one, written back; the terms of each."""
    method = stacked(methods)
    terms = steps(method, StackedStreams(all_streams), n)
    unstack(method, methods)
    return [[{name: value[s] for name, value in of_step.items()} for of_step in terms] for s in range(len(methods))]


def state(method) -> dict:
    """All of it."""
    generators = {name: generator.get_state() for name, generator in method.generators.items()}
    optimizers = {name: optimizer.state_dict() for name, optimizer in method.optimizers.items()}
    return {"method": method.state_dict(), "optimizers": optimizers, "generators": generators, "settings": method.settings}


def assert_close(a, b) -> None:
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12, equal_nan=True)


def assert_stacking_changes_nothing(**options) -> None:
    """Two epochs of four steps."""
    (methods, all_streams), (alone, streams_alone) = made(**options), made(**options)
    found = together(methods, all_streams, 8)
    for s, method in enumerate(alone):
        assert_close(found[s], steps(method, streams_alone[s], 8))
        assert_close(state(methods[s]), state(method))
        assert_same(all_streams[s].state_dict(), streams_alone[s].state_dict())
        assert methods[s].average.count == method.average.count == 8


def test_without_a_graph_terms_weights_moments_averages_and_generators_are_those_of_each_run_alone():
    assert_stacking_changes_nothing(**PLAIN, teacher=Averaged)


@pytest.mark.parametrize("options", GRAPHS, ids=lambda options: options["teacher"].__name__ + str(options["pairing"].__name__))
def test_with_a_graph_so_they_are_whatever_the_teacher_and_the_pairs(options):
    assert_stacking_changes_nothing(**options)


@pytest.mark.parametrize("options", BALANCED, ids=["aligned", "equal shares"])
def test_and_however_its_targets_are_balanced(options):
    assert_stacking_changes_nothing(teacher=Averaged, pairing=AllPairs, **options)


def test_going_apart_and_together_again_changes_nothing():
    (methods, all_streams), (others, other_streams) = made(teacher=Ensemble), made(teacher=Ensemble)
    found = [a + b for a, b in zip(together(methods, all_streams, 3), together(methods, all_streams, 4), strict=True)]
    assert_same(found, together(others, other_streams, 7))
    assert_same([state(method) for method in methods], [state(method) for method in others])


def test_what_is_written_back_shares_no_memory_with_the_other_runs():
    methods, all_streams = made(teacher=Averaged)
    together(methods, all_streams, 2)
    tensors = [*methods[0].state_dict().values()]
    tensors += [v for o in methods[0].optimizers.values() for entry in o.state.values() for v in entry.values() if torch.is_tensor(v)]
    assert [t.shape for t in tensors if t.untyped_storage().nbytes() != t.numel() * t.element_size()] == []


def test_under_autocast_terms_are_those_of_each_run_alone_to_its_precision_and_not_those_without():
    (methods, all_streams), (alone, streams_alone), others = (made(torch.float32, teacher=Averaged) for _ in range(3))
    with Precision.bfloat16("cpu"):
        found, expected = together(methods, all_streams, 1), [steps(m, s, 1) for m, s in zip(alone, streams_alone, strict=True)]
    exact = together(*others, 1)
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)
    assert abs(found[0][0]["d/labeled"] - exact[0][0]["d/labeled"]) > 1e-4


def test_each_run_draws_from_its_own_generators_and_others_are_left_alone():
    runs = [{"z": torch.Generator().manual_seed(seed)} for seed in SEEDS]
    apart = [torch.Generator().manual_seed(seed) for seed in SEEDS]
    x, own = torch.zeros(len(SEEDS), 3), runs[0]["z"]

    def draws(x, seat):
        with PerRunGenerators(seat, runs):
            uniform, filled = torch.rand(2, generator=own), torch.empty_like(x)
            filled.normal_(generator=own)
            return uniform, filled, torch.randperm(4, generator=own), torch.randint(9, (5,), generator=own)

    found = torch.vmap(draws)(x, torch.arange(len(SEEDS)))
    for s, g in enumerate(apart):
        expected = torch.rand(2, generator=g), torch.empty(3).normal_(generator=g), torch.randperm(4, generator=g)
        assert_same([value[s] for value in found], [*expected, torch.randint(9, (5,), generator=g)])
