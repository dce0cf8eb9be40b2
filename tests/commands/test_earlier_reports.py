"""`gan-sntg reproduce --add`: runs of earlier reports join the table, are not run again, and are of the same grid."""

import contextlib
import json
import random
import shutil
from pathlib import Path

import pytest
from helpers.grids import GRID, Here, write

from gan_sntg.commands import reproduce


@pytest.fixture(scope="module")
def checkout(tmp_path_factory, tiny_tree, command) -> Path:
    """A folder with the grid and its config, all of its runs in `whole`, and reports of either seed, first.json and second.json."""
    folder = tmp_path_factory.mktemp("checkout")
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        write({"grids/two.yaml": GRID, "grids/other.yaml": GRID, "tiny/fm_gan.yaml": tiny_tree()})
        patch.setattr(reproduce, "make_engine", lambda options: Here({}))
        assert command("reproduce", "two", "--out", "whole").status == 0
        for name, seed in (("first", 0), ("second", 1)):
            assert command("reproduce", "two", "--out", "whole", "--seeds", seed, "--report", name).status == 0
    return folder


@pytest.fixture
def here(monkeypatch, checkout) -> Here:
    """The engine of a command in the checkout: what it ran, in this process."""
    engine = Here({})
    monkeypatch.chdir(checkout)
    monkeypatch.setattr(reproduce, "make_engine", lambda options: engine)
    return engine


def made(folder: Path | str) -> dict:
    """A report."""
    return json.loads((Path(folder) / "two.json").read_text())


def test_a_table_of_two_machines_is_that_of_one(checkout, command, here, tmp_path):
    shutil.copytree("whole/tiny/fm_gan/1", tmp_path / "runs/tiny/fm_gan/1")
    status, out, err = command("reproduce", "two", "--out", tmp_path / "runs", "--report", tmp_path, "--add", "first/two.json")
    assert status == 0 and here.ran == ["fm_gan_sntg/1"] and "2 cells, 1 of them finished; 2 runs of earlier reports" in err
    one, two = made("whole/report"), made(tmp_path)
    assert two.pop("added") == ["gan-sntg reproduce two --seeds 0"]
    assert two["notes"].pop(2) == "With runs of earlier reports: `gan-sntg reproduce two --seeds 0`."
    for cell in (*one["cells"].values(), *two["cells"].values()):
        del cell["seconds"]
    assert one == two and "With runs of earlier reports" in out


def test_reports_alone_make_a_table_also_of_cells_and_seeds_beyond_the_plan(command, here, tmp_path):
    words = "--seeds 1 --only tiny/fm_gan --add first/two.json second/two.json".split()
    assert command("reproduce", "two", "--out", tmp_path / "runs", "--report", tmp_path, *words).status == 0
    assert here.ran == [] and made(tmp_path)["differences"] == made("whole/report")["differences"]
    assert not any("finished" in note for note in made(tmp_path)["notes"])


def test_a_command_that_is_stopped_and_run_again_in_place_ends_in_the_same_report(command, here, tmp_path):
    shutil.copy("first/two.json", tmp_path)
    words = ["reproduce", "two", "--out", tmp_path / "runs", "--report", tmp_path, "--add", tmp_path / "two.json"]
    assert command(*words, "--max_minutes", 0).status == 75 and here.ran != []
    once = made(tmp_path)["added"]
    assert command(*words).status == 0
    whole = made(tmp_path)
    assert command(*words).status == 0
    assert made(tmp_path) == whole and whole["added"] == once == ["gan-sntg reproduce two --seeds 0"]


def test_runs_of_this_machine_come_before_those_of_a_report(command, here, tmp_path):
    assert command("reproduce", "two", "--out", "whole", "--report", tmp_path, "--add", "whole/report/two.json").status == 0
    assert here.ran == [] and made(tmp_path) == made("whole/report")


