"""Studies: trials and their ends hang on the seed and earlier rounds alone, whatever is killed; and real ones, by the command."""

import dataclasses
import json
import math
import os
import shutil
import signal
import threading
from pathlib import Path

import pytest
import yaml
from helpers import studies
from helpers.processes import ended as process_ended
from helpers.studies import EPOCHS, RATE, SEED, simulated, study
from helpers.trees import POINTS

from gan_sntg.__main__ import main
from gan_sntg.experiments import executors, tuning
from gan_sntg.experiments.executors import Outcome
from gan_sntg.experiments.grid import load_grid
from gan_sntg.experiments.spaces import load_search, plan_study
from gan_sntg.runs.stopping import LATER


def truth(trial: dict) -> list[float]:
    """The mean errors that a trial has or would have after each epoch."""
    options = trial["options"]
    error = 20 * abs(math.log10(float(options[RATE[2:]]) / 0.003)) + 21.5
    return [error + (int(options["steps_per_epoch"]) - 40) / 4 * epoch for epoch in range(1, EPOCHS + 1)]


# --- what is proposed, and how it ends ----------------------------------------------------------------------------------


def test_trials_are_within_the_space_and_the_best_is_chosen_by_the_mean_over_seeds(place, command):
    outcome = command("tune", "search.yaml", "--only", "own", "--out", "out")
    assert outcome.status == 0, outcome.err
    found = study("out")
    assert len(found["trials"]) == 16 and {trial["state"] for trial in found["trials"]} == {"complete", "pruned", "fail"}
    for trial in found["trials"]:
        options = trial["options"]
        assert 1e-4 <= float(options[RATE[2:]]) <= 1e-1 and 20 <= int(options["steps_per_epoch"]) <= 60
        assert {"method.sntg.margin": "2.0", "method.sntg.weight": "0.1"}.items() <= options.items() or len(options) == 2
        if trial["state"] == "fail":
            assert trial["message"] == "status 1: gan-sntg train: stopped: d/labeled is not finite" and float(options[RATE[2:]]) > 0.02
    complete = [trial for trial in found["trials"] if trial["state"] == "complete"]
    assert all(trial["errors"] == pytest.approx([truth(trial)[-1] - 0.5, truth(trial)[-1] + 0.5]) for trial in complete)
    assert found["chosen"] == min(complete, key=lambda trial: sum(trial["errors"]))["options"]
    assert f"--method.learning_rate {found['chosen'][RATE[2:]]}" in outcome.out.splitlines()[5]


def test_a_study_minimises_the_metric_of_its_runs_whatever_their_error(place, command):
    words = ["tune", "search.yaml", "--only", "own"]
    assert command(*words, "--out", "error").status == 0
    outcome = command(*words, "--out", "out", "--", "--metric", "f1_error")
    assert outcome.status == 0 and "| trial | n | validation f1 error, % | options |" in outcome.out
    found, other = study("out"), study("error")
    assert found["chosen"] == other["chosen"] and found["metric"] == "f1_error" and "metric" not in other
    assert [trial["errors"] for trial in found["trials"]] == [trial["errors"] for trial in other["trials"]]
    errors = [json.loads((path / "result.json").read_text())["validation_error"] for path in Path("out/own/0000").iterdir()]
    means = {trial["trial"]: trial["mean"] for trial in found["trials"]}
    assert sum(errors) / 2 == pytest.approx(100 - means[0])  # what is chosen is not what the error would choose


