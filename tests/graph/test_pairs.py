"""Which pairs of a batch each pairing takes, and which batches it refuses."""

from itertools import combinations

import pytest
import torch

from gan_sntg.errors import InputError
from gan_sntg.graph import pairs
from gan_sntg.graph.pairs import AllPairs


@pytest.mark.parametrize("n", [2, 3, 7, 20])
def test_all_pairs_are_every_pair_once(n):
    i, j = pairs.all_pairs(n)
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == list(combinations(range(n), 2))


def test_sampled_pairs_never_join_an_example_with_itself_and_are_uniform():
    i, j = pairs.sampled(4, 120_000, torch.Generator().manual_seed(0))
    counts = torch.bincount(4 * i + j, minlength=16).reshape(4, 4)
    assert counts.diagonal().sum() == 0
    off = counts[~torch.eye(4, dtype=torch.bool)].double()
    assert ((off - 10_000).abs() < 5 * 10_000**0.5).all()


@pytest.mark.parametrize(
    "call", [lambda: pairs.halves(5), lambda: pairs.halves(0), lambda: pairs.all_pairs(1), lambda: pairs.sampled(1, 3, torch.Generator())]
)
def test_a_batch_that_cannot_be_paired_is_refused(call):
    with pytest.raises(InputError, match="batch|pair"):
        call()


def test_the_indices_are_made_once_for_a_batch_size_and_stay_all_pairs_on_another_device():
    generator = torch.Generator()
    assert AllPairs()(7, generator) is AllPairs()(7, generator) is pairs.all_pairs(7, generator.device)
    assert len(pairs.all_pairs(8, generator.device).i) == 28 and isinstance(pairs.all_pairs(7).to("meta"), pairs.EveryPair)
