"""How labels are shared by the classes: four rules, each exact, each drawn by its generator alone."""

import pytest
import torch

from gan_sntg.data.splits import Balance, choose
from gan_sntg.errors import InputError

SIZES = [50, 30, 15, 5]
Y = torch.repeat_interleave(torch.arange(4), torch.tensor(SIZES))[torch.randperm(100, generator=torch.Generator().manual_seed(9))]


def counts(balance: Balance, labels: int, seed: int = 0) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    chosen = choose(Y, torch.arange(100), labels, 4, balance, generator)
    assert chosen == sorted(set(chosen))
    return torch.bincount(Y[chosen], minlength=4).tolist()


def test_equal_gives_each_class_the_same():
    assert counts(Balance.equal, 20) == [5] * 4


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
