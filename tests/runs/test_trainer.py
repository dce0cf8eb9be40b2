"""One run from start to end: terms that are not finite, the look at the terms before it, and what is said to whoever trains."""

import json
import re

import pytest
import torch
import yaml
from helpers.run_folders import assert_same_run, interrupted, rows, scalars
from helpers.tiny import assert_same

from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.methods.telemetry import graph_alarms, telemetry_warnings
from gan_sntg.networks.gan import DenseGenerator
from gan_sntg.networks.passes import CompiledForward, Precision
from gan_sntg.runs import seeds
from gan_sntg.runs.build import build
from gan_sntg.runs.options import config_parser
from gan_sntg.training.term_check import check_terms


def message(outcome) -> str:
    return " ".join(outcome.err.split())


# --- terms that are not finite ----------------------------------------------------------------------------------------


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


def saved(run) -> dict:
    return torch.load(run / "checkpoints/last.pt", weights_only=True)


def test_it_stops_the_run_with_its_state_beside_the_last_good_one(command, tiny, tmp_path, not_finite):
    not_finite(7)
    outcome = command("train", "--config", tiny, "--out", tmp_path / "run")
    assert outcome.status == 1 and "the term d/generated is not finite since epoch 1, step 6" in outcome.err
    dumped = torch.load(tmp_path / "run/checkpoints/nonfinite.pt", weights_only=True)
    assert dumped["progress"]["step"] == 8 and saved(tmp_path / "run")["progress"]["step"] == 4
    assert not (tmp_path / "run/result.json").exists() and len(rows(tmp_path / "run")) == 1


def test_it_is_never_saved_between_intervals(command, tiny, tmp_path, not_finite):
    not_finite(7)
    words = ["--interval_epochs", 3, "--checkpoint_minutes", 1e-9]
    outcome = command("train", "--config", tiny, *words, "--out", tmp_path / "run")
    assert outcome.status == 1 and "not finite since epoch 1, step 6" in outcome.err
    assert saved(tmp_path / "run")["progress"]["step"] == 6


def test_a_roll_back_goes_on_from_the_last_good_state_at_a_tenth_of_the_rate_and_resumes_to_the_bit(command, tiny, tmp_path, not_finite):
    not_finite(7)
    words = ["--config", tiny, "--on_nonfinite", "rollback"]
    outcome = command("train", *words, "--out", tmp_path / "whole")
    assert outcome.status == 0 and "rolled back: the term d/generated is not finite" in message(outcome)
    found = rows(tmp_path / "whole")
    assert [row["step"] for row in found] == [4, 8, 12] and all(row["d/labeled"] is not None for row in found)
    rates = [row["learning_rate"] for row in found]
    assert rates[1:] == pytest.approx([rates[0] / 10] * 2)
    assert json.loads((tmp_path / "whole/result.json").read_text())["rolled_back_from_step"] == 8
    not_finite(7)
    assert interrupted(command, words, tmp_path / "run", FeatureMatchingGAN, "before_evaluation", 3).status == 130
    assert saved(tmp_path / "run")["progress"]["rate_scale"] == 0.1
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


# --- the look at the terms before a run -------------------------------------------------------------------------------


def test_a_run_is_left_as_it_was_by_the_look_at_its_terms(command, tiny, finished, tmp_path):
    assert command("train", "--config", tiny, "--liveness", "true", "--out", tmp_path / "run").status == 0
    assert_same_run(tmp_path / "run", finished)


def test_the_look_at_the_terms_leaves_the_way_of_computing_alone(tiny_tree, tmp_path):
    parser = config_parser()
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tiny_tree() | {"compile": True}))
    options = parser.parse_args(["--config", str(tmp_path / "config.yaml")])
    parts = build(parser, options)
    execution, before = parts.method.execution, parts.streams.state_dict()
    check_terms(parts.method, parts.streams, (50, 50), 2, Precision.float32, tmp_path)
    assert type(execution) is CompiledForward and parts.method.execution is parts.method.teacher.execution is execution
    assert_same(parts.streams.state_dict(), before)


def test_a_term_that_is_not_finite_from_the_start_is_refused_before_the_run_begins(command, tiny, tmp_path):
    words = ["--liveness", "true", "--method.learning_rate", ".nan"]
    outcome = command("train", "--config", tiny, *words, "--out", tmp_path / "run")
    assert outcome.status == 1 and "was not begun" in outcome.err and "--liveness false" in outcome.err and not (tmp_path / "run").exists()