def test_an_added_table_can_be_added_and_names_all_commands(command, here, tmp_path):
    words = "reproduce two --seeds 1 --only tiny/fm_gan --add".split()
    assert command(*words, "first/two.json", "second/two.json", "--out", tmp_path / "none", "--report", tmp_path).status == 0
    again = ["reproduce", "two", "--add", tmp_path / "two.json", "--out", tmp_path / "none", "--report", tmp_path / "again"]
    assert command(*again).status == 0 and here.ran == []
    mine = "gan-sntg reproduce two --seeds 1 --only tiny/fm_gan"
    assert made(tmp_path / "again")["added"] == [mine, *(f"gan-sntg reproduce two --seeds {seed}" for seed in (0, 1))]


def of_cell(found: dict, **fields) -> dict:
    """A report whose cell tiny/fm_gan has other fields."""
    return found | {"cells": found["cells"] | {"tiny/fm_gan": found["cells"]["tiny/fm_gan"] | fields}}


def of_config(found: dict, **options) -> dict:
    """A report whose cell tiny/fm_gan has other options."""
    return of_cell(found, config=found["cells"]["tiny/fm_gan"]["config"] | options)


def without_configs(found: dict) -> dict:
    """A report of before they held configurations."""
    return found | {"cells": {name: {k: v for k, v in cell.items() if k != "config"} for name, cell in found["cells"].items()}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found | {"grid": "other"}, "grid other there, two here"),
        (lambda found: found | {"scale": 0.5}, "scale 0.5 there, 1.0 here"),
        (lambda found: found | {"cells": {"tiny/pi": {}}}, "holds tiny/pi, which two does not have"),
        (lambda found: of_config(found, batch_size=7), "tiny/fm_gan is of another configuration (batch_size: 7 there, 50 asked for)"),
        (lambda found: of_config(found, noise="table"), "(noise: table there, None asked for)"),
        (lambda found: of_config(found, threads=2), "(threads: 2 there, 1 asked for)"),
        (lambda found: of_config(found, method={"class_path": "os.system"}), "os.system"),
        (without_configs, "of an earlier version, whose reports hold no configurations"),
        (lambda found: of_cell(found, data_sha256="0" * 64), "the data (sha256) of"),
        (lambda found: of_cell(found, split_sha256=["0" * 64]), "the split (sha256) of"),
        (lambda found: of_config(found, precision="bfloat16"), "the precision of"),
        (lambda found: of_cell(found, seeds=["../0"]), "is no report of"),
        (lambda found: of_cell(found, errors={"averaged": {"values": [101.0]}}), "101.0 is no error in percent"),
        (lambda found: of_cell(found, errors={}), "a cell has no errors"),
        (lambda found: {"a": 1}, "is no report of `gan-sntg reproduce` (KeyError: 'grid')"),
    ],
)
def test_what_cannot_stand_in_one_table_is_refused_before_anything_is_run(checkout, command, here, tmp_path, change, said):
    (tmp_path / "a.json").write_text(json.dumps(change(made("first"))))
    status, _, err = command("reproduce", "two", "--out", tmp_path / "runs", "--add", tmp_path / "a.json")
    assert status == 2 and said in err and here.ran == [] and not (tmp_path / "runs").exists()


def test_a_run_that_is_older_than_an_option_has_its_default(command, here, tmp_path):
    found = made("first")
    config = {name: value for name, value in found["cells"]["tiny/fm_gan"]["config"].items() if name != "compile"}
    (tmp_path / "a.json").write_text(json.dumps(of_cell(found, config=config)))
    assert command("reproduce", "two", "--seeds", 0, "--out", tmp_path / "runs", "--add", tmp_path / "a.json").status == 0
    assert here.ran == []


