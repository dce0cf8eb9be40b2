"""`gan-sntg reproduce CONFIG --labels_per_class`: the plan, what is refused, and the error that is drawn against labels."""

import contextlib
import json
import shutil
import statistics
from pathlib import Path

import pytest
import yaml
from helpers.grids import GRID, Here, write
from helpers.trees import POINTS

from gan_sntg.commands import reproduce
from gan_sntg.data import Digits
from gan_sntg.errors import InputError
from gan_sntg.experiments import plan, plots
from gan_sntg.experiments.plan import WEIGHT, count_classes, label_grid, make_plan
from gan_sntg.files.yaml_files import config_file
from gan_sntg.runs.options import config_reader

DATA, MOST = Digits(), "ask for at most"
ALL = DATA.train_y.bincount().tolist()
REST = [n - held for n, held in zip(ALL, DATA.train_y[DATA.validation].bincount().tolist(), strict=True)]
T = 12.706205  # Student's t(0.975, 1)
WORDS = "--labels_per_class", "1,3", "--seeds", "0,4"
CELLS = [f"{n}/{row}/{seed}" for n in (1, 3) for row in ("without_sntg", "as_configured") for seed in (0, 4)]


@pytest.fixture
def engine(monkeypatch, tmp_path, tiny_tree) -> Here:
    """An engine of this process, in a folder with the tiny configuration and with one whose SNTG has weight 0."""
    monkeypatch.chdir(tmp_path)
    none = tiny_tree()
    none["method"]["init_args"]["sntg"]["init_args"]["weight"] = 0.0
    write({"small/tiny.yaml": tiny_tree(), "small/none.yaml": none, "grids/two.yaml": GRID, "tiny/fm_gan.yaml": tiny_tree()})
    Path("points.yaml").write_text(yaml.safe_dump(POINTS))
    here = Here({})
    monkeypatch.setattr(reproduce, "make_engine", lambda options: here)
    return here


@pytest.fixture
def drawn(monkeypatch) -> list:
    """The axes that are drawn."""
    kept, save = [], plots.save_figure
    monkeypatch.setattr(plots, "save_figure", lambda path, figure: (kept.append(figure.axes[0]), save(path, figure)))
    return kept


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tiny_tree, command) -> Path:
    """The folder of the runs of the tiny configuration, made in one go."""
    folder = tmp_path_factory.mktemp("labels")
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr(reproduce, "make_engine", lambda options: Here({}))
        write({"small/tiny.yaml": tiny_tree()})
        assert command("reproduce", "configs/small/tiny.yaml", *WORDS, "--out", "out").status == 0
    return folder / "out"


def planned(*words: str):
    options = reproduce.parser().parse_args(list(words))
    return make_plan(label_grid(options), options)


def reports(folder: Path) -> list[bytes]:
    return [(folder / "report" / f"small-tiny-labels.{kind}").read_bytes() for kind in ("md", "csv", "tex", "png")]


@pytest.mark.parametrize(("config", "k", "folder"), [("digits_20/fm_gan", 10, "digits_20"), ("two_moons_12/pi_model", 2, "two_moons_12")])
def test_each_number_has_so_many_labels_of_each_class_at_the_same_seeds_without_and_with_sntg(config, k, folder):
    made = planned(config, "--labels_per_class", "2,5", "--seeds", "1,6", "--out", "out", "--", "--keep", "3")
    assert [(cell.name, cell.seed) for cell in made.cells] == [
        (f"{n}/{row}", seed) for n in (2, 5) for row in ("without_sntg", "as_configured") for seed in (1, 6)
    ]
    for cell in made.cells:
        n, seed, plain = int(cell.column.key), cell.seed, cell.row.key == "without_sntg"
        middle = ["--labels", str(n * k), *([f"--{WEIGHT}", "0"] if plain else [])]
        assert cell.words == ["--config", str(config_file(config)), *middle, "--keep", "3", "--seed", str(seed), "--data_seed", str(seed)]
        assert cell.config["labels"] == str(n * k) and (float(cell.config[WEIGHT]) == 0) == plain
        assert cell.folder == Path("out") / str(n) / cell.row.key / str(seed)
    for one, other in zip(made.cells[:2], made.cells[2:4], strict=True):
        assert {name for name in one.config if one.config[name] != other.config[name]} == {WEIGHT}
    assert made.report.name == f"{folder}-{config.rpartition('/')[2]}-labels"
    assert made.command == f"gan-sntg reproduce {config} --labels_per_class 2,5 --seeds 1,6 -- --keep 3"


