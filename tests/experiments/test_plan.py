"""Grids and their plans: cells, what each is told, shortened schedules, and what is refused."""

import json
from pathlib import Path

import pytest
import yaml

from gan_sntg.commands.reproduce import parser
from gan_sntg.errors import InputError
from gan_sntg.experiments.grid import Column, Grid, Row, load_grid
from gan_sntg.experiments.plan import Cell, configuration, make_plan, shortened
from gan_sntg.experiments.results import check_config
from gan_sntg.files.yaml_files import configs_folder
from gan_sntg.runs.options import config_parser, identity

NAMES = sorted(path.stem for path in (configs_folder() / "grids").glob("*.yaml"))
CELLS = {"table1": 47, "table2": 31, "table3": 22, "table4": 21, "table5": 4, "digits": 31, "mnist-cpu": 9, "fashion-cpu": 9}
CELLS |= {"precision": 7, "two-ranks": 4, "fig5-cpu": 2, "fig2": 6, "fig3": 4, "fig4": 15, "fig4-digits": 20, "fig5": 4, "fig6": 2}
CELLS |= {"mnist-gans": 16, "ladder": 2, "fashion": 3, "few-labels": 6, "absorption": 3, "digits-sntg": 4, "table4-sntg": 12}
CELLS |= {"pictures": 10, "pictures-small": 10, "faster": 14, "cifar-cpu": 7, "fig4-fashion": 20}

SCALED = "table1", "digits", "mnist-cpu"  # of all methods; the other grids are planned at full length


def planned(grid: Grid, *words: str) -> list[Cell]:
    """The cells that `gan-sntg reproduce` plans."""
    return make_plan(grid, parser().parse_args([grid.name, *words])).cells


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_is_made_of_options_that_there_are_and_sntg_changes_what_its_name_says(name):
    words = ["--scale", "0.5"] if name in SCALED else []
    cells = planned(load_grid(name), *words, "--seeds", "0")
    assert len(cells) == CELLS[name] and sorted(CELLS) == NAMES
    configs = {cell.name: cell.config for cell in cells}
    for cell in (cell for cell in cells if cell.row.name.endswith("SNTG") and cell.row.against):
        other = configs[f"{cell.column.key}/{cell.row.against}"]
        changed = {name for name in cell.config | other if cell.config.get(name) != other.get(name)}
        assert changed and all(".sntg" in name for name in changed), (cell.name, changed)


@pytest.fixture
def tree(tmp_path, monkeypatch) -> dict:
    """A grid of two rows and one column, and its config."""
    monkeypatch.chdir(tmp_path)
    Path("configs/a").mkdir(parents=True)
    Path("configs/a/m.yaml").write_text("epochs: 1\n")
    rows = {"m": {"name": "M", "options": "--labels 3"}, "n": {"name": "N", "method": "m", "against": "m"}}
    return {"title": "t", "columns": {"a": {"name": "A", "options": "--epochs 2"}}, "rows": rows, "options": "--keep 1"}


def loaded(tree: dict):
    Path("grid.yaml").write_text(yaml.safe_dump(tree))
    return load_grid("grid.yaml")


def test_a_cells_words_are_the_grids_the_columns_the_rows_then_those_asked_for(tree):
    (cell,) = planned(loaded(tree), "--seeds", "5", "--only", "*/m", "--out", "out", "--", "--keep", "3")
    assert (cell.name, cell.folder) == ("a/m", Path("out/a/m/5"))
    assert cell.words == "--config configs/a/m.yaml --keep 1 --epochs 2 --labels 3 --keep 3 --seed 5 --data_seed 5".split()
    assert (cell.config["epochs"], cell.config["labels"], "seed" in cell.config) == ("2", "3", False)


@pytest.mark.parametrize("more", [[], ["--", "--epochs", "7"]])
@pytest.mark.parametrize("scale", ["1", "0.3"])
def test_a_cells_configuration_is_that_of_its_words(scale, more):
    (cell,) = planned(load_grid("digits"), "--seeds", "0", "--scale", scale, "--only", "*/ladder_sntg", *more)
    assert cell.config == configuration([*cell.words, "--threads", "1"])
    assert cell.config["epochs"] == (more[-1] if more else {"1": "150", "0.3": "45"}[scale])


@pytest.mark.parametrize("name", ["folder_example/fm_gan", "mnist_20/fm_gan", "digits_20/fm_gan"])
def test_a_run_is_known_by_its_result_which_does_not_name_the_datas_folder(name):
    words, reader = ["--config", name, *(["--data.root", "there"] * name.startswith("folder"))], config_parser()
    written = json.loads(reader.dump(reader.parse_args(words), format="json", skip_unset=False, skip_validation=True))
    column, row = Column("c", "C"), Row("r", "R")
    check_config(Cell(row, column, 0, Path("run"), words, configuration(words)), identity(written))
    with pytest.raises(InputError, match="run holds a run of another configuration"):
        check_config(Cell(row, column, 0, Path("run"), words, configuration([*words, "--labels", "30"])), identity(written))


