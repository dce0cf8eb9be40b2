"""Parts of a comparison's page: escaped markup, epochs that are kept, names, intervals, panels."""

import re
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from gan_sntg.comparison import runs as comparison_runs
from gan_sntg.comparison.charts import metric_charts
from gan_sntg.comparison.image_grids import Figure, Picture, Samples
from gan_sntg.comparison.page import TEMPLATES, asset
from gan_sntg.comparison.runs import shortest_names, shown_epochs, spread
from gan_sntg.comparison.tables import Cell, Folded, Paragraph, Table, compared
from gan_sntg.comparison.tensorboard import CAPTION, GAP, WIDTH, panel


class Drawn:
    """As much of a run as its grids."""

    def __init__(self, grids: dict[int, Path]):
        self.grids = grids

    grid_at = comparison_runs.ComparedRun.grid_at


def drawn(folder: Path, epochs: list[int], size: int) -> Drawn:
    """A run with grids of so many bytes."""
    folder.mkdir()
    for epoch in epochs:
        (folder / str(epoch)).write_bytes(b"x" * size)
    return Drawn({epoch: folder / str(epoch) for epoch in epochs})


MACROS = TEMPLATES.get_template("parts.html").module
BAD = """</script><b class="x" onload='y'>"""
EVERY_CELL = [Cell(BAD), Cell(BAD, below=BAD), Cell(BAD, run=0, remark=BAD), Cell(BAD, differs=True)]
TABLE = Table(BAD, EVERY_CELL, [EVERY_CELL, EVERY_CELL[::-1]])
CHARTED = SimpleNamespace(name=BAD, rows=[{"epoch": 1, "step": 1, BAD: 1.0}])
PARTS = {
    "notes": ([BAD],),
    "blocks": ([TABLE, Paragraph(BAD), Folded(BAD, [TABLE])],),
    "samples": (Samples(BAD, [1], [Figure(0, BAD, [Picture(BAD, 1, 1, BAD, 1)])], None, BAD),),
    "curves": (metric_charts([CHARTED]), [CHARTED]),
}


@pytest.mark.parametrize("part", PARTS)
def test_no_text_becomes_markup_in_any_part_of_the_page(part):
    found = str(getattr(MACROS, part)(*PARTS[part]))
    assert (
        '<b class="x"' not in found and "onload='" not in found and found.count("<script") == found.count("</script>") == (part == "curves")
    )
    assert BAD in unescape(found)


def test_the_templates_take_no_text_of_a_run_for_markup():
    text = "".join(asset(name) for name in ("page.html", "parts.html"))
    assert TEMPLATES.autoescape is True and re.findall(r'"\S*" *\| *safe|safe|autoescape', text) == ['".<wbr>" | safe']


def test_a_dotted_name_may_break_after_each_dot():
    found = str(MACROS.title(Cell("a.<b>.c_d")))
    assert found.strip() == "a.<wbr>&lt;b&gt;.<wbr>c_d"


def test_values_that_are_not_the_first_ones_are_marked():
    assert compared(["1", "1", "<"], 1) == Cell("1") and compared(["1", "1", "<"], 2) == Cell("<", differs=True)


def test_epochs_are_spread_evenly_with_the_first_and_the_last():
    assert spread(list(range(1, 61)), 40)[0] == 1 and spread(list(range(1, 61)), 40)[-1] == 60
    assert set(np.diff(spread(list(range(1, 61)), 40))) == {1, 2} and len(spread(list(range(1, 61)), 40)) == 40
    assert spread([3, 6, 9], 40) == [3, 6, 9] and spread([3, 6, 9, 12], 2) == [3, 12]


def test_fewer_epochs_are_kept_where_the_grids_would_make_the_page_too_large(tmp_path, monkeypatch):
    runs = [drawn(tmp_path / "a", list(range(1, 61)), 25), drawn(tmp_path / "b", list(range(1, 31)), 25)]
    assert shown_epochs(runs, 40) == spread(list(range(1, 61)), 40)
    monkeypatch.setattr(comparison_runs, "MOST_BYTES", 1000)
    kept = shown_epochs(runs, 40)
    assert 24 <= len(kept) <= 28 and kept[0] == 1 and kept[-1] == 60 and comparison_runs.size_of(runs, kept) <= 1000
    monkeypatch.setattr(comparison_runs, "MOST_BYTES", 0)
    assert shown_epochs(runs, 40) == [1, 60]


def test_sixty_epochs_of_two_runs_on_colour_images_stay_under_15_MB():
    assert comparison_runs.MOST_BYTES * 4 / 3 < 14.5e6


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
