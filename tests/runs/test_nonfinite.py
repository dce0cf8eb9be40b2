"""A term that is not finite: never hidden, never saved over a good state, gone back from once where that is asked for."""

import json

import pytest
import torch
import yaml
from helpers.run_folders import age, assert_same_run, interrupted, rows
from helpers.tiny import assert_same

from gan_sntg.errors import NonFiniteError
from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.networks.compile import CompiledForward
from gan_sntg.runs.build import build
from gan_sntg.runs.options import config_parser
from gan_sntg.runs.trainer import check_alive
from gan_sntg.training.meter import Meter, Meters


@pytest.fixture
def not_finite(monkeypatch):
    """Makes the GAN's terms NaN in these calls of `step`, counted from 1."""

    def spoil(*calls: int) -> None:
        step, count = FeatureMatchingGAN.step, iter(range(1, 10**6))

        def spoiled(self, *arguments):
            terms = step(self, *arguments)
            return {name: value * torch.nan for name, value in terms.items()} if next(count) in calls else terms

        monkeypatch.setattr(FeatureMatchingGAN, "step", spoiled)

    return spoil


def checkpoint(run) -> dict:
    return torch.load(run / "checkpoints/last.pt", weights_only=True)


def test_it_stops_the_run_with_its_state_beside_the_last_good_one(command, tiny, tmp_path, not_finite):
    not_finite(7)
    outcome = command("train", "--config", tiny, "--out", tmp_path / "run")
    assert outcome.status == 1 and "the term d/generated is not finite since epoch 1, step 6" in outcome.err
    dumped = torch.load(tmp_path / "run/checkpoints/nonfinite.pt", weights_only=True)
    assert dumped["progress"]["step"] == 8 and checkpoint(tmp_path / "run")["progress"]["step"] == 4
    assert not (tmp_path / "run/result.json").exists() and len(rows(tmp_path / "run")) == 1


def test_it_is_never_saved_between_intervals(command, tiny, tmp_path, not_finite):
    not_finite(7)
    words = ["--interval_epochs", 3, "--checkpoint_minutes", 1e-9]
    outcome = command("train", "--config", tiny, *words, "--out", tmp_path / "run")
    assert outcome.status == 1 and "not finite since epoch 1, step 6" in outcome.err
    assert checkpoint(tmp_path / "run")["progress"]["step"] == 6


def test_a_roll_back_goes_on_from_the_last_good_state_at_a_tenth_of_the_rate_and_is_recorded(command, tiny, tmp_path, not_finite):
    not_finite(7)
    outcome = command("train", "--config", tiny, "--on_nonfinite", "rollback", "--out", tmp_path / "run")
    assert outcome.status == 0 and "rolled back: the term d/generated is not finite" in " ".join(outcome.err.split())
    found = rows(tmp_path / "run")
    assert [row["step"] for row in found] == [4, 8, 12] and all(row["d/labeled"] is not None for row in found)
    rates = [row["learning_rate"] for row in found]
    assert rates[1:] == pytest.approx([rates[0] / 10] * 2)
    assert json.loads((tmp_path / "run/result.json").read_text())["rolled_back_from_step"] == 8


def test_what_comes_after_a_roll_back_is_what_a_slower_run_from_there_does_and_resumes_to_the_bit(command, tiny, tmp_path, not_finite):
    not_finite(7)
    words = ["--config", tiny, "--on_nonfinite", "rollback"]
    assert command("train", *words, "--out", tmp_path / "whole").status == 0
    not_finite(7)
    assert interrupted(command, words, tmp_path / "run", FeatureMatchingGAN, "before_evaluation", 3).status == 130
    age(tmp_path / "run")
    assert checkpoint(tmp_path / "run")["progress"]["rate_scale"] == 0.1
    assert command("train", *words, "--out", tmp_path / "run").status == 0
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_there_is_one_roll_back_a_run(command, tiny, tmp_path, not_finite):
    not_finite(7, 11)
    outcome = command("train", "--config", tiny, "--on_nonfinite", "rollback", "--out", tmp_path / "run")
    assert outcome.status == 1 and "rolled back" in outcome.err and "stopped: the term" in outcome.err


def test_without_a_checkpoint_there_is_nothing_to_go_back_to(command, tiny, tmp_path, not_finite):
    not_finite(2)
    outcome = command("train", "--config", tiny, "--on_nonfinite", "rollback", "--out", tmp_path / "run")
    assert outcome.status == 1 and "rolled back" not in outcome.err and "not finite since epoch 0, step 1" in outcome.err


def test_meters_are_joined_and_taken_apart_as_they_were():
    meters = [Meter(), Meter()]
    for k, meter in enumerate(meters):
        meter.add({"a": torch.tensor(1.0 + k), "b": torch.tensor(2.0)}, 0)
        meter.add({"a": torch.tensor(3.0)}, 1)
    both = Meters(["one", "two"])
    both.join(meters)
    for k, meter in enumerate(meters):
        assert str(both.one(k).state_dict()) == str(meter.state_dict())
    again = Meter()
    again.load_state_dict(meters[1].state_dict())
    assert again.read(4) == meters[1].read(4) == {"a": 2.5, "b": 2.0}
    both.add({"a": torch.tensor([1.0, torch.nan])}, 2)
    with pytest.raises(NonFiniteError, match="two: the term a is not finite since epoch 0, step 2"):
        both.check(4)


@pytest.mark.parametrize("change", [{"count": 0}, {"sums": torch.zeros(3)}, {"first": torch.zeros(1)}])
def test_a_meters_state_that_is_none_is_refused(change):
    entry = {"names": ["a", "b"], "sums": torch.zeros(2), "first": torch.zeros(2, dtype=torch.int64), "count": 1}
    with pytest.raises(ValueError, match="not one a term"):
        Meter().load_state_dict([entry | change])


ALIVE = {"liveness": True}


def test_a_run_is_left_as_it_was_by_the_look_at_its_terms(command, tiny, finished, tmp_path):
    assert command("train", "--config", tiny, "--liveness", "true", "--out", tmp_path / "run").status == 0
    assert_same_run(tmp_path / "run", finished)


def test_the_look_at_the_terms_leaves_the_way_of_computing_alone(tiny_tree, tmp_path):
    parser = config_parser()
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tiny_tree() | {"compile": True}))
    options = parser.parse_args(["--config", str(tmp_path / "config.yaml")])
    parts = build(parser, options)
    execution, before = parts.method.execution, parts.streams.state_dict()
    check_alive(parts, options, tmp_path)
    assert type(execution) is CompiledForward and parts.method.execution is parts.method.teacher.execution is execution
    assert_same(parts.streams.state_dict(), before)


def test_a_term_that_is_not_finite_from_the_start_is_refused_before_the_run_begins(command, tiny, tmp_path):
    words = ["--liveness", "true", "--method.learning_rate", ".nan"]
    outcome = command("train", "--config", tiny, *words, "--out", tmp_path / "run")
    assert outcome.status == 1 and "was not begun" in outcome.err and "--liveness false" in outcome.err and not (tmp_path / "run").exists()


def test_a_term_that_never_comes_is_spoken_of(command, tiny_tree, tmp_path):
    tree = tiny_tree() | ALIVE
    tree["method"]["init_args"]["sntg"]["init_args"]["start_epochs"] = 50
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tree))
    outcome = command("train", "--config", tmp_path / "config.yaml", "--out", tmp_path / "run")
    assert outcome.status == 0 and "d/graph has weight 0.1 but is never there" in outcome.err
