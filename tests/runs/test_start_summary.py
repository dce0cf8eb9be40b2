"""What `train` says before its first step, and, once its first steps were timed, of the time that it needs."""

import json
import re
from pathlib import Path

import pytest
import torch
import yaml
from helpers import trees

from gan_sntg.runs import seeds, stopping
from gan_sntg.runs.options import config_reader
from gan_sntg.runs.seeds import say_time, too_long
from gan_sntg.runs.stopping import Forecast
from gan_sntg.training.loop import Progress

LONGER = "warning: longer than --epochs"


def test_a_run_says_what_it_is_about_to_do_and_nothing_of_it_on_standard_output(command, tiny, finished, tmp_path):
    outcome, again = (command("train", "--config", tiny, "--out", out) for out in (tmp_path / "run", finished))
    *lines, images = outcome.err.splitlines()[:5]
    assert lines == [
        f"{tmp_path / 'run'}: digits, 10 classes, images of 1 x 8 x 8",
        "  20 labels, 2 of each class; 1,400 images to train on, 1,380 of them without a label; none for validation, 397 to test on",
        "  FeatureMatchingGAN, SNTG of weight 0.1; parameters in millions: discriminator 0.00141, generator 0.00116, teacher 0.00141, "
        "average 0.00141",
        "  3 epochs x 4 steps, in float32 on the CPU (threads: 1)",
    ]
    assert re.fullmatch(r"  0\.1 MB of images in the host's memory \([\d,.]+ GB free\)", images)
    printed = [own.out.replace(str(folder), "RUN") for own, folder in ((outcome, tmp_path / "run"), (again, finished))]
    first, second = ([line.split(":")[0] for line in text.splitlines()] for text in printed)
    assert first == second and first[0] == "RUN"
    assert "images of" not in again.err  # nothing is about to be done


def test_the_rarest_class_is_named_and_so_are_the_validation_images(command, tiny, tmp_path):
    words = ["--labels", 23, "--balance", "rounded", "--validation", "true", "--method.sntg.weight", 0, "--epochs", 1]
    outcome = command("train", "--config", tiny, *words, "--out", tmp_path / "run")
    counts = torch.bincount(labels_of(tmp_path / "run"), minlength=10)
    least, most = int(counts.argmin()), int(counts.argmax())
    assert (counts[least], counts[most]) == (2, 3)
    labels = f"  23 labels, from 2 ({least}, the rarest) to 3 ({most}) of a class"
    rest = "1,000 images to train on, 977 of them without a label; 400 for validation, 397 to test on\n"
    assert f"{labels}; {rest}" in outcome.err and "FeatureMatchingGAN, SNTG off;" in outcome.err


def labels_of(run: Path) -> torch.Tensor:
    """The classes of the labelled images of a run on the digits."""
    parser = config_reader()
    data = parser.instantiate(parser.parse_object({"data": "Digits"})).data
    return data.train_y[json.loads((run / "split.json").read_text())["labeled"]]


def test_points_have_no_pixels(command, tmp_path):
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(trees.POINTS))
    assert "4 classes, points of the plane\n" in command("train", "--config", tmp_path / "a.yaml", "--out", tmp_path / "a").err


def test_a_run_that_goes_on_says_from_where(command, tiny, run):
    (run / "result.json").unlink()
    (run / "checkpoints/last-1.pt").rename(run / "checkpoints/last.pt")
    assert "3 epochs x 4 steps, of which step 8 is done, in float32" in command("train", "--config", tiny, "--out", run).err


def test_of_several_seeds_the_first_is_summed_up_and_the_others_are_named(command, tiny, tmp_path):
    outcome = command("train", "--config", tiny, "--seeds", "0,3..4", "--epochs", 1, "--out", tmp_path)
    assert outcome.err.count("10 classes") == 1 and outcome.err.count("then the same with seed 3, 4\n") == 1


# --- ramps that outlast the run ---------------------------------------------------------------------------------------


