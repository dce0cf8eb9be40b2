"""What commands say and where: paths that are not UTF-8, and advice of no option that a command lacks."""

import os
import re
import shutil

import pytest
import yaml
from helpers.run_comparison import changed

from gan_sntg.errors import advice_to_readers

ODD = os.fsdecode(b"caf\xe9")


@pytest.mark.parametrize(
    "words",
    [["evaluate", ODD], ["sample", ODD, "--n", "1"], ["export", ODD], ["sample", ODD, "--kind", "npz", "--n", "1", "--out", f"{ODD}.npz"]],
)
def test_a_run_folder_that_is_not_utf8_is_read(command, run, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    run.rename(ODD)
    assert command(*words).status == 0


@pytest.mark.parametrize(
    "words",
    [
        ["train", "--config", "digits_20/fm_gan", "--out", ODD],
        ["compare", "a", "b", "--out", ODD],
        ["reproduce", "digits", "--out", ODD],
    ],
    ids=lambda words: words[0],
)
def test_a_folder_to_make_that_is_not_utf8_is_refused_by_name(refused, words):
    refused(words, "'caf\\udce9'", "choose another with --out")


def test_an_unfinished_run_in_a_folder_that_is_not_utf8_is_not_gone_on_with(refused, tiny, run):
    (run / "result.json").unlink()
    run.rename(run.with_name(ODD))
    refused(["train", "--config", tiny, "--out", run.with_name(ODD)], "is not UTF-8", "rename it")


def test_advice_names_only_what_a_command_has(command, run, tmp_path, monkeypatch, small_mnist, tiny_tree):
    monkeypatch.chdir(tmp_path)
    tree = yaml.safe_load((run / "config.yaml").read_text()) | {
        "data": {"class_path": "gan_sntg.data.MNIST", "init_args": {"root": "none"}}
    }
    (run / "config.yaml").write_text(yaml.safe_dump(tree))
    (run / "data.json").rename(tmp_path / "data.json")
    shutil.copytree(run, "run2")
    (run / "samples/real.png").unlink()
    for words in (
        ("evaluate", run),
        ("sample", run),
        ("predict", run, run / "samples", "--out", "a"),
        ("export", run),
        ("doctor", "--config", run / "config.yaml"),
    ):
        outcome = command(*words)
        assert outcome.status == 2 and "by --root or GAN_SNTG_DATA" in outcome.err and "--data." not in outcome.err


def test_a_split_that_is_not_of_the_configuration_is_to_be_restored(command, run):
    (run / "data.json").unlink()
    changed(run / "split.json", data_seed=5)
    outcome = command("evaluate", run)
    assert outcome.status == 2 and "has data_seed 5, but the options say 0; restore config.yaml and split.json" in outcome.err


def test_a_damaged_checkpoint_is_no_reason_to_advise_out(command, run):
    for path in (run / "checkpoints").iterdir():
        path.write_bytes(b"")
    outcome = command("evaluate", run)
    assert outcome.status == 2 and "--out" not in outcome.err


@pytest.mark.parametrize(
    ("text", "advised"),
    [
        ("name its folder by --data.root or GAN_SNTG_DATA, or add --data.download true", "name its folder by --root or GAN_SNTG_DATA"),
        ("mend or remove them, or add --data.skip_unreadable true", "mend or remove them"),
        ("give another --balance, or --n 3", "give another balance, or --n 3"),
        (
            "Train it with gan-sntg train --config a --out b; or leave --validation out",
            "Train it with gan-sntg train --config a --out b; or leave validation out",
        ),
        ("give another --nproc-per-node", "give another --nproc-per-node"),
    ],
)
def test_a_message_of_a_configuration_is_told_to_readers_in_their_own_options(text, advised):
    assert advice_to_readers(text, {"root", "n"}) == advised
    assert not re.search(r"--data", advised)
