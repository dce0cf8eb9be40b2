"""Which seeds `--seeds` and `--data_seeds` mean, and which are refused before anything is written."""

import pytest

from gan_sntg.runs.seeds import whole_numbers

BAD = {
    "reversed": (["--seeds", "9..0"], "--seeds is '9..0'"),
    "negative": (["--seeds=-1"], "--seeds is '-1'"),
    "words": (["--seeds", "all"], "give whole numbers"),
    "empty": (["--seeds", ""], "give whole numbers"),
    "gap": (["--seeds", "0,,1"], "give whole numbers"),
    "too large": (["--seeds", "9223372036854775808"], "2^63"),
    "too many": (["--seeds", "0..999999999999"], "more than 1000"),
    "twice": (["--seeds", "0..3,2"], "one is there twice"),
    "seed too": (["--seeds", "0,1", "--seed", "3"], "--seed 3 is given beside --seeds"),
    "data seed too": (["--seeds", "0,1", "--data_seeds", "0,1", "--data_seed", "3"], "--data_seed 3 is given beside --data_seeds"),
    "other length": (["--seeds", "0..2", "--data_seeds", "0,1"], "--seeds gives 3 and --data_seeds 2"),
    "no seeds": (["--data_seeds", "0,1"], "--data_seeds goes with --seeds"),
}


@pytest.mark.parametrize("case", BAD)
def test_seeds_that_make_no_sense_are_refused(refused, train, case):
    words, phrase = BAD[case]
    refused([*train, *words], phrase)


def test_a_run_folder_and_one_with_another_run_in_it_are_refused_before_anything_is_written(refused, command, tiny, tmp_path):
    assert command("train", "--config", tiny, "--seed", 1, "--epochs", 1, "--out", "cell/1").status == 0
    refused(["train", "--config", tiny, "--seeds", "0..1", "--out", "cell/1"], "cell/1 is a run folder")
    refused(["train", "--config", tiny, "--seeds", "0..1", "--out", "cell"], "holds a run of another configuration")


def test_seeds_are_single_numbers_ranges_or_both():
    assert whole_numbers("seeds", "0..3") == [0, 1, 2, 3] and whole_numbers("seeds", "7") == [7]
    assert whole_numbers("seeds", "5, 0..1,3") == [5, 0, 1, 3]
