"""A run that takes all cores says so where others want them."""

import os

import pytest
import yaml

from gan_sntg.runs.seeds import crowding


@pytest.fixture
def machine(monkeypatch):
    def made(cores: int, load: float):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)), raising=False)
        monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))

    return made


@pytest.mark.parametrize(("cores", "load", "fair"), [(2, 1.0, 1), (8, 4.2, 4), (8, 6.0, 2), (4, 30.0, 1)])
def test_a_busy_machine_is_named_with_the_threads_that_are_left(machine, cores, load, fair):
    machine(cores, load)
    assert crowding(None).endswith(f"--threads {fair}") and f"{load:.1f} of the {cores} cores" in crowding(None)


@pytest.mark.parametrize(("cores", "load", "threads"), [(8, 3.9, None), (8, 8.0, 4), (1, 5.0, None)])
def test_nothing_is_said_where_cores_are_free_or_threads_are_chosen(machine, cores, load, threads):
    machine(cores, load)
    assert crowding(threads) is None


def test_train_says_it_once_and_trains(machine, command, tiny_tree, tmp_path):
    machine(8, 7.0)
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(tiny_tree() | {"threads": None}))
    outcome = command("train", "--config", tmp_path / "a.yaml", "--out", tmp_path / "run")
    assert outcome.status == 0 and outcome.err.count("--threads 1") == 1
