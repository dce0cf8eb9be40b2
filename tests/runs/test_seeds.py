"""`--seeds`: several runs of one command, stacked or one after another, each the run that it would be alone; and threads for them."""

import os
import time
from pathlib import Path

import pytest
import torch
import yaml
from helpers.method_factories import made
from helpers.run_folders import assert_same_run, interrupted, result, rows, state
from helpers.tiny import assert_same, gan
from jsonargparse import Namespace

from gan_sntg.methods.feature_matching import FeatureMatchingGAN
from gan_sntg.runs import seeds
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.seeds import core_warning

IN_TURN = "the seeds are trained one after another: "
SEEDS = ["--seeds", "0..2", "--data_seeds", "4..6"]


# --- one after another: on a CPU, and wherever the method or its networks cannot be stacked ---------------------------


@pytest.fixture(scope="module")
def alone_run(command, tiny, tmp_path_factory):
    """The folder of the finished run of a seed and a data seed, to be read."""
    folder = tmp_path_factory.mktemp("alone")

    def train(seed: int, *words) -> Path:
        out = folder / "-".join(map(str, [seed, *words]))
        assert command("train", "--config", tiny, "--seed", seed, *words, "--out", out).status == 0
        return out

    return train


def test_on_a_cpu_seeds_follow_one_another_and_each_leaves_to_the_bit_what_it_leaves_alone(
    command, tiny, finished, alone_run, tmp_path, monkeypatch
):
    record, order = seeds.Trainer.record, []
    monkeypatch.setattr(seeds.Trainer, "record", lambda trainer: (order.append(trainer.options.seed), record(trainer)))
    outcome = command("train", "--config", tiny, "--seeds", "0,1", "--out", tmp_path / "cell")
    assert outcome.status == 0 and order == [0, 0, 0, 1, 1, 1]
    assert outcome.err.count(f"{IN_TURN}one program is not faster on a CPU (results/seeds_speed.md)\n") == 1
    assert_same_run(tmp_path / "cell/0", finished)
    assert_same_run(tmp_path / "cell/1", alone_run(1))


def test_stopped_in_the_second_they_go_on_there(command, tiny, alone_run, tmp_path):
    words = ["--config", tiny, "--seeds", "0..2"]
    assert interrupted(command, words, tmp_path / "cell", FeatureMatchingGAN, "step", 18).status == 130
    assert [(tmp_path / "cell" / str(seed) / "result.json").exists() for seed in range(3)] == [True, False, False]
    assert command("train", *words, "--out", tmp_path / "cell").status == 0
    assert_same_run(tmp_path / "cell/1", alone_run(1))
    assert result(tmp_path / "cell/2")["steps"] == 12


def test_only_the_gan_of_dense_networks_is_stacked_and_not_compiled_and_not_on_a_cpu(monkeypatch):
    plain, compiled, mapped = (Namespace(compile=c, pool=pool) for c, pool in ((False, "resident"), (True, "resident"), (False, "mapped")))
    other = gan()
    other.discriminator = torch.nn.Identity()
    assert "not faster on a CPU" in seeds.stacking_obstacle(gan(), plain)
    monkeypatch.setattr(seeds, "ONE_PROGRAM_ON", ("cpu",))
    assert seeds.stacking_obstacle(gan(), plain) is None
    assert "read ahead from a file" in seeds.stacking_obstacle(gan(), mapped)
    assert "not compiled" in seeds.stacking_obstacle(gan(), compiled)
    assert "dense networks" in seeds.stacking_obstacle(other, plain)
    assert "dense networks" in seeds.stacking_obstacle(made("pi"), plain)
    assert "epsilon inside" in seeds.stacking_obstacle(gan(adam_epsilon="outside_sqrt"), plain)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: seeds are stacked on one")
def test_on_a_gpu_seeds_are_stacked():
    assert seeds.stacking_obstacle(gan(device="cuda"), Namespace(compile=False, pool="resident")) is None


# --- stacked, as one program ------------------------------------------------------------------------------------------


@pytest.fixture
def stacking(monkeypatch):
    """Seeds are stacked on a CPU too, so that what a GPU does is tested without one."""
    monkeypatch.setattr(seeds, "ONE_PROGRAM_ON", ("cpu", "cuda"))