def test_a_term_that_never_comes_is_spoken_of(command, tiny_tree, tmp_path):
    tree = tiny_tree() | {"liveness": True}
    tree["method"]["init_args"]["sntg"]["init_args"]["start_epochs"] = 50
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tree))
    outcome = command("train", "--config", tmp_path / "config.yaml", "--out", tmp_path / "run")
    assert outcome.status == 0 and "d/graph has weight 0.1 but is never there" in outcome.err


# --- what is said to whoever trains -----------------------------------------------------------------------------------


SICK = {"diversity": 0.004, "copies": 1.0, "nearest_share": 0.996, "effective_rank": 1.26, "effective_rank_real": 40.04, "collapsed": 1.0}


@pytest.fixture
def collapsing(monkeypatch):
    """As a function of k: every generator draws k images only."""
    forward = DenseGenerator.forward
    return lambda k: monkeypatch.setattr(DenseGenerator, "forward", lambda g, z: forward(g, z)[[i % k for i in range(len(z))]])


def test_a_healthy_gan_and_a_method_without_one_give_no_concern():
    assert telemetry_warnings({"gan/collapsed": 0.0}) == telemetry_warnings({"net/labeled": 1.0}) == {}
    assert telemetry_warnings({"weight/graph": 1.0, "graph/negatives_inside_margin": 0.05}) == {}
    assert telemetry_warnings({"weight/graph": 0.0, "graph/negatives_inside_margin": 0.0}) == {}


def test_a_graph_without_negatives_inside_the_margin_is_a_concern():
    said = telemetry_warnings({"weight/graph": 1.0, "graph/negatives_inside_margin": 0.049})
    assert said["margin"].startswith("4.9% of the negative pairs are inside the margin") and "--method.sntg.margin" in said["margin"]


def seen(**figures) -> dict[str, float]:
    """A row of the log with SNTG on and nothing wrong, but for the figures."""
    fine = {"weight/graph": 0.5, "graph/least_share": 0.4, "graph/distance_positive": 3.0, "g/matching": 2.0}
    return fine | {f"graph/{name}" if name != "matching" else "g/matching": value for name, value in figures.items()}


def test_a_class_under_a_third_of_its_prior_is_absorbed_and_the_warning_says_what_to_try():
    assert graph_alarms([], seen(least_share=0.34))["graph/absorbed"] == 0
    assert graph_alarms([], alarmed := seen(least_share=0.33))["graph/absorbed"] == 1
    said = telemetry_warnings(alarmed | graph_alarms([], alarmed))["absorbed"]
    assert (
        said.startswith("a class has 33% of the images that its prior gives it") and "--method.sntg.balance DistributionAlignment" in said
    )


def test_features_drawn_together_and_matching_fallen_since_any_earlier_row_are_an_alarm_and_one_alone_is_none():
    rows = [seen(distance_positive=None, matching=0.1), seen(), seen(distance_positive=1.0, matching=1.0)]
    for figures, expected in (((0.59, 0.19), 1), ((0.61, 0.19), 0), ((0.59, 0.21), 0), ((float("nan"), 0.1), 0)):
        row = seen(distance_positive=figures[0], matching=figures[1])
        assert graph_alarms(rows, row)["graph/drawn_together"] == expected
        assert ("drawn together" in telemetry_warnings(row | graph_alarms(rows, row))) == expected


def test_neither_alarm_is_given_without_sntg_and_only_one_without_a_gan():
    assert graph_alarms([], seen() | {"weight/graph": 0.0}) == graph_alarms([], {"net/labeled": 1.0}) == {}
    row = seen(distance_positive=0.1)
    del row["g/matching"]
    assert graph_alarms([seen()], row) == {"graph/absorbed": 0.0}


def test_a_collapse_is_described_by_its_figures_and_with_what_to_try():
    said = telemetry_warnings({f"gan/{name}": value for name, value in SICK.items()})["collapse"]
    assert said.startswith(
        "the generator has collapsed: in D's features its images are 0.4% as far apart as real ones, 100% of them repeat"
    )
    assert "another, 100% have one real image nearest, and their effective rank is 1.3 (real: 40.0)" in said
    assert "--method.learning_rate or another --seed" in said