def test_ramps_that_outlast_the_run_are_named_with_both_values_and_scale(command, tiny, tmp_path):
    words = ["--method.decay_epochs", 20, "--method.sntg.ramp_epochs", 9, "--epochs", 2]
    outcome = command("train", "--config", tiny, *words, "--out", tmp_path / "a")
    assert f"{LONGER} 2, so that the run ends before they do: " in outcome.err and "--scale F in place of --epochs" in outcome.err
    assert "--method.decay_epochs 20" in outcome.err and "--method.sntg.ramp_epochs 9" in outcome.err
    outcome = command("train", "--config", tiny, *words, "--method.sntg.weight", 0, "--out", tmp_path / "b")
    assert "--method.decay_epochs 20;" in outcome.err and "sntg" not in outcome.err
    assert LONGER not in command("train", "--config", tiny, "--out", tmp_path / "c").err


class Weighted:
    """A method of which a warning asks no more than its weights."""

    def __init__(self, **weights: float):
        self.weights = lambda: {f"net/{name}": weight for name, weight in weights.items()}


def test_a_ramp_counts_where_it_ramps_something():
    config = {"epochs": "5", "interval_epochs": "50", "method.init_args.w.ramp_epochs": "80"}
    config |= {"method.init_args.schedule.init_args.epochs": ".inf", "method.init_args.early_epochs": "null"}
    assert too_long(config, 5, Weighted(labeled=1.0, consistency=0.0, graph=0.0)) == []
    assert "--method.w.ramp_epochs 80;" in too_long(config, 5, Weighted(consistency=1.0))[0]
    assert too_long(config, 80, Weighted(consistency=1.0)) == []


# --- the time that it needs -------------------------------------------------------------------------------------------


def test_a_forecast_times_the_steps_after_the_first_with_the_pauses_between_and_is_said_once(monkeypatch):
    clock, said, progress = [0.0], [], Progress()
    monkeypatch.setattr(stopping.time, "monotonic", lambda: clock[0])
    progress.step = 100  # gone on from there
    forecast = Forecast(progress, torch.device("cpu"), said.append)
    for seconds in (60.0, 30.0, 30.0, 2.0, 2.0, 2.0, 2.0):  # the first are slow, as they compile and allocate
        clock[0], progress.step = clock[0] + seconds, progress.step + 1
        forecast.tick()
    assert said == []  # 8 seconds are not enough
    clock[0] += 4.0  # an evaluation
    forecast.tick()
    forecast.tick()
    assert said == [3.0]


def test_the_time_that_is_left_is_said_once_a_run_and_not_where_it_ends_before(command, tiny, tmp_path, monkeypatch):
    assert "measured over" not in command("train", "--config", tiny, "--out", tmp_path / "a").err
    monkeypatch.setattr(stopping, "ENOUGH", 0.0)
    outcome = command("train", "--config", tiny, "--seeds", "0,1", "--out", tmp_path / "b")
    assert outcome.err.count("left, measured over") == 1 and f"{tmp_path / 'b/0'}: about 0.0 min left, measured" in outcome.err
    assert "warning" not in outcome.err


@pytest.mark.parametrize(("hours", "said"), [(0.5, "about 30.0 min left"), (25.0, "about 25.0 h left")])
def test_more_than_an_hour_on_a_cpu_is_warned_of_with_what_makes_it_shorter(command, tiny, tmp_path, monkeypatch, hours, said):
    monkeypatch.setattr(stopping, "ENOUGH", 0.0)
    monkeypatch.setattr(seeds, "say_time", lambda trainer, _: say_time(trainer, hours * 3600 / (12 - trainer.progress.step)))
    outcome = command("train", "--config", tiny, "--out", tmp_path / "run")
    assert said in outcome.err and ("without evaluations" in outcome.err) == ("measured" not in outcome.out)
    warning = "warning: more than an hour on this CPU; --scale 0.04, smaller networks or a GPU make it shorter\n"
    assert outcome.err.count(warning) == (hours > 1)
