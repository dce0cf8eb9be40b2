"""Splits: balanced, chosen by the data seed alone, and pinned to the bytes of the data."""

import json

import pytest
import torch

from gan_sntg.data.public import Digits
from gan_sntg.data.splits import Balance, load_split, make_split
from gan_sntg.errors import InputError

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
