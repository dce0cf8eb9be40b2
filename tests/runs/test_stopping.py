"""A signal, the end of its minutes, a step in mid-epoch: wherever a run is stopped, it goes on to the bit as if it had not been."""

import json
import signal
import time

import pytest
import torch
from helpers import processes
from helpers.run_folders import assert_same_run, rows

from gan_sntg.__main__ import main
from gan_sntg.commands.reproduce import Interrupts
from gan_sntg.errors import StoppedError
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.runs import trainer
from gan_sntg.runs.stopping import LATER, StopSignals


@pytest.fixture(autouse=True)
def hangup():
    """SIGHUP as it is in a terminal, where the tests themselves run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def at_step(monkeypatch):
    """Sends this process a signal after so many steps of a GAN."""

    def send(number: int, count: int) -> None:
        step, steps = FeatureMatchingGAN.step, iter(range(1, 10**6))

        def step_and_send(*arguments):
            terms = step(*arguments)
            if next(steps) == count:
                signal.raise_signal(number)
            return terms

        monkeypatch.setattr(FeatureMatchingGAN, "step", step_and_send)

    return send


AT = {1: signal.SIGINT, 4: signal.SIGUSR1, 6: signal.SIGTERM, 7: signal.SIGHUP, 9: signal.SIGXCPU, 11: signal.SIGUSR2}


@pytest.mark.parametrize(("step", "number"), AT.items())
def test_a_signal_saves_in_mid_epoch_and_the_run_goes_on_to_the_bit(command, tiny, finished, tmp_path, at_step, step, number):
    status = 130 if number == signal.SIGINT else LATER
    before = signal.getsignal(number)
    at_step(number, step)
    outcome = command("train", "--config", tiny, "--out", tmp_path / "run")
    assert outcome.status == status and f"{number.name} received; checkpoint saved" in outcome.err and signal.getsignal(number) is before
    assert torch.load(tmp_path / "run/checkpoints/last.pt", weights_only=True)["progress"]["step"] == step
    assert command("train", "--config", tiny, "--out", tmp_path / "run").status == 0
    assert_same_run(tmp_path / "run", finished)


def test_means_over_an_interval_that_was_stopped_within_are_those_of_all_its_steps(command, tiny, tmp_path, at_step):
    words = ["train", "--config", tiny, "--interval_epochs", 3]
    assert command(*words, "--out", tmp_path / "whole").status == 0
    at_step(signal.SIGTERM, 7)
    assert command(*words, "--out", tmp_path / "run").status == LATER
    assert command(*words, "--out", tmp_path / "run").status == 0
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_runs_in_one_program_are_all_saved_and_go_on(command, tiny, tmp_path, at_step, monkeypatch):
    monkeypatch.setattr("gan_sntg.runs.seeds.ONE_PROGRAM_ON", ("cpu", "cuda"))
    words = ["train", "--config", tiny, "--seeds", "0,1"]
    assert command(*words, "--out", tmp_path / "whole").status == 0
    at_step(signal.SIGTERM, 6)
    assert command(*words, "--out", tmp_path / "runs").status == LATER
    for seed in "01":
        assert torch.load(tmp_path / f"runs/{seed}/checkpoints/last.pt", weights_only=True)["progress"]["step"] == 6
    together, init = [], trainer.Training.__init__
    monkeypatch.setattr(trainer.Training, "__init__", lambda self, runs, watch: (together.append(len(runs)), init(self, runs, watch))[1])
    assert command(*words, "--out", tmp_path / "runs").status == 0 and together == [2]
    for seed in "01":
        assert_same_run(tmp_path / "runs" / seed, tmp_path / "whole" / seed)


def test_a_second_interrupt_is_obeyed_at_once():
    with StopSignals() as watch, pytest.raises(KeyboardInterrupt):
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)
    assert isinstance(watch.stop(), StoppedError)


@pytest.mark.parametrize("kind", [StopSignals, Interrupts])
def test_a_hangup_that_is_ignored_from_the_start_as_under_nohup_stays_ignored(kind):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with kind() as watch:
            signal.raise_signal(signal.SIGHUP)
        assert watch.stop() is None and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2, signal.SIGTERM, signal.SIGXCPU])
def test_several_runs_are_stopped_once_however_often_they_are_told(number):
    told = []
    with pytest.raises(StoppedError, match=f"{number.name} received; runs saved. Run the same command to resume") as stopped, Interrupts():
        try:
            signal.raise_signal(number)
        finally:  # while runs are saved
            signal.raise_signal(number)
            told.append(number)
    assert told == [number] and stopped.value.status == LATER


def test_minutes_end_before_they_are_over_by_twice_the_longest_pause(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    watch = StopSignals(max_minutes=1)
    for seconds, over in ((10, False), (5, False), (8, False), (10, False), (9, True)):  # 42 s, and twice 10
        now[0] += seconds
        watch.tick()
        assert bool(watch.stop()) == over
    assert "Time limit of 1 min reached" in str(watch.stop()) and watch.stop().status == LATER
    assert StopSignals().stop() is None


def test_a_run_of_few_minutes_stops_with_a_checkpoint_and_can_be_finished(command, tiny, finished, tmp_path, monkeypatch):
    real, now = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now.__setitem__(0, now[0] + 1.0) or now[0])  # each look at the clock takes a second
    outcome = command("train", "--config", tiny, "--out", tmp_path / "run", "--max-minutes", "0.2")
    monkeypatch.setattr(time, "monotonic", real)
    assert outcome.status == LATER and "min reached; checkpoint saved" in outcome.err
    assert command("train", "--config", tiny, "--out", tmp_path / "run").status == 0
    assert_same_run(tmp_path / "run", finished)


def test_a_checkpoint_is_written_every_so_many_minutes_between_intervals(command, tiny, finished, tmp_path, monkeypatch):
    saved, keep = [], trainer.keep
    monkeypatch.setattr(trainer, "keep", lambda path, data, count: (saved.append(1), keep(path, data, count)))
    words = ["--interval_epochs", 3, "--checkpoint_minutes", 1e-9]
    assert command("train", "--config", tiny, *words, "--out", tmp_path / "run").status == 0
    assert len(saved) == 12 + 1
    saved.clear()
    assert command("train", "--config", tiny, "--interval_epochs", 3, "--checkpoint_minutes", "null", "--out", tmp_path / "b").status == 0
    assert len(saved) == 1
    assert_same_run(tmp_path / "run", tmp_path / "b")


@pytest.mark.parametrize("words", ["--max_minutes 0", "--checkpoint_minutes -1", "--keep 0", "--keep null", "--on_nonfinite hope"])
def test_values_that_cannot_be_are_refused(refused, train, words):
    refused([*train, *words.split()], words.split()[0].lstrip("-"))


def test_a_command_that_is_refused_locks_nothing_and_how_a_run_is_looked_after_may_change(command, tiny, finished, tmp_path, at_step):
    at_step(signal.SIGTERM, 5)
    train, split = ["train", "--config", tiny, "--out", tmp_path / "run"], tmp_path / "run/split.json"
    assert command(*train, "--keep", 3).status == LATER
    data = split.read_bytes()
    split.write_bytes(b"{}")
    assert command(*train).status == 2
    split.write_bytes(data)
    assert command(*train, "--keep", 1, "--on_nonfinite", "rollback").status == 0
    assert_same_run(tmp_path / "run", finished)
    assert not (tmp_path / "run/checkpoints/last-1.pt").exists()


def test_a_second_process_on_a_run_is_refused_and_the_first_goes_on(command, contents, tiny, tmp_path):
    words = ["train", "--config", tiny, "--epochs", 10**6, "--interval_epochs", 1, "--out", tmp_path / "run"]
    first = processes.started(main, words, tmp_path / "log")
    try:
        while not rows(tmp_path / "run"):
            assert first.is_alive()
            time.sleep(0.05)
        outcome = command(*words)
        assert outcome.status == 2 and "is being trained by another process; wait for its end" in outcome.err
        assert command("evaluate", tmp_path / "run").status == 0  # reading is no harm
        there = len(rows(tmp_path / "run"))
        while len(rows(tmp_path / "run")) <= there + 1:
            assert first.is_alive()
            time.sleep(0.05)
    finally:
        first.terminate()
        first.join(600)
    assert first.exitcode == LATER and "SIGTERM received; checkpoint saved" in (tmp_path / "log").read_text()
    found = [row["epoch"] for row in rows(tmp_path / "run")]
    assert found == list(range(1, len(found) + 1)) and not (tmp_path / "run/result.json").exists()
    assert json.loads((tmp_path / "run/environment.json").read_text())[0]["threads"] == 1
