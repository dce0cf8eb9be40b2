"""`--seeds` where runs are stacked: several of one command, each the run that it would be alone."""

import time
from pathlib import Path

import pytest
import torch
import yaml
from helpers.run_folders import assert_same_run, interrupted, result, rows, state

from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.runs import seeds
from gan_sntg.runs.folder import RunFolder

SEEDS = ["--seeds", "0..2", "--data_seeds", "4..6"]


@pytest.fixture(scope="module", autouse=True)
def stacking():
    """Seeds are stacked on a CPU too, so that what a GPU does is tested without one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seeds, "ONE_PROGRAM_ON", ("cpu", "cuda"))
        yield


@pytest.fixture(scope="module")
def cell(stacking, tmp_path_factory, command, tiny) -> Path:
    """The runs of three seeds, each with a data seed of its own, trained together."""
    folder = tmp_path_factory.mktemp("runs") / "cell"
    assert command("train", "--config", tiny, *SEEDS, "--out", folder).status == 0
    return folder


def alone(command, tiny, seed: int, out: Path):
    return command("train", "--config", tiny, "--seed", seed, "--data_seed", seed + 4, "--out", out)


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.parent.name != "tensorboard"}


def assert_near(a: Path, b: Path) -> None:
    """What two runs logged, and their weights, but for the rounding of 12 steps in float32."""
    assert [row.keys() for row in rows(a)] == [row.keys() for row in rows(b)] and len(rows(a)) == 3
    for left, right in zip(rows(a), rows(b), strict=True):
        terms = {k: v for k, v in left.items() if k.startswith(("d/", "g/"))}
        assert terms == pytest.approx({k: right[k] for k in terms}, rel=1e-3, abs=1e-5)
    torch.testing.assert_close(state(a)["method"], state(b)["method"], rtol=1e-2, atol=1e-3, equal_nan=True)


def test_each_seed_leaves_what_it_leaves_alone(command, tiny, cell, tmp_path):
    assert sorted(p.name for p in cell.iterdir()) == ["0", "1", "2"]
    for seed in 0, 2:
        assert alone(command, tiny, seed, tmp_path / str(seed)).status == 0
        mine, its = cell / str(seed), tmp_path / str(seed)
        assert files(mine) == files(its) and (mine / "split.json").read_bytes() == (its / "split.json").read_bytes()
        configs = [yaml.safe_load((folder / "config.yaml").read_text()) for folder in (mine, its)]
        assert configs[0] | {"out": None} == configs[1] | {"out": None}
        assert result(mine).keys() == result(its).keys() and result(mine)["config"] == result(its)["config"]
        assert_near(mine, its)


def test_a_seed_that_was_trained_with_others_is_known_alone_and_with_others_again(command, contents, tiny, cell):
    before = contents(cell)
    assert alone(command, tiny, 1, cell / "1").status == 0
    outcome = command("train", "--config", tiny, *SEEDS, "--out", cell)
    assert outcome.status == 0 and contents(cell) == before and outcome.out.count("test error") == 3


def test_resuming_them_together_equals_not_stopping(command, tiny, cell, tmp_path):
    assert interrupted(command, ["--config", tiny, *SEEDS], tmp_path / "cell", FeatureMatchingGAN, "step", 6).status == 130
    assert [len(rows(tmp_path / "cell" / str(seed))) for seed in range(3)] == [1, 1, 1]
    assert command("train", "--config", tiny, *SEEDS, "--out", tmp_path / "cell").status == 0
    for seed in range(3):
        assert_same_run(tmp_path / "cell" / str(seed), cell / str(seed))


def test_one_goes_on_alone_from_where_they_were_stopped_and_the_others_without_it(command, tiny, cell, tmp_path):
    interrupted(command, ["--config", tiny, *SEEDS], tmp_path / "cell", FeatureMatchingGAN, "step", 6)
    assert alone(command, tiny, 1, tmp_path / "cell/1").status == 0
    assert command("train", "--config", tiny, *SEEDS, "--out", tmp_path / "cell").status == 0
    for seed in range(3):
        assert result(tmp_path / "cell" / str(seed))["steps"] == 12
        assert_near(tmp_path / "cell" / str(seed), cell / str(seed))


def test_those_at_another_epoch_are_trained_apart_and_one_by_itself_to_the_bit_as_alone(command, tiny, cell, tmp_path):
    for name in "cell/1", "alone":
        interrupted(command, ["--config", tiny, "--seed", 1, "--data_seed", 5], tmp_path / name, FeatureMatchingGAN, "step", 6)
    assert alone(command, tiny, 1, tmp_path / "alone").status == 0
    outcome = command("train", "--config", tiny, *SEEDS, "--out", tmp_path / "cell")
    assert outcome.status == 0 and "from step 0: seeds 0, 2\n" in outcome.err and "from step 4: seeds 1\n" in outcome.err
    assert_same_run(tmp_path / "cell/1", tmp_path / "alone")
    assert_near(tmp_path / "cell/2", cell / "2")


def test_stopped_between_the_saves_of_two_seeds_they_finish_all_the_same(command, tiny, cell, tmp_path):
    interrupted(command, ["--config", tiny, *SEEDS], tmp_path / "cell", seeds.Trainer, "on_interval", 5)
    assert [len(rows(tmp_path / "cell" / str(seed))) for seed in range(3)] == [2, 1, 1]
    assert command("train", "--config", tiny, *SEEDS, "--out", tmp_path / "cell").status == 0
    for seed in range(3):
        assert_near(tmp_path / "cell" / str(seed), cell / str(seed))


def test_without_out_each_has_the_folder_of_a_run_alone(command, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in ["--seed", 3], ["--seeds", "2,3"]:
        assert command("train", "--config", tiny, "--epochs", 1, *words).status == 0
    assert ["-seed2-" in path.name for path in sorted((tmp_path / "runs").iterdir())] == [True, False]


def test_the_time_of_training_is_shared(command, tiny, tmp_path, monkeypatch):
    step = FeatureMatchingGAN.step
    monkeypatch.setattr(FeatureMatchingGAN, "step", lambda *arguments: (time.sleep(0.1), step(*arguments))[1])
    assert command("train", "--config", tiny, "--epochs", 1, "--seeds", "0..2", "--out", tmp_path).status == 0
    seconds = [RunFolder(tmp_path / str(seed)).rows()[-1]["seconds"] for seed in range(3)]
    assert 0.4 <= sum(seconds) + 0.02 < 1.2 and min(seconds) > 0.1  # 4 steps; each rounded to 0.01


def test_a_term_that_is_not_finite_stops_them_and_names_the_seed_and_its_folder(command, tiny, tmp_path):
    outcome = command("train", "--config", tiny, *SEEDS, "--out", tmp_path / "cell", "--method.learning_rate", ".nan")
    assert outcome.status == 1 and "Traceback" not in outcome.err
    assert f"stopped: seed 0 ({tmp_path / 'cell/0'}): the term g/matching is not finite since epoch 0, step 0" in outcome.err
    assert "without this seed in --seeds the others go on" in outcome.err and not [*tmp_path.rglob("last.pt")]
