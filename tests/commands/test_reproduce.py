"""`gan-sntg reproduce`: cells run once, resumed and retried, and reports the same every way."""

import contextlib
import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from helpers.grids import GRID, Here, figures, finished, reports, started, write

from gan_sntg.commands import reproduce
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.stopping import LATER

CELLS = [f"{row}/{seed}" for row in GRID["rows"] for seed in (0, 1)]


@pytest.fixture
def engine(monkeypatch, checkout):
    """Makes all cells of the checkout run in this process: as a function of those that fail, and how often."""
    monkeypatch.chdir(checkout)

    def use(**fails: int) -> Here:
        engine = Here({name.replace("_seed", "/"): times for name, times in fails.items()})
        monkeypatch.setattr(reproduce, "make_engine", lambda options: engine)
        return engine

    return use


@pytest.fixture(scope="module")
def checkout(tmp_path_factory, tiny_tree) -> Path:
    """A folder with the grid and its config, in which `reproduce` can be run."""
    folder = tmp_path_factory.mktemp("checkout")
    with contextlib.chdir(folder):
        write({"grids/two.yaml": GRID, "tiny/fm_gan.yaml": tiny_tree()})
    return folder


@pytest.fixture(scope="module")
def whole(checkout, command) -> Path:
    """The folder of a grid that was run to its end in one go, in this process."""
    with contextlib.chdir(checkout), pytest.MonkeyPatch.context() as patch:
        patch.setattr(reproduce, "make_engine", lambda options: Here({}))
        assert command("reproduce", "two", "--out", "whole").status == 0
    return checkout / "whole"


def test_every_cell_is_a_run_of_its_own_that_train_would_make(whole, checkout, command, monkeypatch, tmp_path):
    monkeypatch.chdir(checkout)
    assert sorted(str(f.parent.relative_to(whole / "tiny")) for f in whole.rglob("result.json")) == sorted(CELLS)
    words = ["--config", "configs/tiny/fm_gan.yaml", "--seed", 1, "--data_seed", 1]
    assert command("train", *words, "--out", tmp_path / "run").status == 0
    mine, other = (json.loads((f / "result.json").read_text()) for f in (tmp_path / "run", whole / "tiny" / "fm_gan_sntg" / "1"))
    assert {k: v for k, v in mine.items() if k != "seconds"} == {k: v for k, v in other.items() if k != "seconds"}


def test_the_report_has_what_the_runs_have(whole):
    made = json.loads((whole / "report" / "two.json").read_text())
    errors = {c: RunFolder(whole / "tiny" / c).read_result()["test_error_averaged"] for c in CELLS}
    cell = made["cells"]["tiny/fm_gan"]
    assert cell["errors"]["averaged"]["values"] == [errors["fm_gan/0"], errors["fm_gan/1"]] and cell["seeds"] == [0, 1]
    found = made["differences"]["tiny digits: FM-GAN + SNTG - FM-GAN"]
    both = [errors[f"fm_gan_sntg/{seed}"] - errors[f"fm_gan/{seed}"] for seed in (0, 1)]
    assert found["mean"] == pytest.approx(sum(both) / 2)
    text = reports(whole)[0]
    assert f"| {cell['errors']['averaged']['mean']:.2f} ± {cell['errors']['averaged']['std']:.2f} |" in text and "| 12.3 ± 4.5 |" in text
    assert "`gan-sntg reproduce two --seeds 0..1`" in text and "chosen" not in text.splitlines()[2]


def test_finished_cells_are_skipped_and_the_report_is_the_same(whole, command, engine):
    before, here = reports(whole), engine()
    assert command("reproduce", "two", "--out", "whole").status == 0
    assert here.ran == [] and reports(whole) == before


def test_a_cell_that_fails_once_is_run_again_and_one_that_fails_twice_is_named(checkout, command, engine, whole):
    here = engine(fm_gan_seed1=1, fm_gan_sntg_seed0=2)
    status, out, err = command("reproduce", "two", "--out", "failing")
    assert status == 1 and "1 cells failed" in err and "failing/tiny/fm_gan_sntg/0: killed" in err
    assert here.ran == [*CELLS, "fm_gan/1", "fm_gan_sntg/0"]
    assert "3 of 4 runs are finished, 1 failed; the table is of these." in out
    assert command("reproduce", "two", "--out", "failing").status == 0
    assert here.ran[len(CELLS) + 2 :] == ["fm_gan_sntg/0"] and reports(checkout / "failing") == reports(whole)


