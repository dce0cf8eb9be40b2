"""Label noise, and sets that are labelled in part: what training may know, exactly as the manifest says."""

import json

import pytest
import torch

from gan_sntg.data.loader import UNLABELED
from gan_sntg.data.public import Digits
from gan_sntg.data.splits import load_split, make_split
from gan_sntg.errors import InputError

DIGITS = Digits()


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.5, 1.0])
def test_noise_replaces_its_share_of_the_labels_and_the_manifest_holds_what_was_drawn(tmp_path, rate):
    split = make_split(DIGITS, 200, 7, False, label_noise=rate)
    assert len(split.replaced) == rate * 200 and {i for i, _ in split.replaced} <= set(split.labeled)
    (tmp_path / "split.json").write_text(split.text())
    again = load_split(tmp_path / "split.json", DIGITS)
    assert again == split and torch.equal(again.known(DIGITS), split.known(DIGITS))
    y, changed = split.known(DIGITS), dict(split.replaced)
    for i in range(1400):
        expected = changed.get(i, int(DIGITS.train_y[i])) if i in split.labeled else UNLABELED
        assert y[i] == expected


def test_noisy_classes_are_uniform_and_may_be_the_true_one():
    split = make_split(DIGITS, None, 0, False, label_noise=1.0)
    drawn = torch.tensor(split.replaced)
    assert (torch.bincount(drawn[:, 1]) - 140).abs().max() < 5 * 140**0.5
    right = float((DIGITS.train_y[drawn[:, 0]] == drawn[:, 1]).double().mean())
    assert abs(right - 0.1) < 5 * (0.09 / 1400) ** 0.5


def test_noise_changes_neither_the_choice_of_labels_nor_the_source():
    truth = DIGITS.train_y.clone()
    split = make_split(DIGITS, 100, 2, False, label_noise=0.5)
    assert split.labeled == make_split(DIGITS, 100, 2, False).labeled
    split.known(DIGITS)
    assert torch.equal(DIGITS.train_y, truth)


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_outside_0_to_1_is_refused(rate):
    with pytest.raises(InputError, match="label_noise is .*in 0..1"):
        make_split(DIGITS, 10, 0, False, label_noise=rate)


class PartlyLabeled(Digits):
    """The digits with the labels of all but the first 300 gone."""

    def __init__(self):
        super().__init__()
        self.train_y = torch.where(torch.arange(1400) < 300, self.train_y, UNLABELED)
        self.validation = self.validation[self.validation < 300]


def test_only_images_that_have_a_label_are_chosen_and_all_are_in_the_pool():
    source = PartlyLabeled()
    assert make_split(source, None, 0, False).labeled == list(range(300))
    assert max(make_split(source, 100, 0, False).labeled) < 300
    split = make_split(source, None, 0, True)
    assert not set(split.labeled) & set(split.validation) and len(split.pool(source)) == 1400 - len(split.validation)
    assert (split.known(source) != UNLABELED).sum() == len(split.labeled)


def test_a_manifest_that_names_an_image_without_a_label_is_refused(tmp_path):
    source = PartlyLabeled()
    for change in {"labeled": [5, 300]}, {"validation": [1399]}:
        (tmp_path / "split.json").write_text(json.dumps(json.loads(make_split(source, 10, 0, False).text()) | change))
        with pytest.raises(InputError, match="split.json is damaged: it names images of which digits has no label"):
            load_split(tmp_path / "split.json", source)
