"""Run folders: what is written when, what is forgotten on resuming, what TensorBoard sees, and which files of them are refused."""

import io
import json
import pickle
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.run_folders import scalars
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

from gan_sntg.errors import InputError
from gan_sntg.files.import_paths import installed
from gan_sntg.runs import folder as runs_folder
from gan_sntg.runs.folder import RunFolder


def opened(path, step: int = 0) -> RunFolder:
    folder = RunFolder(path)
    folder.open("a: 1\n", "{}\n", torch.device("cpu"), step)
    folder.release()  # for another of this process
    return folder


def test_nothing_is_written_before_the_folder_is_opened(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.check_unused()
    assert not folder.finished and folder.rows() == [] and list(tmp_path.iterdir()) == []


def test_config_and_split_are_written_once_and_each_session_adds_its_environment(tmp_path):
    opened(tmp_path / "run").writer.close()
    again = RunFolder(tmp_path / "run")
    again.open("b: 2\n", "[]\n", torch.device("cpu"), 0)
    again.writer.close()
    assert again.config.read_text() == "a: 1\n" and again.split.read_text() == "{}\n"
    sessions = json.loads(again.environment.read_text())
    assert len(sessions) == 2 and torch.__version__.startswith(sessions[0]["packages"]["torch"])
    assert sessions[0]["threads"] == torch.get_num_threads() and sessions[0]["device"] == runs_folder.processor()


def test_the_scalars_of_tensorboard_are_those_of_the_rows(tmp_path):
    folder = opened(tmp_path / "run")
    folder.log(1, 10, 0.123, {"d/labeled": 0.5, "test_error/last": 12.25})
    folder.log(2, 20, 0.5, {"d/labeled": 0.25, "test_error/last": 6.5})
    assert folder.rows() == [
        {"epoch": 1, "step": 10, "seconds": 0.12, "d/labeled": 0.5, "test_error/last": 12.25},
        {"epoch": 2, "step": 20, "seconds": 0.5, "d/labeled": 0.25, "test_error/last": 6.5},
    ]
    assert scalars(folder.path) == {"d/labeled": [(10, "0.5"), (20, "0.25")], "test_error/last": [(10, "12.25"), (20, "6.5")]}


def test_nan_is_null_in_the_rows(tmp_path):
    folder = opened(tmp_path / "run")
    folder.log(1, 10, 0.0, {"graph/precision": float("nan")})
    row = json.loads(folder.metrics.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert row["graph/precision"] is None


def test_tensorboard_calls_a_run_by_its_folder_and_one_of_an_earlier_version_goes_on_where_it_was(tmp_path):
    opened(tmp_path / "runs/new").log(1, 10, 0.0, {"x": 1.0})
    (tmp_path / "runs/old/tensorboard").mkdir(parents=True)
    opened(tmp_path / "runs/old").log(1, 10, 0.0, {"x": 2.0})
    found = EventMultiplexer().AddRunsFromDirectory(str(tmp_path / "runs")).Reload()
    assert {name: [event.value for event in found.Scalars(name, "x")] for name in found.Runs()} == {"new": [1.0], "old/tensorboard": [2.0]}
    assert not (tmp_path / "runs/new/tensorboard").exists()


@pytest.mark.parametrize("seconds", [0, -1, -3600, 3600])
def test_tensorboard_shows_the_rows_of_a_run_that_goes_on_wherever_the_clock_was_set(tmp_path, monkeypatch, seconds):
    first, clock = opened(tmp_path / "run"), time.time
    for k in 10, 20, 30:
        first.log(k // 10, k, 0.0, {"x": float(k)})
    first.writer.close()
    monkeypatch.setattr(time, "time", lambda: clock() + seconds)
    for session, ends in enumerate((30, 40), 1):
        again = opened(tmp_path / "run", 10)
        for k in range(20, ends + 1, 10):
            again.log(k // 10, k, 0.0, {"x": k + session / 4})
        again.writer.close()
    assert scalars(again.path) == {"x": [(row["step"], repr(row["x"])) for row in again.rows()]}
    assert [row["x"] for row in again.rows()] == [10.0, 20.5, 30.5, 40.5]


def test_event_files_are_named_by_seconds_of_their_own_for_tensorboard_reads_them_in_that_order(tmp_path):
    (folder := opened(tmp_path / "run")).forget_after(0)
    assert len({path.name.split(".")[3] for path in folder.tensorboard.glob("events.out.*")}) == 2


@pytest.mark.parametrize("step", [0, 10, 20])
def test_what_was_logged_after_the_checkpoint_is_forgotten_on_resuming(tmp_path, step):
    first = opened(tmp_path / "run")
    for k in 10, 20, 30:
        first.log(k // 10, k, 0.0, {"x": float(k)})
    first.writer.close()
    again = opened(tmp_path / "run", step)
    for k in range(step + 10, 41, 10):
        again.log(k // 10, k, 0.0, {"x": k + 0.5})
    expected = [(k, float(k) if k <= step else k + 0.5) for k in (10, 20, 30, 40)]
    assert [(row["step"], row["x"]) for row in again.rows()] == expected
    assert scalars(again.path) == {"x": [(k, repr(x)) for k, x in expected]}


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


@pytest.mark.parametrize("name", ["thesis.tex", "split.json"])
def test_a_folder_with_other_things_or_a_file_is_refused_and_an_empty_folder_is_not(tmp_path, name):
    RunFolder(tmp_path).check_unused()
    (tmp_path / name).write_text("mine")
    for path in tmp_path, tmp_path / name:
        with pytest.raises(InputError, match="exists and is not a run folder .*choose another with --out"):
            RunFolder(path).check_unused()


def test_what_a_run_left_that_was_killed_before_its_config_was_written_is_no_other_thing(tmp_path):
    folder = opened(tmp_path / "run")
    folder.release()
    folder.writer.close()
    for path in [folder.config, folder.metrics, folder.environment, *folder.tensorboard.glob("events.*")]:
        path.unlink()
    (folder.path / ".config.yaml.tmp").write_text("half of")
    folder.check_unused()
    (folder.samples / "mine.png").write_text("mine")
    with pytest.raises(InputError, match="is not a run folder"):
        folder.check_unused()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="file/run cannot be written .*choose another with --out"):
        opened(tmp_path / "file" / "run")


def test_the_revision_is_that_of_the_code_and_says_where_it_was_changed(tmp_path, monkeypatch):
    def git(*words):
        person = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
        return subprocess.run(["git", "-C", tmp_path, *person, *words], check=True, capture_output=True, text=True).stdout.strip()

    monkeypatch.setattr(runs_folder, "__file__", str(tmp_path / "code.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    revision = runs_folder.revision.__wrapped__  # which each process asks once
    (tmp_path / "code.py").write_text("1\n")
    assert revision() is None
    git("init")
    assert revision() is None
    git("add", "code.py")
    git("commit", "-m", "one")
    assert revision() == git("rev-parse", "HEAD")
    (tmp_path / "code.py").write_text("2\n")
    assert revision() == git("rev-parse", "HEAD") + "+dirty"


def test_a_package_that_is_not_installed_has_no_version():
    assert installed("no-such-package-of-ours") is None and installed("torch")


# --- files that are refused -------------------------------------------------------------------------------------------


LINES = [
    b"\xff",
    b"3",
    b"{}",
    b'{"epoch": 1, "step": true}',
    b'{"epoch": 1, "step": 5, "x": NaN}',
    b'{"epoch": 1, "step": 5, "x": [1]}',
    b'{"epoch": 1, "step": 5, "test_error/last": 101}',
    b"[" * 9999,
]


@pytest.mark.parametrize("line", LINES, ids=lambda line: str(line[:40]))
def test_a_damaged_line_before_the_last_is_refused_by_its_number(tmp_path, line):
    folder = opened(tmp_path / "run")
    folder.log(1, 10, 0.0, {"x": 1.0})
    with folder.metrics.open("ab") as file:
        file.write(line + b"\n")
    assert [row["step"] for row in folder.rows()] == [10]
    folder.log(2, 20, 0.0, {"x": 2.0})
    with pytest.raises(InputError, match="line 2 of .*metrics.jsonl is damaged .*mend or delete that line"):
        folder.rows()


RESULT = {"test_error_last": 1, "test_error_averaged": 2.5, "validation_error": None, "seconds": 3, "epochs": 3}
RESULT |= {"split_sha256": "a", "config": {}}
CLASSES = torch.tensor([[1, 0, 65534], [1, 2, 65534]])


def test_a_result_is_read_as_it_was_written_and_says_that_the_run_is_finished(tmp_path):
    folder = opened(tmp_path / "run")
    folder.finish(RESULT, *CLASSES)
    assert folder.finished and folder.read_result() == RESULT == json.loads(folder.result.read_text())


def test_the_classes_of_test_images_are_read_as_they_were_written(tmp_path):
    folder = opened(tmp_path / "run")
    folder.finish(RESULT, *CLASSES)
    assert folder.read_classes().tolist() == CLASSES.tolist() and folder.classes.stat().st_size == 128 + 2 * 2 * 3


@pytest.mark.parametrize("array", [np.zeros((2, 3), np.int64), np.zeros((3, 3), np.uint16), np.zeros((2, 0), np.uint16)])
def test_other_arrays_are_no_classes(tmp_path, array):
    folder = opened(tmp_path / "run")
    np.save(folder.classes, array)
    said = r"test_classes.npy cannot be read .*not uint16 \[2, N\]\); delete it; gan-sntg evaluate .*run writes it"
    with pytest.raises(InputError, match=said):
        folder.read_classes()


def long_header() -> bytes:
    """An array of 2^41 classes by what its header says."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<u2", "fortran_order": False, "shape": (2, 2**40)})
    return file.getvalue() + b"12"


@pytest.mark.parametrize("content", [b"", b"no array", pickle.dumps([1]), long_header()], ids=["empty", "text", "pickle", "long"])
def test_damaged_classes_are_refused(tmp_path, content):
    folder = opened(tmp_path / "run")
    folder.classes.write_bytes(content)
    with pytest.raises(InputError, match="test_classes.npy cannot be read"):
        folder.read_classes()


CHANGES = [{"test_error_last": None}, {"test_error_averaged": "2.5"}, {"validation_error": "x"}, {"seconds": True}, {"config": []}]
CHANGES += [{"test_images": 0}, {"test_error_averaged": -1e-9}, {"test_error_last": 100.5}, {"validation_error": 2**60}]
CHANGES += [
    {"split_sha256": 3},
    {"test_error_last": float("nan")},
    {"config": {"epochs": 10**400}},
    {"worst_class_error": 101},
    {"worst_class_error": "1"},
]
LACKING = [{key: value for key, value in RESULT.items() if key != name} for name in RESULT]


@pytest.mark.parametrize("result", [*(RESULT | change for change in CHANGES), *LACKING])
def test_a_result_without_one_of_its_fields_or_with_one_of_another_kind_is_refused(tmp_path, result):
    folder = opened(tmp_path / "run")
    folder.finish(result, *CLASSES)
    with pytest.raises(InputError, match="result.json cannot be read .*delete it and run the same command to write it again"):
        folder.read_result()


@pytest.mark.parametrize("text", ["3", "{}", "[3]", "[" * 10_000, "\xff"])
def test_environments_that_are_none_are_refused(tmp_path, text):
    opened(tmp_path / "run").writer.close()
    (tmp_path / "run/environment.json").write_text(text)
    with pytest.raises(InputError, match="environment.json is damaged .*delete it and run the same command again"):
        opened(tmp_path / "run")


FILES = ["config.yaml", "split.json", "result.json", "metrics.jsonl", "environment.json", "code.json", "test_classes.npy"]


@pytest.mark.parametrize("part", [*FILES, "samples", "tensorboard", "checkpoints", "checkpoints/last.pt"])
def test_a_part_that_lies_outside_the_folder_is_refused(tmp_path, part):
    (tmp_path / "run" / part).parent.mkdir(parents=True)
    (tmp_path / "run" / part).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=f"{part}.* leads out of the run folder, to .*elsewhere"):
        RunFolder(tmp_path / "run")
    (tmp_path / "run" / part).unlink()
    (tmp_path / "run" / part).symlink_to("inside")
    assert RunFolder(tmp_path / "run").path == tmp_path / "run"


def test_the_folder_itself_may_be_a_link(tmp_path):
    (tmp_path / "big_disk").mkdir()
    (tmp_path / "run").symlink_to("big_disk")
    opened(tmp_path / "run").writer.close()
    assert (tmp_path / "big_disk/config.yaml").is_file()


@pytest.mark.parametrize("name", ["a\0b", "a" * 300])
def test_what_cannot_be_a_name_is_refused(name):
    with pytest.raises(InputError, match="cannot be the name of a folder"):
        RunFolder(Path(name))