def test_signals_are_those_of_the_log_of_every_row(command, engine, whole, monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr("gan_sntg.experiments.plots.save_signals", lambda file, signals, title: drawn.append((signals, title)))
    engine()
    write({"grids/signals.yaml": GRID | {"figure": {"kind": "signals"}}})
    assert command("reproduce", "signals", "--out", whole, "--report", tmp_path).status == 0
    ((signals, title),) = drawn
    assert title == GRID["columns"]["tiny"]["name"]
    for name, key in (
        ("test error, %", "test_error/averaged"),
        ("precision of W", "graph/precision"),
        ("feature matching, G's signal", "g/matching"),
    ):
        for row, options in GRID["rows"].items():
            epochs, values = signals[name][options["name"]]
            runs = [RunFolder(whole / "tiny" / row / str(seed)).rows() for seed in (0, 1)]
            assert values.tolist() == [[line[key] for line in run] for run in runs] and epochs.tolist() == [
                line["epoch"] for line in runs[0]
            ]


def test_when_its_time_is_over_it_reports_what_is_finished_and_exits_with_75(command, engine, whole):
    here = engine()
    shutil.copytree("whole/tiny/fm_gan/0", "late/tiny/fm_gan/0")
    status, out, err = command("reproduce", "two", "--out", "late", "--max_minutes", 0)
    assert status == LATER and "3 of 4 cells left" in err and "1 of 4 runs are finished; the table is of these." in out
    assert here.ran == CELLS[1:]  # none is tried again


def test_only_takes_some_cells_and_words_after_two_dashes_go_to_every_train(command, engine):
    engine()
    words = "--only *_sntg --seeds 3 --out some -- --precision bfloat16 --validation true"
    status, out, _ = command("reproduce", "two", *words.split())
    assert status == 0 and [str(f) for f in Path("some").rglob("result.json")] == ["some/tiny/fm_gan_sntg/3/result.json"]
    run = RunFolder(Path("some/tiny/fm_gan_sntg/3"))
    assert (
        run.read_result()["config"]["precision"] == "bfloat16"
        and "| data | method | n | validation error, % | least class recall, % |" in out
    )
    made = json.loads(Path("some/report/two.json").read_text())
    errors = made["cells"]["tiny/fm_gan_sntg"]["errors"]
    assert list(errors) == ["validation", "worst_class"] and errors["validation"]["values"] == [run.read_result()["validation_error"]]
    assert "test_error" not in Path("some/report/two.json").read_text().replace("--test_errors", "")
    assert "-- --precision bfloat16 --validation true" in made["command"]
    status, out, _ = command("reproduce", "two", "--test_errors", "true", *words.split())
    best = min(run.rows(), key=lambda row: row["validation_error/averaged"])
    made = json.loads(Path("some/report/two.json").read_text())
    assert status == 0 and made["cells"]["tiny/fm_gan_sntg"]["errors"]["chosen"]["values"] == [best["test_error/averaged"]]
    assert "| validation error, % | averaged weights, % | last weights, % | chosen on validation, % |" in out
    assert "--test_errors true -- --precision" in made["command"]


def test_a_shorter_schedule_is_named_in_folder_report_and_heading(command, engine):
    engine()
    assert command("reproduce", "two", "--seeds", "0", "--scale", "0.6").status == 0
    folder = Path("runs/reproduce/two_scale0.6")
    assert RunFolder(folder / "tiny/fm_gan/0").read_result()["epochs"] == 2
    assert "at 0.6 of the schedules' length" in (folder / "report/two_scale0.6.md").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seeds", "0,0"], "one is there twice"),
        (["--scale", "2"], "scale: Not of type Scale: 2"),
        (["--scale", "nan"], "nan"),
        (["--processes", "0"], "processes: Not of type PositiveInt: 0"),
        (["--engine", "slurm"], "engine: Expected"),
        (["--address", "auto"], "are of --engine ray"),
        (["--", "--seed", "3"], "--seed cannot stand after --"),
        (["--", "--precison", "bfloat16"], "precison"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_run(checkout, command, engine, words, said, contents):
    here, before = engine(), contents(checkout)
    status, _, err = command("reproduce", "two", "--out", "refused", *words)
    assert status == 2 and said in err and here.ran == [] and contents(checkout) == before


def test_a_cell_that_reads_anothers_run_waits_for_it_and_gets_a_file_of_its_own(command, engine, tiny_tree, labels_alone):
    here = engine()
    pi = tiny_tree() | {"method": labels_alone() | {"class_path": "discriminative.PiModel"}}
    fixed = {
        "name": "Pi + fixed graph",
        "method": "pi",
        "needs": "pi",
        "first": "graph predictions {needed} --out {files}.npz",
        "options": "--method.sntg.graph gan_sntg.graph.FixedGraph --method.sntg.graph.file {files}.npz --method.sntg.weight 1",
    }
    write({"tiny/pi.yaml": pi, "grids/fixed.yaml": GRID | {"rows": {"fixed": fixed, "pi": {"name": "Pi"}}}})
    for _ in range(2):
        status, _, err = command("reproduce", "fixed", "--out", "fixed")
        assert status == 0, err
    assert here.ran == ["pi/0", "pi/1", "fixed/0", "fixed/1"]
    assert [Path(f"fixed/tiny/fixed/{seed}.files.npz").is_file() for seed in (0, 1)] == [True, True]


def changed(path: Path, **fields) -> None:
    """The JSON file with other fields."""
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def precision(run: Path, name: str | None) -> None:
    """As if the run had been trained in another one."""
    changed(run / "result.json", config=json.loads((run / "result.json").read_text())["config"] | {"precision": name})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda run: changed(run / "split.json", sha256="0" * 64), "the data (sha256) of"),
        (lambda run: changed(run / "result.json", split_sha256="0" * 64), "the split (sha256) of"),
        (lambda run: precision(run, "bfloat16"), "runs of one row, or of two that are compared, that differ in that"),
        (lambda run: precision(run, "float12"), "holds no configuration of a run"),
        (lambda run: precision(run, "os.system"), "holds no configuration of a run"),
    ],
)
def test_runs_of_other_data_splits_or_precision_are_not_averaged(whole, command, engine, tmp_path, change, said):
    here = engine()
    shutil.copytree(whole, tmp_path / "mixed")
    change(tmp_path / "mixed" / "tiny" / "fm_gan_sntg" / "1")
    shutil.rmtree(tmp_path / "mixed" / "report")
    status, out, err = command("reproduce", "two", "--out", tmp_path / "mixed")
    assert status == 2 and said in err and "mixed/tiny/fm_gan_sntg/1" in err
    assert here.ran == [] and not (tmp_path / "mixed" / "report").exists()


def test_a_run_that_is_older_than_an_option_counts_as_its_default(whole, command, engine, tmp_path):
    shutil.copytree(whole, tmp_path / "older")
    for path in (tmp_path / "older").rglob("result.json"):
        config = json.loads(path.read_text())["config"]
        changed(path, config={name: value for name, value in config.items() if name != "compile"})
    engine()
    assert command("reproduce", "two", "--out", tmp_path / "older").status == 0
    assert reports(tmp_path / "older") == reports(whole)


def test_stopped_killed_and_started_again_it_ends_in_the_same_report(checkout, whole, command, monkeypatch, tmp_path):
    for processes, number, end in (1, signal.SIGTERM, LATER), (2, signal.SIGKILL, -9), (2, None, 0):
        running = started(checkout, "killed", "--only", "*_sntg", "--processes", processes)
        if number:
            os.kill(running.pid, number)
        assert finished(running) == end, (checkout / "killed.said").read_text()
    monkeypatch.chdir(checkout)
    assert command("reproduce", "two", "--only", "*_sntg", "--out", "whole", "--report", tmp_path / "report").status == 0
    assert reports(checkout / "killed") == reports(tmp_path) and figures(checkout / "killed") == figures(tmp_path)
