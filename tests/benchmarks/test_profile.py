"""A step by part: all of it counts once, watching changes nothing of the run, operations are counted as by hand, peaks begin anew."""

import sys
from types import SimpleNamespace

import pytest
import torch
from helpers.method_factories import ALL, made, prepared
from helpers.tiny import gan, started, streams
from torch.utils.flop_counter import FlopCounterMode

from gan_sntg.benchmarks import profile
from gan_sntg.benchmarks.profile import Stopwatch, forget_peak_memory, peak_memory
from gan_sntg.benchmarks.timing import Way
from gan_sntg.networks.gan import DenseDiscriminator

CPU = torch.device("cpu")


def way_of(method, s) -> Way:
    return Way(SimpleNamespace(method=method, streams=s, device=CPU), 1)


def parts(method, s) -> set[str]:
    return set(way_of(method, s).breakdown(2))


def test_the_gans_parts_are_named():
    s = streams()
    forward = {"forward discriminator", "forward generator", "teacher pass"}
    others = {"data", "backward", "graph loss", "optimizer", "averages", "logging", "rest"}
    assert parts(started(gan(weight=1.0), s), s) == forward | others


@pytest.mark.parametrize("name", ALL)
def test_every_methods_parts_are_found(name):
    method = made(name)
    found = parts(method, prepared(method))
    assert {"data", "forward net", "backward", "graph loss", "optimizer", "averages", "logging", "rest"} <= found
    assert ("clean pass, direction" in found) == (name == "vat")


def test_without_a_graph_there_is_no_part_of_it():
    s = streams()
    assert "graph loss" not in parts(started(gan(), s), s)


def test_watched_steps_are_the_steps_that_are_not_watched():
    states = []
    for watched in (True, False):
        s = streams()
        method = started(gan(weight=1.0), s)
        if watched:
            way_of(method, s).breakdown(3)
        else:
            for _ in range(3):
                method.step(next(s.epoch()), 1)
        states.append(torch.cat([p.detach().flatten() for p in method.parameters()]))
    assert torch.equal(*states)


def test_operations_of_a_dense_net_are_two_for_each_weight_and_image_and_direction():
    net, x = DenseDiscriminator((1, 4, 4), 3, widths=(10,)), torch.rand(7, 1, 4, 4)
    with FlopCounterMode(display=False) as counter:
        logits = net(x)[1]
        assert counter.get_total_flops() == 2 * 7 * (16 * 10 + 10 * 3)
        logits.sum().backward()
    backward = 2 * 7 * (16 * 10 + 2 * 10 * 3)  # nothing goes back into x
    assert counter.get_total_flops() == 2 * 7 * (16 * 10 + 10 * 3) + backward


@pytest.fixture
def clock(monkeypatch):
    """A clock that only moves when told to."""
    now = [0.0]
    monkeypatch.setattr(profile.time, "perf_counter", lambda: now[0])
    return lambda seconds: now.__setitem__(0, now[0] + seconds)


def test_a_part_inside_another_stops_the_outer_ones_clock(clock):
    watch = Stopwatch(CPU)
    clock(5)
    with watch.part("outer"):
        clock(1)
        with watch.part("inner"):
            clock(10)
        clock(2)
        with watch.part("inner"):
            clock(20)
    clock(5)
    assert watch.seconds == {"outer": 3, "inner": 30}


def test_watched_calls_return_what_they_did_and_end_their_part_where_they_fail(clock):
    watch = Stopwatch(CPU)
    work = watch.part("a")(lambda x: x + 1)
    assert work(1) == 2 and set(watch.seconds) == {"a"}
    with pytest.raises(TypeError):
        work("1")
    assert watch.running == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux lets a process forget its peak")
def test_peak_memory_is_that_since_it_was_forgotten():
    x = torch.ones(2**27)  # 512 MB
    high = peak_memory(CPU)
    del x
    forget_peak_memory(CPU)
    low = peak_memory(CPU)
    assert high - low > 300
    x = torch.ones(2**26)
    assert 100 < peak_memory(CPU) - low < 400 and len(x) == 2**26  # a busy system takes some unused memory back meanwhile