@pytest.mark.parametrize("k", [1, 2])
def test_a_collapsed_generator_is_flagged_in_the_log_and_spoken_of_once_a_session(command, tiny, tmp_path, collapsing, k):
    collapsing(k)
    run = ["--config", tiny]
    first = interrupted(command, run, tmp_path, FeatureMatchingGAN, "step", 10)
    second = command("train", *run, "--out", tmp_path)
    for outcome, epoch in (first, 1), (second, 3):
        assert message(outcome).count(f"seed 0, epoch {epoch}: the generator has collapsed") == message(outcome).count("has collapsed") == 1
    assert second.status == 0 and [row["gan/collapsed"] for row in rows(tmp_path)] == [1, 1, 1]
    assert [value for _, value in scalars(tmp_path)["gan/collapsed"]] == ["1.0", "1.0", "1.0"]


@pytest.mark.parametrize("stack", [True, False], ids=["stacked", "in turn"])
def test_of_several_seeds_each_is_flagged_and_named(command, tiny, tmp_path, collapsing, monkeypatch, stack):
    monkeypatch.setattr(seeds, "ONE_PROGRAM_ON", ("cpu",) if stack else ())
    collapsing(1)
    outcome = command("train", "--config", tiny, "--seeds", "3,5", "--out", tmp_path)
    assert outcome.status == 0 and ("one after another" in outcome.err) != stack
    assert [message(outcome).count(f"seed {seed}, epoch 1: the generator has collapsed") for seed in (3, 5)] == [1, 1]
    assert all([row["gan/collapsed"] for row in rows(tmp_path / str(seed))] == [1, 1, 1] for seed in (3, 5))


@pytest.mark.parametrize("stack", [True, False], ids=["stacked", "in turn"])
def test_ordinary_runs_are_watched_and_not_flagged(command, tiny, tmp_path, monkeypatch, stack):
    monkeypatch.setattr(seeds, "ONE_PROGRAM_ON", ("cpu",) if stack else ())
    outcome = command("train", "--config", tiny, "--seeds", "0,1", "--out", tmp_path)
    assert outcome.status == 0 and "collapsed" not in outcome.err
    for row in rows(tmp_path / "0") + rows(tmp_path / "1"):
        assert row["gan/collapsed"] == 0 and row["gan/diversity"] > 0.1 and row["gan/effective_rank"] > 1.5 and row["gan/copies"] < 0.1
        assert sum(row[f"gan/class_{k}"] for k in range(10)) == pytest.approx(1) and row["gan/effective_rank_real"] > 1.5


def test_a_method_without_a_generator_logs_no_health(command, tiny_tree, labels_alone, tmp_path):
    (tmp_path / "labels.yaml").write_text(yaml.safe_dump(tiny_tree() | {"method": labels_alone(), "epochs": 1}))
    assert command("train", "--config", tmp_path / "labels.yaml", "--out", tmp_path / "run").status == 0
    assert not any(name.startswith("gan/") for name in rows(tmp_path / "run")[0])


# --- a log file, and a terminal -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["--seeds", "3"], ["--seeds", "3,4"], ["--validation", "true"]], ids=" ".join)
def test_a_log_file_has_a_line_an_interval_as_it_ends(command, tiny, tmp_path, words):
    outcome = command("train", "--config", tiny, *words, "--out", tmp_path / "run")
    runs = [tmp_path / "run" / seed for seed in words[1].split(",")] if words[0] == "--seeds" else [tmp_path / "run"]
    lines = [line for line in outcome.err.splitlines() if ": epoch " in line]
    assert len(lines) == 3 * len(runs)
    for run in runs:
        kind = "validation" if "--validation" in words else "test"
        expected = [
            rf"{run}: epoch {k} of 3: {kind} error \d+\.\d\d %  averaged \d+\.\d\d %(, about \d:\d\d:\d\d left)?" for k in (1, 2, 3)
        ]
        assert all(map(re.fullmatch, expected, [line for line in lines if line.startswith(f"{run}:")]))
    assert "left" in outcome.err


@pytest.mark.parametrize(("variables", "lines"), [({"TERM": "xterm"}, 0), ({"TERM": "dumb"}, 3)], ids=str)
def test_a_terminal_shows_the_progress_and_one_that_cannot_move_its_cursor_the_lines(
    command, tiny, tmp_path, monkeypatch, variables, lines
):
    for name, value in (variables | {"FORCE_COLOR": "1"}).items():
        monkeypatch.setenv(name, value)
    outcome = command("train", "--config", tiny, "--out", tmp_path / "run")
    assert outcome.err.count(": epoch ") == lines and ("\x1b" in outcome.err) == (lines == 0)