def test_test_errors_that_one_report_shows_are_not_lost_in_the_next(command, here, tmp_path):
    validated = ["--seeds", 0, "--", "--validation", "true"]
    shown = ["reproduce", "two", "--out", "validated", "--test_errors", "true"]
    assert command("reproduce", "two", "--out", "validated", "--report", "hidden", *validated).status == 0
    assert command(*shown, "--report", "shown", *validated).status == 0
    none = ["reproduce", "two", "--out", tmp_path / "none", "--report", tmp_path]
    for words, said in (
        (["--add", "shown/two.json"], "shows test errors, which this report would hide; give --test_errors true"),
        (["--add", "hidden/two.json", "--test_errors", "true"], "hides its test errors; leave --test_errors out"),
    ):
        outcome = command(*none, *words, *validated)
        assert outcome.status == 2 and said in outcome.err
    here.ran.clear()
    assert command(*none, "--add", "shown/two.json", "--test_errors", "true", *validated).status == 0
    assert here.ran == [] and made(tmp_path)["cells"] == made("shown")["cells"]


def test_places_are_not_part_of_what_must_be_the_same_but_options_are(command, here, tmp_path):
    words = ["reproduce", "two", "--seeds", 0, "--out", tmp_path / "runs", "--add", "first/two.json", "--"]
    assert command(*words, "--checkpoint_minutes", 7).status == 0 and here.ran == []
    outcome = command(*words, "--epochs", 2)
    assert outcome.status == 2 and "tiny/fm_gan is of another configuration" in outcome.err


def test_what_joins_runs_of_another_precision_is_trained_in_it(command, here, tmp_path):
    found = made("first")
    for cell in found["cells"].values():
        cell["config"]["precision"] = "bfloat16"
    (tmp_path / "a.json").write_text(json.dumps(found))
    words = ["reproduce", "two", "--out", tmp_path / "runs", "--add", tmp_path / "a.json"]
    assert command(*words).status == 0
    assert {cell["precision"] for cell in made(tmp_path / "runs/report")["cells"].values()} == {"bfloat16"}
    assert all(json.loads(file.read_text())["config"]["precision"] == "bfloat16" for file in (tmp_path / "runs").rglob("result.json"))
    outcome = command(*words, "--", "--precision", "float32")
    assert outcome.status == 2 and "(precision: bfloat16 there, float32 asked for)" in outcome.err


def test_one_run_of_two_reports_and_a_grid_of_pictures_are_refused(checkout, command, here, tmp_path, tiny_tree):
    outcome = command("reproduce", "two", "--out", tmp_path / "runs", "--add", "whole/report/two.json", "first/two.json")
    assert outcome.status == 2 and "both hold tiny/fm_gan, seed 0; give one of them" in outcome.err
    write({"grids/drawn.yaml": GRID | {"figure": {"kind": "curves"}}})
    outcome = command("reproduce", "drawn", "--out", tmp_path / "runs", "--add", "first/two.json")
    assert outcome.status == 2 and "drawn draws or reads what is in run folders" in outcome.err


def test_a_damaged_report_is_refused_without_a_traceback(command, here, tmp_path):
    """One value of the report after another is replaced by something else."""
    found, draw, statuses = made("first"), random.Random(0), []
    for k in range(40):
        tree, path = json.loads(json.dumps(found)), []
        node = tree
        while isinstance(node, dict | list) and node:
            key = draw.choice(sorted(node) if isinstance(node, dict) else range(len(node)))
            parent, node = node, node[key]
            path.append(key)
            if draw.random() < 0.2:
                break
        parent[key] = draw.choice([None, [], {}, "x", -1, 3.5, [["x"]], {"x": 1}])
        (tmp_path / "a.json").write_text(json.dumps(tree))
        outcome = command("reproduce", "two", "--seeds", 0, "--out", tmp_path / f"{k}", "--add", tmp_path / "a.json")
        assert outcome.status in (0, 2) and "Traceback" not in outcome.err, (path, parent[key], outcome.err)
        statuses.append(outcome.status)
        here.ran.clear()
    assert {0, 2} == set(statuses)
