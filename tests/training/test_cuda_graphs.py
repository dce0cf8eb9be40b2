"""A recorded step is the written one to the bit; what cannot be recorded is taken as written; no step reads numbers on the host."""

import copy

import pytest
import torch
from helpers.method_factories import ALL, made, prepared
from helpers.tiny import bad_gan, gan, started, streams
from torch.utils._python_dispatch import TorchDispatchMode

from gan_sntg.graph.balance import DistributionAlignment, EqualShares
from gan_sntg.graph.loss import Graph
from gan_sntg.graph.pairs import AllPairs, Halves, Sampled
from gan_sntg.graph.teachers import Averaged, Ensemble, NoiseFree, SamePass, SecondPass
from gan_sntg.networks.passes import CompiledForward, use
from gan_sntg.training.cuda_graphs import CudaGraphGradients, EagerGradients, Inputs, eager_gradients, form
from gan_sntg.training.meter import Meter
from gan_sntg.training.multi_seed import StackedStreams, stacked, unstack

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: there are no CUDA graphs without one")


def trained(method, from_streams, descent: EagerGradients, epochs: int = 5) -> list[dict]:
    """Terms of each step, of epochs of steps; what is special about epochs changes with them."""
    method.gradients = descent
    found = []
    for t in range(epochs):
        found += [{k: v.clone() for k, v in method.step(batch, t).items()} for batch in from_streams.epoch()]
        method.end_epoch()
    return found


def same(make) -> None:
    """Whether two of what `make` gives, (method, streams), go the same way, one of them recorded."""
    (method, s), (other, r) = make(), make()
    replayed = CudaGraphGradients()
    expected, found = trained(method, s, EagerGradients()), trained(other, r, replayed)
    assert not replayed.failed and all(recording.graph for recording in replayed.recordings.values())
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    torch.testing.assert_close(other.state_dict(), method.state_dict(), rtol=0, atol=0, equal_nan=True)
    for purpose, generator in method.generators.items():
        assert torch.equal(generator.get_state(), other.generators[purpose].get_state())


@gpu
@pytest.mark.parametrize("pairing", [Halves(), Sampled(7), AllPairs()])
@pytest.mark.parametrize("teacher", [SamePass, SecondPass, NoiseFree, Averaged, Ensemble])
def test_a_recorded_gan_is_the_written_one(teacher, pairing):
    def make():
        s = streams(device="cuda")
        options = {"teacher": teacher(), "pairing": copy.deepcopy(pairing), "weight": 1.0, "ramp_epochs": 3, "device": "cuda"}
        return started(gan(**options), s), s

    same(make)


@gpu
def test_a_recorded_bad_gan_is_the_written_one():
    def make():
        s = streams(device="cuda")
        return started(bad_gan(weight=1.0, low_density_start_epochs=2, device="cuda"), s), s

    same(make)


@gpu
def test_recorded_compiled_networks_are_the_compiled_ones():
    execution = CompiledForward()

    def make():
        s = streams(device="cuda")
        method = started(gan(teacher=Averaged(), weight=1.0, ramp_epochs=3, device="cuda"), s)
        use(execution, method)
        return method, s

    same(make)
    assert not execution.forward.failed


@gpu
@pytest.mark.parametrize("name", ALL)
def test_a_recorded_method_is_the_written_one(name):
    def make():
        method = made(name, ramp_epochs=3)
        return method, prepared(method, device="cuda")

    same(make)


@gpu
def test_recorded_runs_in_one_program_are_the_written_ones():
    def make():
        each = [streams(seed=seed, device="cuda") for seed in range(3)]
        options = {"teacher": Averaged(), "weight": 1.0, "ramp_epochs": 3, "device": "cuda"}
        methods = [started(gan(seed, **options), s) for seed, s in enumerate(each)]
        method = stacked(methods)
        method.alone = methods
        return method, StackedStreams(each)

    same(make)
    method, s = make()
    trained(method, s, CudaGraphGradients())
    unstack(method, method.alone)


@gpu
def test_what_cannot_be_recorded_is_taken_as_written_and_said_once(capsys):
    s = streams(device="cuda")
    method = started(gan(device="cuda"), s)
    terms = method.discriminator_terms
    method.discriminator_terms = lambda batch, t: terms(batch, t) | {"d/read": terms(batch, t)["d/labeled"] * float(batch.labeled.x.sum())}
    found = trained(method, s, CudaGraphGradients(), epochs=2)
    assert method.gradients.failed and all(v.isfinite() for v in found[-1].values())
    assert capsys.readouterr().err.count("CUDA graphs are not used") == 1


