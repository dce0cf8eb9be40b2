"""Grids: which cells they have, what each is told, and what is refused."""

from pathlib import Path

import pytest
import yaml

from gan_sntg.commands.reproduce import parser
from gan_sntg.errors import InputError
from gan_sntg.experiments.grid import GRIDS, load_grid
from gan_sntg.experiments.plan import resolve_configs

NAMES = sorted(path.stem for path in GRIDS.glob("*.yaml"))
CELLS = {"table1": 21, "table2": 31, "table3": 22, "table4": 12, "table5": 4, "digits": 14, "mnist-cpu": 9}
CELLS |= {"fig5-cpu": 2, "fig2": 6, "fig3": 4, "fig4": 15, "fig4-digits": 20, "fig5": 4, "fig6": 2}


def test_every_table_and_figure_has_its_grid_of_so_many_cells():
    assert {name: len(load_grid(name).pairs()) for name in NAMES} == CELLS


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_is_made_of_options_that_there_are(name):
    configs, _ = resolve_configs(load_grid(name), parser().parse_args([name, "--scale", "0.5"]))
    assert len(configs) == CELLS[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_row_with_sntg_differs_from_the_one_that_it_is_compared_with_in_what_its_name_says(name):
    grid = load_grid(name)
    configs, _ = resolve_configs(grid, parser().parse_args([name]))
    for row, column in grid.pairs():
        if not row.name.endswith("SNTG") or not row.against:
            continue
        mine, other = configs[f"{column.key}/{row.key}"], configs[f"{column.key}/{row.against}"]
        changed = {key for key in mine | other if mine.get(key) != other.get(key)}
        assert changed and all(".sntg" in key for key in changed), (row.key, changed)


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
    cell = loaded(tree).cells([5], ["*/m"], Path("out"), {"a/m": ["--x", "1"]})
    assert [c.name for c in cell] == ["a/m"] and cell[0].folder == Path("out/a/m/5")
    assert cell[0].words == "--config configs/a/m.yaml --keep 1 --epochs 2 --labels 3 --x 1 --seed 5 --data_seed 5".split()


def test_a_cell_that_reads_anothers_run_gets_its_folder_and_a_place_for_files(tree):
    tree["rows"]["n"] |= {"needs": "m", "first": "graph predictions {needed} --out {files}.npz", "options": "--file {files}.npz"}
    (cell,) = loaded(tree).cells([5], ["a/n"], Path("out"), {})
    assert cell.needed == Path("out/a/m/5") and cell.first == "graph predictions out/a/m/5 --out out/a/n/5.files.npz".split()
    assert cell.words[6:8] == ["--file", "out/a/n/5.files.npz"]


def test_a_pattern_without_a_cell_is_refused_with_those_that_there_are(tree):
    with pytest.raises(InputError, match=r"--only 'b/\*' matches no cell of grid; there are a/m, a/n"):
        loaded(tree).cells([0], ["b/*"], Path(), {})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t["rows"].update({"../x": {"name": "X"}}), "rows has the key '../x'"),
        (lambda t: t["rows"].update({"x": {"name": "X"}}), "row x has no configs/a/x.yaml"),
        (lambda t: t["rows"]["n"].update(against="z"), "names the row z"),
        (lambda t: t["rows"]["n"].update(colour="red"), "row has no 'colour'"),
        (lambda t: t["rows"]["n"].update(options=["--labels"]), r"options of a row is \['--labels'\]"),
        (lambda t: t["rows"]["m"].update(paper={"b": "1.0"}), "row m: no column b"),
        (lambda t: t.pop("columns"), "columns"),
        (lambda t: t.update(rows=[1]), "row"),
    ],
)
def test_what_is_no_grid_is_refused_with_the_place(tree, change, said):
    change(tree)
    with pytest.raises(InputError, match=f"grid.yaml is no grid .*{said}"):
        loaded(tree)


def test_a_name_without_a_grid_is_refused_with_those_that_there_are(tree):
    with pytest.raises(InputError, match="there is no grid 'table9'"):
        load_grid("table9")
