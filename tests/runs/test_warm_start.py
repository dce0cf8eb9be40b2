"""Runs that start from another run's weights: what is taken, what is recorded, what is refused."""

import json
import shutil

import pytest
import torch

from gan_sntg.runs.build import build
from gan_sntg.runs.options import config_parser
from gan_sntg.runs.reading import warm_start
from gan_sntg.training import checkpoint


def method_of(config, *words):
    """A method as its configuration makes it, on the first images of its pool."""
    parser = config_parser()
    parts = build(parser, parser.parse_args(["--config", str(config), *words]))
    parts.method.start(parts.streams.example(50, "start"))
    return parts.method


def flat(state, prefix=""):
    """{name: tensor} of nested states."""
    if isinstance(state, torch.Tensor):
        return {prefix: state}
    return {k: v for name, part in state.items() for k, v in flat(part, f"{prefix}.{name}").items()} if isinstance(state, dict) else {}


@pytest.mark.parametrize("optimizers", [False, True])
@pytest.mark.parametrize("file", ["", "checkpoints/last.pt"])
def test_weights_averages_and_if_asked_optimizers_are_the_other_runs(finished, tiny, optimizers, file):
    method, kept = method_of(tiny, "--seed", "5"), checkpoint.read(finished / "checkpoints/last.pt", "cpu")
    streams = {name: generator.get_state() for name, generator in method.generators.items()}
    record = warm_start(method, str(finished / file), optimizers, torch.device("cpu"))
    assert record["anew"] == [] and record["epoch"] == kept["progress"]["epoch"]
    for name, value in flat(kept["method"]).items():
        assert torch.equal(flat(method.state_dict())[name], value)
    assert all(torch.equal(generator.get_state(), streams[name]) for name, generator in method.generators.items())
    for name, optimizer in method.optimizers.items():
        assert bool(optimizer.state) == optimizers
        found = flat(optimizer.state_dict()["state"]) if optimizers else {}
        assert all(torch.equal(value, flat(kept["optimizers"][name]["state"])[key]) for key, value in found.items())


def test_what_the_other_run_does_not_have_begins_anew_and_is_named(finished, tiny, capsys):
    method = method_of(tiny, "--method.sntg.balance", "DistributionAlignment")
    assert warm_start(method, str(finished), False, torch.device("cpu"))["anew"] == ["sntg.balance.mean", "sntg.balance.prior"]
    assert "has no sntg.balance.mean, sntg.balance.prior; these begin anew" in capsys.readouterr().err


def test_the_start_is_recorded_and_a_run_that_went_on_needs_it_no_more(command, train, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [*train[:-1], "longer", "--from", run, "--epochs", 3, "--validation", "true"]
    first = command(*words)
    record = json.loads((tmp_path / "longer/start.json").read_text())
    assert first.status == 0 and record["from"] == str(run) and record["optimizers"] is False and len(record["sha256"]) == 64
    assert "was trained with another split: it may have seen the labels" in first.err
    shutil.rmtree(run)
    assert command(*words).out == first.out
    assert json.loads((tmp_path / "longer/result.json").read_text())["config"]["from_run"] == str(run)


def test_without_a_start_a_run_is_what_it_was(run):
    assert "from_run" not in json.loads((run / "result.json").read_text())["config"] and not (run / "start.json").exists()


def test_other_networks_no_run_and_no_checkpoint_are_refused(refused, train, run, tmp_path):
    words = [*train, "--method.discriminator.widths", "[7,5]"]
    words[4] = "other"
    refused([*words, "--from", "run"], "run/checkpoints/last.pt does not fit this configuration", "of the weights to train are not there")
    refused([*words, "--from", "nowhere"], "nowhere is not a run folder")
    refused([*words, "--from_optimizers", "true"], "from_optimizers is set, but no run to start from; add --from RUN")
    (tmp_path / "a.pt").write_bytes(b"no checkpoint")
    refused([*words, "--from", "a.pt"], "a.pt is not a readable checkpoint")