def test_what_a_recording_holds_for():
    method = gan(weight=2.0, ramp_epochs=10)
    assert method.graph_key("g", 5) == () and method.graph_key("d", 5) == (method.sntg.weight_at(5),)
    assert method.graph_key("d", 20) == method.graph_key("d", 30)
    pi = made("pi", ramp_epochs=10)
    pi.scale = 1.0
    keys = [pi.graph_key("net", t) for t in (3, 4, 10, 11)]
    assert keys[0] == (pi.consistency_weight_at(3), pi.graph_weight_at(3)) != keys[1] and keys[2] == keys[3]


def test_inputs_stay_in_place_and_hold_the_latest_batch():
    s = streams()
    first, second = (batch for batch, _ in zip(s.epoch(), range(2), strict=False))
    inputs = Inputs(first)
    places = [tensor.data_ptr() for view in inputs.batch for tensor in view]
    inputs.take(second)
    assert places == [tensor.data_ptr() for view in inputs.batch for tensor in view]
    torch.testing.assert_close(inputs.batch, second, rtol=0, atol=0)
    assert form(first) == form(second) != form(first._replace(unlabeled_g=None))
    assert Inputs(first._replace(unlabeled_g=None)).batch.unlabeled_g is None


def test_eager_gradients_are_undone():
    method = gan()
    method.gradients = CudaGraphGradients()
    with eager_gradients(method):
        assert type(method.gradients) is EagerGradients
    assert type(method.gradients) is CudaGraphGradients


def test_a_copy_of_a_method_records_for_itself():
    method = gan()
    method.gradients = CudaGraphGradients()
    method.gradients.recordings["there"] = 1
    assert copy.deepcopy(method, {id(g): g for g in method.generators.values()}).gradients.recordings == {}


# --- no step reads a number into Python, or a shape that hangs on numbers: it waits for no device, and can be recorded ---

READS = {torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero, torch.ops.aten.masked_select, torch.ops.aten._unique2}
INDEXED = {torch.ops.aten.index, torch.ops.aten.index_put, torch.ops.aten.index_put_}


class HostReads(TorchDispatchMode):
    """Names of the operations within it that have to wait for the device."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        masks = func.overloadpacket in INDEXED and [i for i in args[1] if i is not None and i.dtype in (torch.bool, torch.uint8)]
        if func.overloadpacket in READS or masks:
            self.found.append(str(func))
        return func(*args, **(kwargs or {}))


def reads(method, from_streams) -> list[str]:
    batches, meter = from_streams.epoch(), Meter()
    meter.add(method.step(next(batches), 1), 0)
    with HostReads() as mode:
        meter.add(method.step(next(batches), 1), 1)
    return mode.found


def test_reads_are_found():
    with HostReads() as mode:
        x = torch.arange(4.0)
        float(x.sum())
        x[x > 1]
        x[x > 2] = 0
    assert mode.found == ["aten._local_scalar_dense.default", "aten.index.Tensor", "aten.index_put_.default"]


@pytest.mark.parametrize("graph", Graph)
@pytest.mark.parametrize("pairing", [Halves(), Sampled(7), AllPairs()])
@pytest.mark.parametrize("teacher", [SamePass, SecondPass, NoiseFree, Averaged, Ensemble])
def test_a_step_of_the_gan_reads_nothing(teacher, pairing, graph):
    s = streams()
    assert reads(started(gan(teacher=teacher(), pairing=pairing, graph=graph, weight=1.0), s), s) == []


@pytest.mark.parametrize("balance", [DistributionAlignment(), EqualShares(queue=15)])
def test_nor_does_one_with_balanced_targets_and_sure_pairs(balance):
    s = streams()
    assert reads(started(gan(balance=balance, confidence=0.5, attraction_margin=0.1, repulsion=0.5, weight=1.0), s), s) == []


def test_nor_does_one_of_bad_gan():
    s = streams()
    assert reads(started(bad_gan(weight=1.0), s), s) == []


@pytest.mark.parametrize("name", ALL)
def test_a_step_of_a_method_reads_nothing(name):
    method = made(name)
    assert reads(method, prepared(method)) == []


@gpu
def test_a_step_on_a_gpu_never_synchronises():
    s = streams(device="cuda")
    method = started(gan(teacher=Averaged(), weight=1.0, device="cuda"), s)
    batches = s.epoch()
    method.step(next(batches), 1)
    torch.cuda.set_sync_debug_mode("error")
    try:
        method.step(next(batches), 1)
    finally:
        torch.cuda.set_sync_debug_mode("default")