def test_the_command_in_the_report_has_what_the_report_depends_on(tree):
    words = ["grid.yaml", "--seeds", "0..1", "--only", "a/*", "--scale", "0.5", "--threads", "2", "--interval", "bca"]
    plan = make_plan(loaded(tree), parser().parse_args([*words, "--processes", "3", "--", "--keep", "3"]))
    assert plan.command == " ".join(["gan-sntg reproduce", *words, "-- --keep 3"]).replace("a/*", "'a/*'")


def test_a_cell_that_reads_anothers_run_gets_its_folder_and_a_place_for_files(tree):
    tree["rows"]["n"] |= {"needs": "m", "first": "graph predictions {needed} --out {files}.npz", "options": "--split {files}.npz"}
    five, six = planned(loaded(tree), "--seeds", "5,6", "--only", "a/n", "--out", "out")
    assert five.needed == Path("out/a/m/5") and five.first == "graph predictions out/a/m/5 --out out/a/n/5.files.npz".split()
    assert five.words[6:8] == ["--split", "out/a/n/5.files.npz"] and six.words[6:8] == ["--split", "out/a/n/6.files.npz"]


def test_a_pattern_without_a_cell_is_refused_with_those_that_there_are(tree):
    with pytest.raises(InputError, match=r"--only 'b/\*' matches no cell of grid; there are a/m, a/n"):
        planned(loaded(tree), "--only", "b/*")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t["rows"].update({"../x": {"name": "X"}}), "'../x' can be no key"),
        (lambda t: t["rows"].update({"x": {"name": "X"}}), "row x has no configs/a/x.yaml"),
        (lambda t: t["rows"]["n"].update(against="z"), "names the row z"),
        (lambda t: t["rows"]["n"].update(colour="red"), "Option 'colour' is not accepted"),
        (lambda t: t["rows"]["n"].update(options=["--labels"]), r"Expected a <class 'str'>. Got value: \['--labels'\]"),
        (lambda t: t["rows"]["m"].update(paper={"b": "1.0"}), "row m: no column b"),
        (lambda t: t.pop("columns"), "columns"),
        (lambda t: t.update(rows=[1]), "1"),
        (lambda t: t.update(figure={"kind": "labels"}), "takes per_class: {COLUMN: labels per class}"),
        (lambda t: t.update(figure={"kind": "labels", "per_class": {"a": 0}}), "a number above 0 for each column"),
        (lambda t: t.update(figure={"kind": "labels", "per_class": {"b": 2}}), "a number above 0 for each column"),
        (lambda t: t.update(figure={"kind": "labels", "per_class": [2]}), "a number above 0 for each column"),
        (lambda t: t.update(figure={"kind": "pie"}), "'pie' is not drawn; the kinds are regions, curves, signals"),
    ],
)
def test_what_is_no_grid_is_refused_with_the_place(tree, change, said):
    change(tree)
    with pytest.raises(InputError, match=f"grid.yaml is no grid .*{said}"):
        loaded(tree)


def test_a_name_without_a_grid_is_refused_with_those_that_there_are(tree):
    with pytest.raises(InputError, match="table9.yaml is neither a file .* did you mean grids/table5"):
        load_grid("table9")


def test_lengths_and_memories_are_scaled_and_nothing_else():
    changed = {
        "epochs": ("300", "75"),
        "interval_epochs": ("5", "1"),
        "method.average_decay": ("0.999", "0.996"),
        "method.sntg.ramp_epochs": ("80.0", "20.0"),
        "method.teacher.decay": ("0.99", "0.96"),
        "method.schedule.up_epochs": ("80", "20"),
    }
    same = {"steps_per_epoch": "400", "validation": "True", "method.learning_rate": "0.003", "method.w.ramp_epochs": "None"}
    same |= {"method.sntg.start_epochs": "0.0", "method.start_epochs": "0", "method.teacher.alpha": "0.6", "method.schedule.epochs": "inf"}
    found = shortened({name: before for name, (before, _) in changed.items()} | same, 0.25)
    assert found == {name: after for name, (_, after) in changed.items()}


def test_a_scale_that_leaves_an_average_no_memory_is_refused_with_the_least_that_does():
    with pytest.raises(InputError, match=r"--scale 0.05: method.decay 0.9 would be -1; give a larger scale, at least 0.1"):
        shortened({"method.decay": "0.9"}, 0.05)


def test_a_tenth_of_mnists_recipe_is_what_it_should_be():
    whole = configuration(["--config", "configs/mnist_100/fm_gan.yaml"])
    assert shortened(whole, 0.1) == {
        "epochs": "30",
        "method.init_args.average_decay": "0.999",
        "method.init_args.teacher.init_args.decay": "0.99",
        "method.init_args.sntg.init_args.start_epochs": "15.0",
        "method.init_args.sntg.init_args.ramp_epochs": "5.0",
    }