STACKED = pytest.mark.usefixtures("stacking")


@pytest.fixture(scope="module")
def cell(tmp_path_factory, command, tiny) -> Path:
    """The runs of three seeds, each with a data seed of its own, trained together."""
    folder = tmp_path_factory.mktemp("runs") / "cell"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seeds, "ONE_PROGRAM_ON", ("cpu", "cuda"))
        assert command("train", "--config", tiny, *SEEDS, "--out", folder).status == 0
    return folder


def alone(seed: int) -> list:
    """What `alone_run` and, after `--seed`, the command take for a seed of the cell."""
    return [seed, "--data_seed", seed + 4]


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and not p.name.startswith("events.")}


def assert_near(a: Path, b: Path) -> None:
    """What two runs logged, and their weights, but for the rounding of 12 steps in float32."""
    assert [row.keys() for row in rows(a)] == [row.keys() for row in rows(b)] and len(rows(a)) == 3
    for left, right in zip(rows(a), rows(b), strict=True):
        terms = {k: v for k, v in left.items() if k.startswith(("d/", "g/"))}
        assert terms == pytest.approx({k: right[k] for k in terms}, rel=1e-3, abs=1e-5)
    torch.testing.assert_close(state(a)["method"], state(b)["method"], rtol=1e-2, atol=1e-3, equal_nan=True)


@STACKED
def test_each_seed_leaves_what_it_leaves_alone(cell, alone_run):
    assert sorted(p.name for p in cell.iterdir()) == ["0", "1", "2"]
    for seed in 1, 2:
        mine, its = cell / str(seed), alone_run(*alone(seed))
        assert files(mine) == files(its) and (mine / "split.json").read_bytes() == (its / "split.json").read_bytes()
        configs = [yaml.safe_load((folder / "config.yaml").read_text()) for folder in (mine, its)]
        assert configs[0] | {"out": None} == configs[1] | {"out": None}
        assert result(mine).keys() == result(its).keys() and result(mine)["config"] == result(its)["config"]
        assert_near(mine, its)


@STACKED
def test_a_seed_that_was_trained_with_others_is_known_alone_and_with_others_again(command, contents, tiny, cell):
    before = contents(cell)
    assert command("train", "--config", tiny, "--seed", *alone(1), "--out", cell / "1").status == 0
    outcome = command("train", "--config", tiny, *SEEDS, "--out", cell)
    assert outcome.status == 0 and contents(cell) == before and outcome.out.count("test error: ") == 3


@STACKED
def test_one_goes_on_alone_from_where_they_were_stopped_and_the_others_without_it(command, tiny, cell, tmp_path):
    interrupted(command, ["--config", tiny, *SEEDS], tmp_path / "cell", FeatureMatchingGAN, "step", 6)
    assert command("train", "--config", tiny, "--seed", *alone(1), "--out", tmp_path / "cell/1").status == 0
    assert command("train", "--config", tiny, *SEEDS, "--out", tmp_path / "cell").status == 0
    for seed in range(3):
        assert result(tmp_path / "cell" / str(seed))["steps"] == 12
        assert_near(tmp_path / "cell" / str(seed), cell / str(seed))


@STACKED
def test_those_at_another_epoch_are_trained_apart_and_one_by_itself_to_the_bit_as_alone(command, tiny, cell, alone_run, tmp_path):
    interrupted(command, ["--config", tiny, "--seed", *alone(1)], tmp_path / "cell/1", FeatureMatchingGAN, "step", 6)
    outcome = command("train", "--config", tiny, *SEEDS, "--out", tmp_path / "cell")
    assert outcome.status == 0 and "from step 0: seeds 0, 2\n" in outcome.err and "from step 4: seeds 1\n" in outcome.err
    assert_same_run(tmp_path / "cell/1", alone_run(*alone(1)))
    assert_near(tmp_path / "cell/2", cell / "2")


