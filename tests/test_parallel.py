"""Two processes take the step that one takes: gradients, running statistics, ensembles, draws; what ranks do by themselves, by hand."""

import pytest
import torch
from ranked import CASES, QUIET, Ranks, alone, by_hand, every_case, every_quiet, gan_by_hand, gan_together

from gan_sntg.core.ranks import Scope


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    group = Ranks(str(tmp_path_factory.mktemp("ranks") / "meet"))
    yield group
    group.pool.shutdown()


def assert_equal_but_for_rounding(found: dict, expected: dict, name: str) -> None:
    assert set(expected) <= set(found), name
    for key, value in expected.items():
        same = {"rtol": 1e-8, "atol": 1e-11, "equal_nan": True}
        torch.testing.assert_close(found[key], value, **same, msg=lambda text, key=key: f"{name}, {key}: {text}")


def test_two_ranks_take_the_step_of_one_process_on_the_whole_batch(ranks):
    by_rank = dict(ranks.run(every_case, Scope.all, Scope.all))
    for name in CASES:
        for found, expected in zip(by_rank[0][name], alone(name), strict=True):
            assert_equal_but_for_rounding(found, expected, name)


def test_ranks_that_pair_and_normalise_by_themselves_descend_the_mean_of_their_losses(ranks):
    by_rank = dict(ranks.run(every_quiet))
    for name in QUIET:
        assert_equal_but_for_rounding(by_rank[0][name], by_hand(name), name)


def test_a_gan_of_ranks_by_themselves_still_matches_the_mean_features_of_all(ranks):
    by_rank = dict(ranks.run(gan_together))
    assert_equal_but_for_rounding(by_rank[0], gan_by_hand(), "gan")