def test_a_trial_ends_at_the_first_epoch_that_is_worse_than_the_median_of_earlier_rounds(place, command, monkeypatch):
    monkeypatch.setattr(studies, "PACE", 0.01)
    assert command("tune", "search.yaml", "--only", "own", "--trials", "40", "--out", "out").status == 0
    trials, late = sorted(study("out")["trials"], key=lambda trial: trial["trial"]), 0
    for trial in trials:
        before = [truth(other) for other in trials[: trial["trial"] - trial["trial"] % 3] if other["state"] == "complete"]
        ends = None
        for k in range(EPOCHS) if len(before) >= tuning.ALONE else ():
            errors = sorted(means[k] for means in before)
            median = (errors[(len(errors) - 1) // 2] + errors[len(errors) // 2]) / 2
            if ends is None and min(truth(trial)[: k + 1]) > median + 1e-9:
                ends = k + 1
        if trial["state"] != "fail":
            assert (trial["state"], trial["epochs"]) == (("complete", EPOCHS) if ends is None else ("pruned", ends))
            late += (ends or 0) > 1
    assert late
    whole = [(path / "result.json").exists() for path in Path("out/own").glob("*/*") if (path / "metrics.jsonl").exists()]
    assert not all(whole)  # a pruned trial's runs do not all go to their end


@pytest.mark.parametrize("processes", [1, 5])
def test_the_number_of_processes_and_a_study_in_two_parts_change_nothing(place, command, processes):
    assert command("tune", "search.yaml", "--only", "own", "--out", "whole", "--processes", "2").status == 0
    for trials in 4, 16:  # the first ends within a round
        assert command("tune", "search.yaml", "--only", "own", "--out", "parts", "--trials", trials, "--processes", processes).status == 0
    assert study("parts") == study("whole")


def test_another_seed_proposes_others(place, command):
    for seed in 0, 1:
        assert command("tune", "search.yaml", "--only", "own", "--trials", "3", "--seed", seed, "--out", f"out{seed}").status == 0
    rates = [{trial["options"][RATE[2:]] for trial in study(f"out{seed}")["trials"]} for seed in (0, 1)]
    assert not rates[0] & rates[1]


def killed_at(words: list[str]) -> int:
    """The command, in a process that SIGKILL ends at a call of a function of studies. words: its name, the call, the command's."""
    name, call, *words = words
    executors.LOOK, executors.perform = 0.001, simulated
    owner = executors if hasattr(executors, name) else tuning.Study
    real, calls, one = getattr(owner, name), iter(range(10**6)), threading.Lock()

    def killing(*arguments):
        with one:
            if next(calls) == int(call):
                os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments)

    setattr(owner, name, killing)
    return main(words)


def test_killed_wherever_it_is_and_started_again_it_proposes_and_finds_the_same_and_loses_nothing(place, command):
    assert command("tune", "search.yaml", "--only", "own", "--out", "whole").status == 0
    words = ["tune", "search.yaml", "--only", "own", "--out", "killed"]
    proposed = [trial["options"] for trial in sorted(study("whole")["trials"], key=lambda trial: trial["trial"])]
    for name, call in ("propose", 1), ("perform", 5), ("note", 1), ("perform", 9):
        assert process_ended(killed_at, [name, call, *words], place / "log") == -signal.SIGKILL
    kept = [trial["options"] for trial in tuned(place / "killed")]
    assert kept == proposed[: len(kept)] and 3 < len(kept) < 16
    assert command(*words).status == 0
    assert study("killed") == study("whole")


def tuned(folder: Path) -> list[dict]:
    """The trials of the study in a folder, by number."""
    search = load_search("search.yaml")
    with tuning.Study(plan_study(search, search.rows["own"], 1, [], None, 0), folder / "own") as study:
        return sorted(study.report()["trials"], key=lambda trial: trial["trial"])


def test_a_grid_tries_every_combination_once(place, command):
    assert command("tune", "search.yaml", "--only", "listed", "--out", "out").status == 0
    assert sorted(trial["options"][RATE[2:]] for trial in study("out", "listed")["trials"]) == ["0.001", "0.003", "0.01"]
    assert study("out", "listed")["chosen"] == {RATE[2:]: "0.003", "steps_per_epoch": "50"}


def test_the_report_keeps_other_studies_and_the_command_of_each_makes_it_again(place, command):
    for name in "own", "listed":
        assert command("tune", "search.yaml", "--only", name, "--trials", "3", "--out", "out").status == 0
    kept = json.loads(Path("out/search.json").read_text())
    assert list(kept) == ["own", "listed"] and kept["listed"]["command"] == "gan-sntg tune search.yaml --only listed --trials 3"
    before = Path("out/search.json").read_bytes()
    assert main([*kept["own"]["command"].split()[1:], "--out", "out"]) == 0 and Path("out/search.json").read_bytes() == before


def test_a_row_of_a_grid_takes_what_a_study_chose_and_says_which_command_makes_it_choose(place, command, refused):
    tree = {"title": "t", "columns": {"tiny": {"name": "T"}}, "rows": {"a": {"name": "A", "method": "b", "tuned": "search/listed"}}}
    Path("configs/tiny").mkdir(parents=True)
    shutil.copy("tiny.yaml", "configs/tiny/b.yaml")
    Path("grid.yaml").write_text(yaml.safe_dump(tree))
    remedy = "run `gan-sntg tune search --only listed --report results/search`"
    refused(["reproduce", "grid.yaml"], "results/search/search.json does not say what search/listed chose (FileNotFoundError", remedy)
    assert command("tune", "search.yaml", "--only", "listed", "--report", "results/search").status == 0
    ((row, column),) = (grid := load_grid("grid.yaml")).cells.values()
    assert grid.words(row, column)[2:] == [RATE, "0.003", "--steps_per_epoch", "50"]
    for damaged in "[]", "{}", '{"listed": {"chosen": null}}':
        Path("results/search/search.json").write_text(damaged)
        refused(["reproduce", "grid.yaml"], "does not say what search/listed chose", remedy)


@pytest.mark.parametrize("content", ["no json", "[1]", '{"own": {}}', '{"own": 3}'])
def test_a_report_that_is_none_is_not_overwritten(place, refused, content):
    Path("out").mkdir()
    Path("out/search.json").write_text(content)
    refused(["tune", "search.yaml", "--only", "own", "--out", "out"], "out/search.json cannot be added to", "give another --report")


@pytest.mark.parametrize(("status", "said"), [(-9, "Killed"), (1, "OutOfMemoryError"), (2, "gan-sntg train: error: no space is left")])
def test_a_run_that_is_lost_is_tried_again_by_the_same_command(place, command, monkeypatch, status, said):
    monkeypatch.setattr(executors, "perform", lambda cell, limits, stop: Outcome(cell, status, said))
    outcome = command("tune", "search.yaml", "--only", "own", "--out", "out")
    assert outcome.status == 1 and "3 trials were lost; the same command goes on with them" in outcome.err
    assert f"status {status}: {said}" in outcome.err
    monkeypatch.setattr(executors, "perform", simulated)
    for out in "out", "whole":
        assert command("tune", "search.yaml", "--only", "own", "--out", out).status == 0
    assert study("out") == study("whole")


def test_an_end_before_a_seed_was_over_decides_nothing(place, command, monkeypatch):
    """Seed 1 is finished or failed, seed 2 is not begun: the trial goes on, and ends as it would have."""

    def first_seed(cell, limits, stop) -> Outcome:
        return simulated(cell, limits, stop) if cell.seed == 1 else Outcome(cell, LATER, "not begun")

    monkeypatch.setattr(executors, "perform", first_seed)
    assert command("tune", "search.yaml", "--only", "own", "--out", "out").status == LATER
    assert {trial["state"] for trial in study("out")["trials"]} == {"running"}
    monkeypatch.setattr(executors, "perform", simulated)
    for out in "out", "whole":
        assert command("tune", "search.yaml", "--only", "own", "--out", out).status == 0
    assert study("out") == study("whole")


def test_options_that_train_refuses_fail_their_trial_and_no_other(place, command, monkeypatch):
    tree = {"config": "tiny.yaml", "sampler": "grid", "space": {"method.sntg.attraction_margin": [5, 0.5]}}
    Path("search.yaml").write_text(yaml.safe_dump({"seeds": "1", "rows": {"own": tree}}))

    def perform(cell, limits, stop) -> Outcome:
        if cell.words[cell.words.index("--method.sntg.attraction_margin") + 1] == "5":
            return Outcome(cell, 2, "gan-sntg train: error: SNTG cannot have")
        return simulated(dataclasses.replace(cell, words=[RATE, "0.01", "--steps_per_epoch", "40", SEED, "1"]), limits, stop)

    monkeypatch.setattr(executors, "perform", perform)
    assert command("tune", "search.yaml", "--out", "out").status == 0
    assert [trial["state"] for trial in study("out")["trials"]] == ["complete", "fail"]


def test_data_that_are_not_there_refuse_the_study_and_fail_no_trial(place, command):
    tree = {"config": "mnist_50/fm_gan", "space": {"method.sntg.weight": [0.1, 1]}}
    Path("search.yaml").write_text(yaml.safe_dump({"seeds": "1", "rows": {"own": tree}}))
    outcome = command("tune", "search.yaml", "--out", "out", "--", "--data.root", "nowhere")
    assert outcome.status == 2 and "the runs of own cannot begin, whatever is tried: nowhere/MNIST" in outcome.err
    assert study("out")["trials"] == []


def test_a_torn_last_line_of_the_journal_is_forgotten(place, command):
    for out in "out", "whole":
        assert command("tune", "search.yaml", "--only", "own", "--trials", "6", "--out", out).status == 0
    with Path("out/own/study.journal").open("a") as file:
        file.write('{"op_code": 4, "worker')
    for out in "out", "whole":
        assert command("tune", "search.yaml", "--only", "own", "--out", out).status == 0
    assert study("out") == study("whole")


# --- real runs ------------------------------------------------------------------------------------------------------------


def test_trials_are_runs_of_train_on_validation_images_and_time_that_is_over_is_gone_on_from(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    Path("points.yaml").write_text(yaml.safe_dump(POINTS))
    rows = {"points": {"config": "points.yaml", "space": {RATE[2:]: [0.01]}, "sampler": "grid"}}
    Path("search.yaml").write_text(yaml.safe_dump({"seeds": "7", "options": "--interval_epochs 1", "rows": rows}))
    outcome = command("tune", "search.yaml", "--max_minutes", "0.0001")
    assert outcome.status == LATER and "Time limit reached; points not done. Run the same command to resume." in outcome.err
    outcome = command("tune", "search.yaml", "--processes", "2", "--report", "results")
    assert outcome.status == 0, outcome.err
    found = json.loads(Path("results/search.json").read_text())["points"]
    for trial in found["trials"]:
        result = json.loads(Path(f"runs/tune/search/points/{trial['trial']:04d}/7/result.json").read_text())
        assert result["validation_error"] == trial["mean"] and result["seed"] == result["data_seed"] == 7
        assert result["config"]["method"]["init_args"]["learning_rate"] == float(trial["options"][RATE[2:]])
    shutil.rmtree("results")
    assert command("tune", "search.yaml", "--report", "results").status == 0
    assert json.loads(Path("results/search.json").read_text())["points"]["trials"] == found["trials"]