@STACKED
def test_stopped_between_the_saves_of_two_seeds_they_finish_all_the_same(command, tiny, cell, tmp_path):
    words = ["--config", tiny, "--seeds", "0,1", "--data_seeds", "4,5"]
    interrupted(command, words, tmp_path / "cell", seeds.Trainer, "record", 4)
    assert [len(rows(tmp_path / "cell" / str(seed))) for seed in (0, 1)] == [2, 1]
    assert command("train", *words, "--out", tmp_path / "cell").status == 0
    for seed in 0, 1:
        assert_near(tmp_path / "cell" / str(seed), cell / str(seed))


@STACKED
def test_without_out_each_has_the_folder_of_a_run_alone(command, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in ["--seed", 3], ["--seeds", "2,3"]:
        assert command("train", "--config", tiny, "--epochs", 1, *words).status == 0
    assert ["-seed2-" in path.name for path in sorted((tmp_path / "runs").iterdir())] == [True, False]


@STACKED
def test_the_time_of_training_is_shared_and_evaluations_are_not_counted(command, tiny, tmp_path, monkeypatch):
    now, step, look = [0.0], FeatureMatchingGAN.step, seeds.Trainer.look
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(FeatureMatchingGAN, "step", lambda *arguments: (now.__setitem__(0, now[0] + 3), step(*arguments))[1])
    monkeypatch.setattr(seeds.Trainer, "look", lambda *arguments: (now.__setitem__(0, now[0] + 100), look(*arguments))[1])
    assert command("train", "--config", tiny, "--epochs", 2, "--seeds", "0..2", "--out", tmp_path).status == 0
    times = [[row["seconds"] for row in RunFolder(tmp_path / str(seed)).rows()] for seed in range(3)]
    assert times == [[4, 8]] * 3  # of 4 x 3 s an epoch


@STACKED
def test_a_term_that_is_not_finite_stops_them_and_names_the_seed_and_its_folder(command, tiny, tmp_path):
    outcome = command("train", "--config", tiny, *SEEDS, "--out", tmp_path / "cell", "--method.learning_rate", ".nan")
    assert outcome.status == 1 and "Traceback" not in outcome.err
    assert f"stopped: seed 0 ({tmp_path / 'cell/0'}): the term g/matching is not finite since epoch 0, step 0" in outcome.err
    assert "without this seed in --seeds the others go on" in outcome.err and not [*tmp_path.rglob("last.pt")]


# --- a run that takes all cores says so where others want them --------------------------------------------------------


@STACKED
def test_stacked_seeds_draw_the_balanced_batches_that_each_draws_alone(command, tiny, tmp_path):
    words = ["train", "--config", tiny, "--labeled_sampling", "class_balanced", "--labeled_batch_size", 25]
    assert command(*words, "--seeds", "0,1", "--out", tmp_path / "both").status == 0
    assert command(*words, "--seed", 1, "--out", tmp_path / "1").status == 0
    assert_same(state(tmp_path / "both/1")["streams"], state(tmp_path / "1")["streams"])
    assert_near(tmp_path / "both/1", tmp_path / "1")


@pytest.fixture
def machine(monkeypatch):
    def made(cores: int, load: float):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)), raising=False)
        monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))

    return made


@pytest.mark.parametrize(("cores", "load", "fair"), [(2, 1.0, 1), (8, 4.2, 4), (8, 6.0, 2), (4, 30.0, 1)])
def test_a_busy_machine_is_named_with_the_threads_that_are_left(machine, cores, load, fair):
    machine(cores, load)
    assert core_warning(None).endswith(f"--threads {fair}") and f"{load:.1f} of the {cores} cores" in core_warning(None)


@pytest.mark.parametrize(("cores", "load", "threads"), [(8, 3.9, None), (8, 8.0, 4), (1, 5.0, None)])
def test_nothing_is_said_where_cores_are_free_or_threads_are_chosen(machine, cores, load, threads):
    machine(cores, load)
    assert core_warning(threads) is None


def test_train_says_it_once_and_trains(machine, command, tiny_tree, tmp_path):
    machine(8, 7.0)
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(tiny_tree() | {"threads": None}))
    outcome = command("train", "--config", tmp_path / "a.yaml", "--out", tmp_path / "run")
    assert outcome.status == 0 and outcome.err.count("--threads 1") == 1
