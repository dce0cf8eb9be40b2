"""One run on two processes: the step of one process, one checkpoint, one message."""

import pytest
import torch
import yaml
from helpers import processes, two_ranks
from helpers.run_folders import assert_same_run, rows
from helpers.tiny import assert_same, gan, streams
from torch import nn
from torch.distributed import run as torch_run

from gan_sntg.distributed import all_gather, all_mean, own_rows
from gan_sntg.distributed.process_group import launched
from gan_sntg.errors import InputError
from gan_sntg.networks.batch_norm import BatchNorm, BatchNormBias, RunningMean
from gan_sntg.runs.stopping import LATER
from gan_sntg.training import data_parallel


@pytest.fixture(scope="module")
def on_ranks():
    group = two_ranks.Ranks()
    yield group
    group.end()


def assert_equal_but_for_rounding(found: dict, expected: dict, name: str) -> None:
    assert set(expected) == set(found), name
    for key, value in expected.items():
        same = {"rtol": 1e-8, "atol": 1e-11, "equal_nan": True}
        torch.testing.assert_close(found[key], value, **same, msg=lambda text, key=key: f"{name}, {key}: {text}")


# --- steps --------------------------------------------------------------------------------------------------------------


def test_two_ranks_take_the_step_of_one_process_on_the_whole_batch(on_ranks):
    first, second = on_ranks(two_ranks.every_case)
    for name in two_ranks.CASES:
        for found, other, expected in zip(first[name], second[name], two_ranks.taken(name), strict=True):
            assert_same(found, other)
            assert_equal_but_for_rounding(found, expected, name)


def test_nets_that_were_initialised_unlike_begin_as_those_of_the_first_rank(on_ranks):
    for state in on_ranks(two_ranks.joined):
        assert_same(state, gan(seed=0).state_dict())


def test_batch_norms_over_all_ranks_are_those_of_one_process(on_ranks):
    kinds = [BatchNorm, BatchNormBias, RunningMean]
    for found in on_ranks(two_ranks.every_layer, kinds):
        for kind, values in zip(kinds, found, strict=True):
            assert_equal_but_for_rounding(values, two_ranks.passed(kind), kind.__name__)


def test_ranks_share_a_batch_and_its_pairs_and_draw_all_else_by_themselves(on_ranks):
    (first, *same, rows), (second, *others, others_rows) = on_ranks(two_ranks.drawn)
    assert torch.equal(torch.stack([rows, others_rows], 1).flatten(), next(streams(batch_size=two_ranks.BATCH).epoch()).unlabeled.index)
    assert [torch.equal(*pair) for pair in zip(first, second, strict=True)] == [purpose == "graph" for purpose in gan().generators]
    assert_same(same, others)


def test_one_process_has_every_row_and_every_mean():
    t = torch.randn(4, 3, requires_grad=True)
    assert all_mean(t) is t and all_gather(t) is t and torch.equal(own_rows(t), t)


def test_a_batch_norm_that_knows_of_no_ranks_is_refused_on_several(monkeypatch):
    method = gan()
    method.discriminator.hidden.append(nn.BatchNorm1d(8))
    data_parallel.check_shares(method)
    monkeypatch.setattr(data_parallel, "world_size", lambda: 2)
    with pytest.raises(InputError, match="BatchNorm1d takes its statistics over the examples of one process; build the network with"):
        data_parallel.check_shares(method)


def test_an_environment_of_half_a_torchrun_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(InputError, match="RANK, MASTER_ADDR, MASTER_PORT is missing; start several processes by torchrun"):
        launched()


# --- runs ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def quiet(tmp_path, tiny_tree, labels_alone):
    """The words of a run that draws nothing in its steps, so that it hangs on the number of processes by rounding alone."""
    method = labels_alone()
    method["init_args"]["net"]["init_args"] |= {"input_noise": 0.0, "hidden_noise": 0.0}
    (tmp_path / "quiet.yaml").write_text(yaml.safe_dump(tiny_tree() | {"method": method}))
    return ["train", "--config", tmp_path / "quiet.yaml", "--out"]


def assert_like(run, other) -> None:
    """The metrics of two runs that differ by rounding."""
    for row, expected in zip(rows(run), rows(other), strict=True):
        torch.testing.assert_close(row, expected, rtol=1e-2, atol=1e-3, equal_nan=True)


