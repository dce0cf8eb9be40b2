"""No step waits for the device: nothing in it reads a number into Python, or a shape that hangs on numbers."""

import pytest
import torch
from helpers.method_factories import ALL, made, prepared
from helpers.tiny import gan, started, streams
from torch.utils._python_dispatch import TorchDispatchMode

from gan_sntg.graph.loss import Graph
from gan_sntg.graph.pairs import AllPairs, Halves, Sampled
from gan_sntg.graph.teachers import Averaged, Ensemble, NoiseFree, SamePass, SecondPass
from gan_sntg.training.meter import Meter

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


@pytest.mark.parametrize("name", ALL)
def test_a_step_of_a_method_reads_nothing(name):
    method = made(name)
    assert reads(method, prepared(method)) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: what would be a synchronisation is counted instead")
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
