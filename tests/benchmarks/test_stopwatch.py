"""Time by part: what is inside counts once, watched attributes are given back, and peaks of memory begin anew."""

import sys

import pytest
import torch

from gan_sntg.benchmarks import profile
from gan_sntg.benchmarks.profile import Stopwatch, forget_peak_memory, peak_memory

CPU = torch.device("cpu")


@pytest.fixture
def clock(monkeypatch):
    """A clock that only moves when told to."""
    now = [0.0]
    monkeypatch.setattr(profile, "moment", lambda device: now[0])
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


class Owner:
    def work(self, x):
        return x + 1


def test_watched_calls_return_what_they_did_and_the_attribute_is_given_back(clock):
    watch, owner = Stopwatch(CPU), Owner()
    with watch.watching(owner, "work", "a"), watch.watching(Owner, "work", "b"):
        assert owner.work(1) == 2
    assert "work" not in vars(owner) and vars(Owner)["work"](owner, 1) == 2 and set(watch.seconds) == {"a"}
    with pytest.raises(TypeError), watch.watching(owner, "work", "a"):
        owner.work("1")
    assert watch.running == [] and "work" not in vars(owner)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux lets a process forget its peak")
def test_peak_memory_is_that_since_it_was_forgotten():
    x = torch.ones(2**26)  # 256 MB
    high = peak_memory(CPU)
    del x
    forget_peak_memory(CPU)
    low = peak_memory(CPU)
    assert high - low > 200
    x = torch.ones(2**25)
    assert 100 < peak_memory(CPU) - low < 200 and len(x) == 2**25
