"""Splits: labels, noisy or not, shared as asked for, chosen by the data seed alone, and pinned to the bytes of the data."""

import json

import pytest
import torch

from gan_sntg.data.loader import UNLABELED
from gan_sntg.data.public import Digits
from gan_sntg.data.splits import Balance, Split, choose, load_split, make_split
from gan_sntg.errors import InputError

DIGITS = Digits()
FIRST_VERSION = [7, 137, 279, 312, 366, 405, 597, 663, 732, 852]
SIZES = [50, 30, 15, 5]
Y = torch.repeat_interleave(torch.arange(4), torch.tensor(SIZES))[torch.randperm(100, generator=torch.Generator().manual_seed(9))]


@pytest.fixture
def manifest(tmp_path):
    """Writes a split to a file, with some of its fields changed, and gives the path."""

    def write(split: Split, **changes):
        (tmp_path / "split.json").write_text(json.dumps(json.loads(split.text()) | changes))
        return tmp_path / "split.json"

    return write


def counts(balance: Balance, labels: int, seed: int = 0) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    chosen = choose(Y, torch.arange(100), labels, 4, balance, generator)
    assert chosen == sorted(set(chosen))
    return torch.bincount(Y[chosen], minlength=4).tolist()


def test_equal_refuses_a_number_that_the_classes_cannot_share():
    with pytest.raises(
        InputError, match="22 labels cannot be shared equally by the 4 classes; give a positive multiple of 4, or --balance"
    ):
        counts(Balance.equal, 22)


def test_rounded_spreads_the_rest_over_classes_at_random():
    drawn = [counts(Balance.rounded, 14, seed) for seed in range(40)]
    assert all(sorted(c) == [3, 3, 4, 4] for c in drawn)
    assert all(any(c[k] == 4 for c in drawn) and any(c[k] == 3 for c in drawn) for k in range(4))
    assert sorted(counts(Balance.rounded, 3)) == [0, 1, 1, 1] and counts(Balance.rounded, 12) == [3] * 4


def test_proportional_follows_the_frequencies_and_gives_the_rest_to_the_largest_remainders():
    assert counts(Balance.proportional, 20) == [10, 6, 3, 1]
    assert counts(Balance.proportional, 11) == [5, 3, 2, 1]  # 5.5, 3.3, 1.65, 0.55: the last two have the largest remainders
    assert counts(Balance.proportional, 1) == [1, 0, 0, 0]
    assert counts(Balance.proportional, 100) == SIZES


def test_proportional_is_never_further_than_one_from_the_exact_share_and_always_sums_up():
    for labels in range(1, 101):
        c = counts(Balance.proportional, labels)
        assert sum(c) == labels and all(abs(c[k] - labels * SIZES[k] / 100) < 1 for k in range(4))


def test_random_draws_images_and_not_classes():
    drawn = torch.tensor([counts(Balance.random, 20, seed) for seed in range(400)]).double()
    assert (drawn.sum(1) == 20).all() and len(drawn.unique(dim=0)) > 50
    torch.testing.assert_close(drawn.mean(0), torch.tensor([10.0, 6, 3, 1], dtype=torch.float64), atol=0.3, rtol=0)


@pytest.mark.parametrize("balance", Balance)
def test_each_image_of_a_class_is_as_likely_as_another(balance):
    hits = torch.zeros(100)
    for seed in range(300):
        hits[choose(Y, torch.arange(100), 20, 4, balance, torch.Generator().manual_seed(seed))] += 1
    for k in range(4):
        share = hits[Y == k] / 300
        assert (share - share.mean()).abs().max() < 5 * (share.mean() * (1 - share.mean()) / 300).sqrt() + 1e-6


@pytest.mark.parametrize("balance", Balance)
def test_only_candidates_are_chosen(balance):
    candidates = torch.arange(0, 100, 2)
    assert set(choose(Y, candidates, 8, 4, balance, torch.Generator().manual_seed(0))) <= set(candidates.tolist())


@pytest.mark.parametrize("balance", Balance)
def test_where_there_are_too_few_the_number_in_the_message_is_the_largest_that_works(balance):
    with pytest.raises(InputError, match="104 labels .*ask for at most") as refusal:
        counts(balance, 104)
    most = int(str(refusal.value).split("at most ")[1].split()[0])
    assert sum(counts(balance, most)) == most
    with pytest.raises(InputError):
        counts(balance, most + 4)


@pytest.mark.parametrize("balance", Balance)
@pytest.mark.parametrize("labels", [0, -1, -4])
def test_fewer_than_one_label_is_refused(balance, labels):
    with pytest.raises(InputError, match=f"{labels} labels: give at least 1"):
        counts(balance, labels)


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


