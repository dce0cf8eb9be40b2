"""Parts of a comparison's page: escaped markup, epochs that are kept, names, intervals, panels."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gan_sntg.comparison import runs as comparison_runs
from gan_sntg.comparison.page import TEMPLATES, asset, comparison_page, contrast, metric_charts
from gan_sntg.comparison.runs import ComparedRun, Comparison, shortest_names, shown_epochs, spread
from gan_sntg.data.splits import Split
from gan_sntg.evaluation.fidelity_records import Measurement, Score
from gan_sntg.evaluation.samples import png
from gan_sntg.runs.tensorboard import CAPTION, GAP, WIDTH, panel


class Given(ComparedRun):
    """A run of given fields, with no folder."""

    def __init__(self, **fields):
        vars(self).update(fields)


def drawn(folder: Path, epochs: list[int]) -> Given:
    """A run with grids of 25 bytes."""
    folder.mkdir()
    for epoch in epochs:
        (folder / str(epoch)).write_bytes(b"x" * 25)
    return Given(grids={epoch: folder / str(epoch) for epoch in epochs})


BAD = """</script><b class="x" onload='y'>"""


def page_of(folder: Path, **changed) -> str:
    """The page of two runs whose every text would be markup."""
    Image.new("L", (4, 4)).save(folder / "grid.png")
    provenance = {"interval": BAD, BAD: BAD} | changed.pop("provenance", {})
    measured = Measurement(provenance, {"epoch": BAD}, {BAD: Score(1.0, 0.5, 1.5)})
    run = Given(
        index=0,
        name=BAD,
        options={BAD: BAD, "seed": BAD, "epochs": BAD},
        place={BAD: BAD},
        split=Split(data=BAD, sha256=BAD, data_seed=0, labeled=[], validation=[]),
        split_sha256=BAD,
        rows=[{"epoch": 1, "step": 1, BAD: 1.0, "test_error/averaged": 5.0}],
        result=None,
        grids={1: folder / "grid.png"},
        epoch=1,
        has_generator=True,
        measured=[measured],
        fidelity=None if "refusal" in changed else measured,
        test_images=9,
    )
    split = replace(run.split, data_seed=BAD)
    other = Given(**vars(run) | {"index": 1, "name": BAD * 2, "options": {BAD: BAD * 2}, "place": {}, "split": split})
    return comparison_page(Comparison([run, other], [1], no_real=BAD, **changed))


@pytest.mark.parametrize("changed", [{}, {"refusal": BAD}, {"real": bytes(png(torch.zeros(1, 4, 4, dtype=torch.uint8)))}])
def test_no_text_becomes_markup_wherever_it_stands(tmp_path, changed):
    page = page_of(tmp_path, **changed)
    assert '<b class="x"' not in page and "onload='" not in page
    assert page.count("<script") == page.count("</script>") == 2
    assert unescape(page).count(BAD) > 40


def test_the_templates_take_no_text_of_a_run_for_markup():
    text = "".join(asset(name) for name in ("page.html", "parts.html"))
    assert TEMPLATES.autoescape is True and re.findall(r'"\S*" *\| *safe|safe|autoescape', text) == ['".<wbr>" | safe']


def test_a_dotted_name_may_break_after_each_dot():
    assert TEMPLATES.get_template("parts.html").module.breakable("a.<b>.c_d") == "a.<wbr>&lt;b&gt;.<wbr>c_d"


def test_names_whose_values_differ_are_told_from_those_that_all_share():
    found = contrast([{"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"}])
    assert found == {"same": {"a": "1"}, "differ": {"b": ["2", "3"], "c": ["–", "4"]}}


def test_epochs_are_spread_evenly_with_the_first_and_the_last():
    assert spread(list(range(1, 61)), 40)[0] == 1 and spread(list(range(1, 61)), 40)[-1] == 60
    assert set(np.diff(spread(list(range(1, 61)), 40))) == {1, 2} and len(spread(list(range(1, 61)), 40)) == 40
    assert spread([3, 6, 9], 40) == [3, 6, 9] and spread([3, 6, 9, 12], 2) == [3, 12]


def test_fewer_epochs_are_kept_where_the_grids_would_make_the_page_too_large(tmp_path, monkeypatch):
    runs = [drawn(tmp_path / "a", list(range(1, 61))), drawn(tmp_path / "b", list(range(1, 31)))]
    assert shown_epochs(runs, 40) == spread(list(range(1, 61)), 40)
    monkeypatch.setattr(comparison_runs, "MOST_BYTES", 1000)
    kept = shown_epochs(runs, 40)
    assert 24 <= len(kept) <= 28 and kept[0] == 1 and kept[-1] == 60 and sum(25 * len(run.grids_at(kept)) for run in runs) <= 1000
    monkeypatch.setattr(comparison_runs, "MOST_BYTES", 0)
    assert shown_epochs(runs, 40) == [1, 60]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["runs/a", "runs/b"], ["a", "b"]),
        (["x/fm_gan/0", "x/fm_gan_sntg/0"], ["fm_gan", "fm_gan_sntg"]),
        (["x/a/0", "x/b/1"], ["0", "1"]),
        (["x/a/0", "x/a/1", "x/b/0"], ["a/0", "a/1", "b/0"]),
        (["a", "b/a"], [f"{Path.cwd().name}", "b"]),
    ],
)
def test_names_are_the_parts_of_paths_that_tell_them_apart(paths, names):
    assert shortest_names([Path(path) for path in paths]) == names


def test_a_panel_holds_grids_pixel_by_pixel_and_white_where_there_is_none():
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8))
    found = panel([("a" * 200, picture), ("ü漢", None)])
    assert found.shape == (CAPTION + WIDTH, 2 * WIDTH + GAP, 3)
    assert np.array_equal(found[CAPTION : CAPTION + 240, :WIDTH], np.asarray(picture).repeat(60, 0).repeat(60, 1))
    assert (found[CAPTION:, WIDTH:] == 255).all() and (found[:CAPTION, WIDTH : WIDTH + GAP] == 255).all()
    assert (found[:CAPTION, :WIDTH] < 128).any() and (found[:CAPTION, WIDTH + GAP :] < 128).any()


def test_a_chart_of_a_metric_is_named_by_its_figure():
    run = Given(rows=[{"epoch": 1, "step": 1, "test_error/last": 1.0, "validation_balanced_error/averaged": 2.0}])
    assert metric_charts([run])["groups"] == {
        "test error, %": ["test_error/last"],
        "validation balanced error, %": ["validation_balanced_error/averaged"],
    }
