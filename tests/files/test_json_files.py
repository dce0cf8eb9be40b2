"""JSON files: finite numbers of 64 bits, no depth beyond Python's, and no file that is none."""

import json
import os

import pytest

from gan_sntg.files.json_files import is_number, parsed, read_json


def test_what_was_written_is_read(tmp_path):
    held = {"a": [1, -2.5, None, True, "ä"], "b": {"c": 2**63 - 1, "d": -(2**63)}}
    (tmp_path / "a.json").write_text(json.dumps(held))
    assert read_json(tmp_path / "a.json") == held


@pytest.mark.parametrize(
    "text", ["NaN", "-Infinity", "1e999", str(2**63), "9" * 10_000, "[" * 100_000, "", "{", "\ud800"], ids=lambda t: t[:9]
)
def test_what_is_no_such_json_is_a_value_error(text):
    with pytest.raises(ValueError):
        parsed(b'{"a": ' + text.encode("utf-8", "surrogatepass") + b"}")


def test_other_encodings_are_not_guessed():
    for encoding in "utf-16", "utf-32", "utf-8-sig":
        with pytest.raises(ValueError):
            parsed("{}".encode(encoding))


def test_what_is_no_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in tmp_path, tmp_path / "pipe":
        with pytest.raises(ValueError, match="it is no file"):
            read_json(path)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none")


def test_true_is_no_number():
    assert [is_number(value) for value in (1, 1.5, True, "1", None)] == [True, True, False, False, False]
