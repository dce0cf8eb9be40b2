"""Manifests: they give back the split, and what is damaged or speaks of other data is refused."""

import dataclasses
import json

import pytest

from gan_sntg.data.public import Digits
from gan_sntg.data.splits import load_split, make_split
from gan_sntg.errors import InputError

DIGITS = Digits()


@pytest.mark.parametrize("validation", [False, True])
def test_a_manifest_gives_back_the_split(tmp_path, validation):
    split = make_split(DIGITS, 20, 5, validation)
    (tmp_path / "split.json").write_text(split.text())
    assert load_split(tmp_path / "split.json", DIGITS) == split
    manifest = json.loads(split.text())
    assert (manifest["data"], manifest["data_seed"], manifest["sha256"]) == ("digits", 5, DIGITS.sha256)


def test_a_manifest_of_other_data_is_refused(tmp_path):
    split = dataclasses.replace(make_split(DIGITS, 20, 0, False), data="mnist", sha256="0" * 64)
    (tmp_path / "split.json").write_text(split.text())
    with pytest.raises(
        InputError, match="belongs to mnist with SHA-256 000000000000.*the data here are digits.*use the data that the manifest"
    ):
        load_split(tmp_path / "split.json", DIGITS)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", "{}", "\ud800"])
def test_what_is_no_manifest_is_refused(tmp_path, text):
    (tmp_path / "split.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError, match="not a readable split manifest.*give the split.json of a run folder"):
        load_split(tmp_path / "split.json", DIGITS)


def test_a_truncated_manifest_is_refused_at_every_length(tmp_path):
    text = make_split(DIGITS, 10, 0, False).text().rstrip()
    for length in range(len(text)):
        (tmp_path / "split.json").write_text(text[:length])
        with pytest.raises(InputError):
            load_split(tmp_path / "split.json", DIGITS)


def test_another_format_is_named_as_such(tmp_path):
    split = make_split(DIGITS, 10, 0, False)
    (tmp_path / "split.json").write_text(json.dumps(json.loads(split.text()) | {"format": 1}))
    with pytest.raises(InputError, match="has manifest format 1, this version reads 2; make it again"):
        load_split(tmp_path / "split.json", DIGITS)


def test_a_manifest_that_is_nested_too_deep_is_refused_even_where_it_is_only_shown(tmp_path, command):
    manifest = json.loads(make_split(DIGITS, 10, 0, False).text())
    for depth in 400, 100_000:
        (tmp_path / "split.json").write_text(json.dumps(manifest | {"data": "deep"}).replace('"deep"', "[" * depth + "]" * depth))
        outcome = command("splits", "show", tmp_path / "split.json")
        assert outcome.status == 2 and "split.json is not a readable split manifest" in outcome.err


def test_a_folder_or_a_missing_file_is_no_manifest(tmp_path):
    for path in tmp_path, tmp_path / "none.json":
        with pytest.raises(InputError, match="not a readable split manifest"):
            load_split(path, DIGITS)


@pytest.mark.parametrize(
    "change",
    [
        {"labeled": []},
        {"labeled": None},
        {"labeled": [3, 3]},
        {"labeled": [-1]},
        {"labeled": [1400]},
        {"labeled": [True]},
        {"labeled": [1.0]},
        {"labeled": ["1"]},
        {"labeled": [[1]]},
        {"validation": [1400]},
        {"validation": {}},
        {"labeled": [5], "validation": [5]},
        {"format": 1},
        {"balance": "fair"},
        {"balance": ["equal"]},
        {"label_noise": "0.5"},
        {"replaced": None},
        {"replaced": [3]},
        {"replaced": [[3]]},
        {"replaced": [["0", 3]]},
        {"labeled": [3, 5], "replaced": [[4, 1]]},
        {"labeled": [3, 5], "replaced": [[3, 1], [3, 2]]},
        {"labeled": [3, 5], "replaced": [[3, 10]]},
        {"labeled": [3, 5], "replaced": [[3, -1]]},
        {"sha256": None},
        {"data_seed": "zero"},
        {"data_seed": -1},
        {"data_seed": 2**63},
        {"data": [[]]},
        {"format": 2.0},
        {"label_noise": True},
        {"label_noise": 1.5},
        {"label_noise": float("nan")},
        {"extra": 1},
    ],
    ids=str,
)
def test_a_damaged_manifest_is_refused(tmp_path, change):
    manifest = json.loads(make_split(DIGITS, 10, 0, False).text()) | change
    (tmp_path / "split.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="split.json"):
        load_split(tmp_path / "split.json", DIGITS)