def test_a_configuration_without_sntg_has_one_row_and_a_shorter_schedule_is_scaled(engine):
    for words in (["configs/small/none.yaml"], ["small/tiny.yaml", "--", f"--{WEIGHT}", "0"]):
        name, *rest = words
        cells = planned(str(Path("configs") / name.removeprefix("configs/")), "--labels_per_class", "2", "--seeds", "0", *rest).cells
        assert [cell.name for cell in cells] == ["2/as_configured"] and cells[0].row.name == Path(name).stem
    cells = planned("configs/small/tiny.yaml", "--labels_per_class", "2", "--seeds", "0", "--scale", "0.6").cells
    assert {cell.config["epochs"] for cell in cells} == {"2"} and len(cells) == 2


def test_classes_are_counted_without_the_data_where_their_class_has_the_number(tmp_path):
    def options(name: str, *words: str):
        return config_reader().parse_args(["--config", name, *words])

    assert count_classes(options("mnist_100/fm_gan", "--data.root", str(tmp_path))) == 10  # no file of it is there
    assert count_classes(options("two_moons_12/pi_model")) == 2
    words = ["--data", "Synthetic", "--data.shape", "[1, 4, 4]", "--data.num_classes", "3"]
    assert count_classes(options("mnist_100/supervised", *words)) == 3
    with pytest.raises(InputError, match="the option data is not set"):
        count_classes(config_reader().parse_args([]))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--labels_per_class", "0,2"], "is '0,2'; give numbers from 1 on, each once and the smaller before the larger"),
        (["--labels_per_class", "2,2"], "is '2,2'; give numbers from 1 on, each once"),
        (["--labels_per_class", "5,2"], "is '5,2'; give numbers from 1 on, each once and the smaller before the larger"),
        (["--labels_per_class", "2,a"], "--labels_per_class is '2,a'; give whole numbers"),
        (["--labels_per_class", ""], "--labels_per_class is ''; give whole numbers"),
        (
            ["--labels_per_class", "5,140"],
            f"140, 10 classes: 1400 labels need 140 of class 0, but the pool has {ALL[0]}",
        ),
        (["--labels_per_class", "120", "--", "--validation", "true"], f"but the pool has {REST[0]}; {MOST} {10 * min(REST)} "),
        (["--labels_per_class", "2,5", "--", "--labels", "50"], "--labels after -- would be that of every run; leave it out"),
        (
            ["--labels_per_class", "2,5", "--", "--method.sntg.weight", "2"],
            "--method.sntg.weight after -- would be that of the runs without",
        ),
        (["--labels_per_class", "2,5", "--only", "3/*"], "--only '3/*' matches no cell of small-tiny-labels; there are 2/without_sntg"),
        ([], "configs/small/tiny.yaml is a configuration of `gan-sntg train`, not a grid; add --labels_per_class, such as 5,10,20,40"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_run(engine, command, contents, tmp_path, words, said):
    before = contents(tmp_path)
    status, out, err = command("reproduce", "configs/small/tiny.yaml", *words)
    assert (status, out) == (2, "") and said in err and engine.ran == [] and contents(tmp_path) == before


def test_a_grid_has_its_own_labels_and_a_name_that_nothing_has_is_refused(engine, command):
    for name in ("digits", "two", "configs/grids/two.yaml"):
        status, _, err = command("reproduce", name, "--labels_per_class", "5,10")
        assert status == 2 and f"{name} is a grid, which has its own labels; leave --labels_per_class out" in err
    status, _, err = command("reproduce", "digits_20/fm_gam", "--labels_per_class", "5,10")
    assert status == 2 and "did you mean digits_20/fm_gan" in err and engine.ran == []


def test_the_picture_and_the_report_have_the_errors_of_the_runs(whole, engine, command, drawn):
    status, out, err = command("reproduce", "configs/small/tiny.yaml", *WORDS, "--out", whole)
    assert status == 0 and engine.ran == [], err
    made = json.loads((whole / "report/small-tiny-labels.json").read_text())
    errors = {cell: json.loads((whole / cell / "result.json").read_text())["test_error_averaged"] for cell in CELLS}
    for container, row in zip(drawn[0].containers, ("without_sntg", "as_configured"), strict=True):
        line, _, (bars,) = container.lines
        for n, middle, bar in zip((1, 3), line.get_ydata(), bars.get_segments(), strict=True):
            both = [errors[f"{n}/{row}/{seed}"] for seed in (0, 4)]
            within = T * statistics.stdev(both) / 2**0.5
            ends = [statistics.fmean(both) - within, statistics.fmean(both) + within]
            assert middle == pytest.approx(statistics.fmean(both)) and bar[:, 1].tolist() == pytest.approx(ends)
            assert made["cells"][f"{n}/{row}"]["interval"] == pytest.approx(ends) and f"| {ends[0]:.2f} to {ends[1]:.2f} |" in out
    assert drawn[0].get_xticks().tolist() == [1, 3] and drawn[0].get_ylabel() == "test error, %"
    assert [text.get_text() for text in drawn[0].get_legend().get_texts()] == ["without SNTG, n = 2", "with SNTG, n = 2"]
    pairs = [errors[f"3/as_configured/{seed}"] - errors[f"3/without_sntg/{seed}"] for seed in (0, 4)]
    found = made["differences"]["3 labels per class: with SNTG - without SNTG"]
    assert found["mean"] == pytest.approx(statistics.fmean(pairs)) and (whole / "report/small-tiny-labels.png").is_file()
    assert "averaged weights, 95 % interval (Student)" in out and "| 1 label per class | without SNTG | 2 |" in out


def test_fewer_labels_are_among_more_and_the_same_without_and_with_sntg(whole):
    def labeled(n: int, row: str, seed: int) -> list[int]:
        return json.loads((whole / str(n) / row / str(seed) / "split.json").read_text())["labeled"]

    y = DATA.train_y
    for seed in (0, 4):
        few, more = labeled(1, "without_sntg", seed), labeled(3, "without_sntg", seed)
        assert {*few} < {*more} and y[few].bincount().tolist() == [1] * 10 and y[more].bincount().tolist() == [3] * 10
        assert labeled(3, "as_configured", seed) == more


def test_what_failed_is_run_again_and_the_report_is_that_of_one_go(whole, engine, command):
    shutil.copytree(whole, "out", ignore=shutil.ignore_patterns("report", "4"))
    (engine.fails, words) = {"as_configured/4": 4}, ("reproduce", "configs/small/tiny.yaml", *WORDS, "--out", "out")
    status, out, err = command(*words)
    assert status == 1 and "2 cells failed" in err and "6 of 8 runs are finished" in out and "with SNTG | 1 |" in out
    assert engine.ran == ["without_sntg/4", "as_configured/4"] * 2 + ["as_configured/4"] * 2
    engine.ran.clear()
    assert command(*words).status == 0 and engine.ran == ["as_configured/4"] * 2 and reports(Path("out")) == reports(whole)


def test_where_all_is_finished_the_data_are_not_read(whole, engine, command, monkeypatch):
    monkeypatch.setattr(plan, "source_of", lambda options: pytest.fail("the data are read"))
    assert command("reproduce", "configs/small/tiny.yaml", *WORDS, "--out", whole).status == 0


def test_where_images_are_held_out_their_error_is_drawn_and_a_path_of_ones_own_will_do(engine, command, drawn):
    words = "--labels_per_class 2,6 --seeds 3 --scale 0.5 --out out --report made -- --validation true".split()
    status, out, err = command("reproduce", "points.yaml", *words)
    assert status == 0, err
    name = f"{Path.cwd().name}-points-labels_scale0.5"
    found = [json.loads(Path(f"out/{n}/as_configured/3/result.json").read_text()) for n in (2, 6)]
    (line, _, (bars,)) = drawn[0].containers[0].lines
    assert line.get_ydata().tolist() == pytest.approx([run["validation_error"] for run in found]) and [len(b) for b in bars.get_segments()]
    assert drawn[0].get_ylabel() == "validation error, %" and drawn[0].get_title("left").endswith("points by labels per class, scale 0.5")
    assert [run["config"]["labels"] for run in found] == [8, 24] and Path(f"made/{name}.png").is_file()
    assert "test_error" not in Path(f"made/{name}.json").read_text().replace("--test_errors", "") and "| points | 1 |" in out


def test_a_grid_may_end_in_this_figure(engine, command, drawn):
    columns = {key: {"name": key, "folder": "tiny", "options": f"--labels {n}"} for key, n in (("few", 10), ("many", 30))}
    grid = GRID | {"columns": columns, "seeds": "0", "figure": {"kind": "labels", "per_class": {"few": 1, "many": 3}}}
    grid["rows"] = {"fm_gan": {"name": "FM-GAN"}}
    write({"grids/own.yaml": grid})
    assert command("reproduce", "own").status == 0
    assert drawn[0].get_xticks().tolist() == [1, 3] and Path("runs/reproduce/own/report/own.png").is_file()
