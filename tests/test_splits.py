"""Splits: balanced, chosen by the data seed alone, and pinned to the bytes of the data."""

import dataclasses
import json

import pytest
import torch

from gan_sntg.core.data.balance import Balance
from gan_sntg.core.data.sources import Digits
from gan_sntg.core.data.splits import load_split, make_split
from gan_sntg.core.errors import InputError

DIGITS = Digits()
FIRST_VERSION = [7, 137, 279, 312, 366, 405, 597, 663, 732, 852]


@pytest.mark.parametrize("validation", [False, True])
@pytest.mark.parametrize("labels", [10, 20, 500])
def test_every_class_gets_the_same_number_of_labels(labels, validation):
    split = make_split(DIGITS, labels, data_seed=0, validation=validation)
    assert torch.bincount(DIGITS.train_y[split.labeled]).tolist() == [labels // 10] * 10
    assert len(set(split.labeled)) == labels


def test_the_labels_depend_on_the_data_seed_and_on_no_other():
    torch.manual_seed(1)
    a = make_split(DIGITS, 20, data_seed=3, validation=False)
    torch.manual_seed(2)
    assert make_split(DIGITS, 20, data_seed=3, validation=False) == a
    assert make_split(DIGITS, 20, data_seed=4, validation=False).labeled != a.labeled


def test_labelled_images_stay_in_the_unlabelled_pool():
    split = make_split(DIGITS, 20, data_seed=0, validation=False)
    assert split.validation == []
    assert split.pool(DIGITS).tolist() == list(range(1400))


def test_validation_images_leave_the_pool_and_are_never_labelled():
    split = make_split(DIGITS, 500, data_seed=0, validation=True)
    pool = split.pool(DIGITS).tolist()
    assert sorted(pool + split.validation) == list(range(1400))
    assert split.validation == DIGITS.validation.tolist()
    assert set(split.labeled) <= set(pool)


@pytest.mark.parametrize("labels", [5, 25])
def test_labels_that_the_classes_cannot_share_are_refused(labels):
    with pytest.raises(InputError, match=f"{labels} labels cannot be shared equally by the 10 classes; give a positive multiple of 10"):
        make_split(DIGITS, labels, 0, False)


@pytest.mark.parametrize("validation", [False, True])
def test_where_a_class_is_too_small_the_number_in_the_message_is_the_largest_that_works(validation):
    with pytest.raises(InputError, match="labels need 140 of class .*ask for at most") as refusal:
        make_split(DIGITS, 1400, 0, validation)
    most = int(str(refusal.value).split("at most ")[1].split()[0])
    assert len(make_split(DIGITS, most, 0, validation).labeled) == most
    with pytest.raises(InputError):
        make_split(DIGITS, most + 10, 0, validation)


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
        {"extra": 1},
    ],
    ids=str,
)
def test_a_damaged_manifest_is_refused(tmp_path, change):
    manifest = json.loads(make_split(DIGITS, 10, 0, False).text()) | change
    (tmp_path / "split.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="split.json"):
        load_split(tmp_path / "split.json", DIGITS)


def test_without_a_number_every_label_is_known():
    assert make_split(DIGITS, None, 0, False).labeled == list(range(1400))
    held_out = make_split(DIGITS, None, 0, True)
    assert sorted(held_out.labeled + held_out.validation) == list(range(1400))


@pytest.mark.parametrize("balance", [Balance.rounded, Balance.proportional, Balance.random])
def test_other_balances_are_chosen_and_recorded_by_name(tmp_path, balance):
    split = make_split(DIGITS, 25, 3, False, balance)
    assert len(split.labeled) == 25 and json.loads(split.text())["balance"] == balance.name
    (tmp_path / "split.json").write_text(split.text())
    assert load_split(tmp_path / "split.json", DIGITS) == split == make_split(DIGITS, 25, 3, False, balance)


def test_equal_choices_are_those_of_the_first_version():
    assert make_split(DIGITS, 10, 0, False).labeled == FIRST_VERSION


def test_validation_without_validation_images_is_refused():
    source = Digits()
    source.validation = source.validation[:0]
    with pytest.raises(InputError, match="digits has no validation images.*leave --validation out"):
        make_split(source, 10, 0, True)