@pytest.mark.parametrize("validation", [False, True])
@pytest.mark.parametrize("labels", [20, 500, None])
def test_labelled_images_stay_in_the_pool_validation_images_leave_it_and_without_a_number_every_label_is_known(labels, validation):
    split = make_split(DIGITS, labels, data_seed=0, validation=validation)
    pool = split.pool(DIGITS).tolist()
    assert split.validation == (DIGITS.validation.tolist() if validation else [])
    assert sorted(pool + split.validation) == list(range(1400))
    assert set(split.labeled) <= set(pool) and len(split.labeled) == (labels or len(pool))


def test_equal_choices_are_those_of_the_first_version():
    assert make_split(DIGITS, 10, 0, False).labeled == FIRST_VERSION


def test_validation_without_validation_images_is_refused():
    source = Digits()
    source.validation = source.validation[:0]
    with pytest.raises(InputError, match="digits has no validation image of the classes 0, 1, .*leave --validation out"):
        make_split(source, 10, 0, True)


@pytest.mark.parametrize("validation", [False, True])
@pytest.mark.parametrize("balance", Balance)
def test_a_manifest_gives_back_the_split(manifest, balance, validation):
    split = make_split(DIGITS, 20, 5, validation, balance)
    assert load_split(manifest(split), DIGITS) == split == make_split(DIGITS, 20, 5, validation, balance) and len(split.labeled) == 20
    assert (split.data, split.data_seed, split.sha256, split.balance) == ("digits", 5, DIGITS.sha256, balance.name)


def test_a_manifest_of_other_data_is_refused(manifest):
    words = "belongs to mnist with SHA-256 000000000000.*the data here are digits.*use the data that the manifest"
    with pytest.raises(InputError, match=words):
        load_split(manifest(make_split(DIGITS, 20, 0, False), data="mnist", sha256="0" * 64), DIGITS)


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


def test_another_format_is_named_as_such(manifest):
    with pytest.raises(InputError, match="has manifest format 1, this version reads 2; make it again"):
        load_split(manifest(make_split(DIGITS, 10, 0, False), format=1), DIGITS)


def test_a_manifest_that_is_nested_too_deep_is_refused_even_where_it_is_only_shown(manifest, command):
    path = manifest(make_split(DIGITS, 10, 0, False), data="deep")
    whole = path.read_text()
    for depth in 400, 100_000:
        path.write_text(whole.replace('"deep"', "[" * depth + "]" * depth))
        outcome = command("splits", "show", path)
        assert outcome.status == 2 and "split.json is not a readable split manifest" in outcome.err


def test_a_folder_or_a_missing_file_is_no_manifest(tmp_path):
    for path in tmp_path, tmp_path / "none.json":
        with pytest.raises(InputError, match="not a readable split manifest"):
            load_split(path, DIGITS)


DAMAGED = {
    "labeled": [[], None, [3, 3], [-1], [1400], [True], [1.0], ["1"], [[1]]],
    "validation": [[1400], {}],
    "format": [1, 2.0],
    "balance": ["fair", ["equal"]],
    "label_noise": ["0.5", True, 1.5, float("nan")],
    "replaced": [None, [3], [[3]], [["0", 3]]],
    "data_seed": ["zero", -1, 2**63],
    "data": [[[]]],
    "sha256": [None],
    "extra": [1],
}
CHANGES = [{name: value} for name, values in DAMAGED.items() for value in values] + [{"labeled": [5], "validation": [5]}]
CHANGES += [{"labeled": [3, 5], "replaced": pairs} for pairs in ([[4, 1]], [[3, 1], [3, 2]], [[3, 10]], [[3, -1]])]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_damaged_manifest_is_refused(manifest, change):
    with pytest.raises(InputError, match="split.json"):
        load_split(manifest(make_split(DIGITS, 10, 0, False), **change), DIGITS)


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.5, 1.0])
def test_noise_replaces_its_share_of_the_labels_and_the_manifest_holds_what_was_drawn(manifest, rate):
    split = make_split(DIGITS, 200, 7, False, label_noise=rate)
    assert len(split.replaced) == rate * 200 and {i for i, _ in split.replaced} <= set(split.labeled)
    again = load_split(manifest(split), DIGITS)
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


@pytest.mark.parametrize("change", [{"labeled": [5, 300]}, {"validation": [1399]}], ids=str)
def test_a_manifest_that_names_an_image_without_a_label_is_refused(manifest, change):
    source = PartlyLabeled()
    with pytest.raises(InputError, match="split.json is damaged: it names images of which digits has no label"):
        load_split(manifest(make_split(source, 10, 0, False), **change), source)
