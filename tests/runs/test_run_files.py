"""The files of a run folder: inside it, with the fields that are read of them, or refused by name."""

from pathlib import Path

import pytest
import torch

from gan_sntg.errors import InputError
from gan_sntg.runs.folder import RunFolder


def opened(path) -> RunFolder:
    folder = RunFolder(path)
    folder.open("a: 1\n", "{}\n", torch.device("cpu"), 0)
    return folder


LINES = [
    b"\xff",
    b"3",
    b"{}",
    b'{"epoch": 1, "step": true}',
    b'{"epoch": 1, "step": 5, "x": NaN}',
    b'{"epoch": 1, "step": 5, "x": [1]}',
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


def test_a_result_is_read_as_it_was_written(tmp_path):
    folder = opened(tmp_path / "run")
    folder.finish(RESULT)
    assert folder.read_result() == RESULT


CHANGES = [{"test_error_last": None}, {"test_error_averaged": "2.5"}, {"validation_error": "x"}, {"seconds": True}, {"config": []}]
CHANGES += [{"test_images": 0}]


@pytest.mark.parametrize("change", [*CHANGES, {"split_sha256": 3}, {"test_error_last": float("nan")}, {"config": {"epochs": 10**400}}])
def test_a_result_with_a_field_of_another_kind_is_refused(tmp_path, change):
    folder = opened(tmp_path / "run")
    folder.finish(RESULT | change)
    with pytest.raises(InputError, match="result.json cannot be read .*delete it and run the same command to write it again"):
        folder.read_result()


@pytest.mark.parametrize("name", RESULT)
def test_a_result_without_one_of_its_fields_is_refused(tmp_path, name):
    folder = opened(tmp_path / "run")
    folder.finish({key: value for key, value in RESULT.items() if key != name})
    with pytest.raises(InputError, match="result.json cannot be read"):
        folder.read_result()


@pytest.mark.parametrize("text", ["3", "{}", "[3]", "[" * 10_000, "\xff"])
def test_environments_that_are_none_are_refused(tmp_path, text):
    made = opened(tmp_path / "run")
    made.writer.close()
    made.release()
    (tmp_path / "run/environment.json").write_text(text)
    with pytest.raises(InputError, match="environment.json is damaged .*delete it and run the same command again"):
        opened(tmp_path / "run")


PARTS = ["config.yaml", "split.json", "result.json", "metrics.jsonl", "environment.json", "samples", "tensorboard", "checkpoints"]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_lies_outside_the_folder_is_refused(tmp_path, part):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / part).symlink_to("../elsewhere")
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