def test_a_run_stopped_on_two_ranks_goes_on_alone_and_one_stopped_alone_on_two(on_ranks, command, quiet, tmp_path):
    assert command(*quiet, tmp_path / "whole").status == 0
    first, second = on_ranks(two_ranks.faulty, "signal", 6, [*quiet, tmp_path / "a"])  # only the second gets the signal
    assert first[0] == second[0] == LATER and "SIGTERM received; checkpoint saved" in first[2] and second[1:] == ("", "")
    saved = torch.load(tmp_path / "a/checkpoints/last.pt", weights_only=True)
    assert saved["progress"]["step"] == 6
    assert command(*quiet, tmp_path / "a").status == 0
    assert_like(tmp_path / "a", tmp_path / "whole")
    assert two_ranks.faulty("signal", 6, [*quiet, tmp_path / "b"])[0] == LATER
    (status, out, err), second = on_ranks(two_ranks.ended, [*quiet, tmp_path / "b"])
    assert status == 0 and "test error" in out and second == (0, "", ""), err
    assert_like(tmp_path / "b", tmp_path / "whole")


@pytest.mark.parametrize("sampling", ["shuffled", "class_balanced"])
def test_a_run_on_two_ranks_that_is_stopped_goes_on_there_to_the_bit(on_ranks, tiny, tmp_path, sampling):
    words = ["train", "--config", tiny, "--labeled_sampling", sampling, "--out"]
    assert on_ranks(two_ranks.ended, [*words, tmp_path / "whole"])[0][0] == 0
    assert on_ranks(two_ranks.faulty, "signal", 7, [*words, tmp_path / "run"])[0][0] == LATER
    assert on_ranks(two_ranks.ended, [*words, tmp_path / "run"])[0][0] == 0
    assert_same_run(tmp_path / "run", tmp_path / "whole")


REFUSED = {
    "--batch_size 51": "batch_size is 51, which 2 processes cannot share evenly; give a multiple of 2, or another --nproc-per-node",
    "--labeled_batch_size 5": "labeled_batch_size is 5, which 2 processes cannot share evenly",
    "--compile true": "with torchrun leave --compile out",
    "--seeds 0..2": "torchrun's 2 processes train one run, but --seeds asks for 3",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_two_ranks_cannot_share_is_refused_by_one_message(on_ranks, tiny, tmp_path, words):
    first, second = on_ranks(two_ranks.ended, ["train", "--config", tiny, "--out", tmp_path / "run", *words.split()])
    assert first[0] == second[0] == 2 and REFUSED[words] in first[2] and first[2].count("error:") == 1
    assert first[1] == "" and second[1:] == ("", "") and not (tmp_path / "run").exists()


def test_other_commands_are_for_one_process(on_ranks, finished):
    first, second = on_ranks(two_ranks.ended, ["evaluate", finished])
    assert first[0] == second[0] == 2 and "only train shares its work" in first[2] and second[1:] == ("", "")


def test_what_one_rank_cannot_do_ends_both_by_one_message(on_ranks, tiny, tmp_path):
    words = ["train", "--config", tiny, "--out"]
    first, second = on_ranks(two_ranks.faulty, "unwritable", 1, [*words, tmp_path / "a"])
    assert first[0] == 2 and "cannot be written (no space)" in first[2] and second == (1, "", "")
    first, second = on_ranks(two_ranks.faulty, "nan", 6, [*words, tmp_path / "b"])
    assert first[0] == second[0] == 1 and "the term d/unlabeled is not finite since epoch 1, step 5" in first[2] and second[2] == ""
    assert (tmp_path / "b/checkpoints/nonfinite.pt").exists()
    first, second = on_ranks(two_ranks.faulty, "nan", 6, [*words, tmp_path / "c", "--on_nonfinite", "rollback"])
    assert first[0] == second[0] == 0 and len(rows(tmp_path / "c")) == 3
    first, second = on_ranks(two_ranks.faulty, "apart", 1, [*words, tmp_path / "d"])
    assert first[0] == second[0] == 1 and "the ranks have come apart" in first[2] and second[2] == ""


def test_a_rank_that_is_lost_ends_the_other(on_ranks, tiny, tmp_path):
    first, second = on_ranks(two_ranks.faulty, "loss", 6, ["train", "--config", tiny, "--out", tmp_path / "run"])
    assert (first[0], second[0]) == (1, 3) and "another rank is gone" in first[2] and first[2].count("Traceback") == 0


def test_torchrun_trains_a_run_whose_terms_were_looked_at_before(tiny, tmp_path):
    torchrun = ["--standalone", "--nproc-per-node", "2", "-m", "gan_sntg"]
    words = ["train", "--config", tiny, "--out", tmp_path / "run", "--liveness", "true"]
    status = processes.ended(torch_run.main, [*torchrun, *words], tmp_path / "log")
    assert not status and (tmp_path / "log").read_text().count("test error: ") == 1 and len(rows(tmp_path / "run")) == 3
