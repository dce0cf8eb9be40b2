"""Run folders: what is written when, what is forgotten on resuming, and what TensorBoard sees."""

import json
import subprocess

import pytest
import torch
from helpers.run_folders import age
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_sntg.errors import InputError
from gan_sntg.runs import folder as runs_folder
from gan_sntg.runs.folder import RunFolder, installed

CPU = torch.device("cpu")


def opened(path, step: int = 0) -> RunFolder:
    folder = RunFolder(path)
    folder.open("a: 1\n", "{}\n", CPU, step)
    folder.release()  # for another of this process
    return folder


def scalars(folder: RunFolder) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder.tensorboard)).Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_nothing_is_written_before_the_folder_is_opened(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.check_unused()
    assert not folder.finished and folder.rows() == [] and list(tmp_path.iterdir()) == []


def test_config_and_split_are_written_once_and_each_session_adds_its_environment(tmp_path):
    opened(tmp_path / "run").writer.close()
    again = RunFolder(tmp_path / "run")
    again.open("b: 2\n", "[]\n", CPU, 0)
    again.writer.close()
    assert again.config.read_text() == "a: 1\n" and again.split.read_text() == "{}\n"
    sessions = json.loads(again.environment.read_text())
    assert len(sessions) == 2 and torch.__version__.startswith(sessions[0]["packages"]["torch"])
    assert sessions[0]["threads"] == torch.get_num_threads()


def test_the_scalars_of_tensorboard_are_those_of_the_rows(tmp_path):
    folder = opened(tmp_path / "run")
    folder.log(1, 10, 0.123, {"d/labeled": 0.5, "test_error/last": 12.25})
    folder.log(2, 20, 0.5, {"d/labeled": 0.25, "test_error/last": 6.5})
    assert folder.rows() == [
        {"epoch": 1, "step": 10, "seconds": 0.12, "d/labeled": 0.5, "test_error/last": 12.25},
        {"epoch": 2, "step": 20, "seconds": 0.5, "d/labeled": 0.25, "test_error/last": 6.5},
    ]
    assert scalars(folder) == {"d/labeled": [(10, 0.5), (20, 0.25)], "test_error/last": [(10, 12.25), (20, 6.5)]}


def test_nan_is_null_in_the_rows(tmp_path):
    folder = opened(tmp_path / "run")
    folder.log(1, 10, 0.0, {"graph/precision": float("nan")})
    row = json.loads(folder.metrics.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert row["graph/precision"] is None


@pytest.mark.parametrize("step", [0, 10, 20])
def test_what_was_logged_after_the_checkpoint_is_forgotten_on_resuming(tmp_path, step):
    first = opened(tmp_path / "run")
    for k in 10, 20, 30:
        first.log(k // 10, k, 0.0, {"x": float(k)})
    first.writer.close()
    age(first.path)
    again = opened(tmp_path / "run", step)
    for k in range(step + 10, 41, 10):
        again.log(k // 10, k, 0.0, {"x": k + 0.5})
    expected = [(k, float(k) if k <= step else k + 0.5) for k in (10, 20, 30, 40)]
    assert [(row["step"], row["x"]) for row in again.rows()] == expected
    assert scalars(again) == {"x": expected}


def test_a_line_torn_by_a_crash_ends_the_rows(tmp_path):
    folder = opened(tmp_path / "run")
    folder.log(1, 10, 0.0, {"x": 1.0})
    with folder.metrics.open("a") as file:
        file.write('{"epoch": 2, "st')
    assert [row["step"] for row in folder.rows()] == [10]
    folder.writer.close()
    again = opened(tmp_path / "run", 10)
    again.log(2, 20, 0.0, {"x": 2.0})
    assert [row["step"] for row in again.rows()] == [10, 20]


def test_images_are_in_the_image_tab(tmp_path):
    folder = opened(tmp_path / "run")
    folder.log_image("samples", torch.zeros(3, 6, 8, dtype=torch.uint8), 10)
    folder.writer.close()
    (image,) = EventAccumulator(str(folder.tensorboard)).Reload().Images("samples")
    assert (image.step, image.height, image.width) == (10, 6, 8)


def test_the_result_says_that_the_run_is_finished(tmp_path):
    folder = opened(tmp_path / "run")
    folder.finish({"test_error_last": 12.5})
    assert folder.finished and json.loads(folder.result.read_text()) == {"test_error_last": 12.5}


def test_a_folder_with_other_things_or_a_file_is_refused_and_an_empty_folder_is_not(tmp_path):
    RunFolder(tmp_path).check_unused()
    (tmp_path / "thesis.tex").write_text("mine")
    for path in tmp_path, tmp_path / "thesis.tex":
        with pytest.raises(InputError, match="exists and is not a run folder .*choose another with --out"):
            RunFolder(path).check_unused()


def test_what_a_run_left_that_was_killed_before_its_config_was_written_is_no_other_thing(tmp_path):
    folder = opened(tmp_path / "run")
    folder.release()
    folder.writer.close()
    for path in [folder.config, folder.metrics, folder.environment, *folder.tensorboard.iterdir()]:
        path.unlink()
    (folder.path / ".config.yaml.tmp").write_text("half of")
    folder.check_unused()
    (folder.samples / "mine.png").write_text("mine")
    with pytest.raises(InputError, match="is not a run folder"):
        folder.check_unused()


def test_a_manifest_that_someone_put_into_a_folder_is_not_overwritten(tmp_path):
    (tmp_path / "split.json").write_text("mine")
    with pytest.raises(InputError, match="is not a run folder"):
        RunFolder(tmp_path).check_unused()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="file/run cannot be written .*choose another folder with --out"):
        opened(tmp_path / "file" / "run")


def test_the_revision_is_that_of_the_code_and_says_where_it_was_changed(tmp_path, monkeypatch):
    def git(*words):
        person = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
        return subprocess.run(["git", "-C", tmp_path, *person, *words], check=True, capture_output=True, text=True).stdout.strip()

    monkeypatch.setattr(runs_folder, "__file__", str(tmp_path / "code.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "code.py").write_text("1\n")
    assert runs_folder.revision() is None
    git("init")
    assert runs_folder.revision() is None
    git("add", "code.py")
    git("commit", "-m", "one")
    assert runs_folder.revision() == git("rev-parse", "HEAD")
    (tmp_path / "code.py").write_text("2\n")
    assert runs_folder.revision() == git("rev-parse", "HEAD") + "+dirty"


def test_a_package_that_is_not_installed_has_no_version():
    assert installed("no-such-package-of-ours") is None and installed("torch")
