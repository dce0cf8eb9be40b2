"""Parts of a comparison's page: escaped markup, epochs that are kept, names, intervals, panels."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_sntg.comparison import runs as comparison_runs
from gan_sntg.comparison.html import Markup, breakable, element, table
from gan_sntg.comparison.runs import shortest_names, shown_epochs, spread
from gan_sntg.comparison.tables import compared
from gan_sntg.comparison.tensorboard import CAPTION, GAP, WIDTH, panel


class Drawn:
    """As much of a run as its grids."""

    def __init__(self, grids: dict[int, Path]):
        self.grids = grids

    grid_at = comparison_runs.Run.grid_at


def drawn(folder: Path, epochs: list[int], size: int) -> Drawn:
    """A run with grids of so many bytes."""
    folder.mkdir()
    for epoch in epochs:
        (folder / str(epoch)).write_bytes(b"x" * size)
    return Drawn({epoch: folder / str(epoch) for epoch in epochs})


def test_text_and_attributes_are_escaped_and_markup_is_not():
    assert element("p", "<b>", Markup("<i>"), title='"<', class_="a", hidden=True, lang=None) == (
        '<p title="&quot;&lt;" class="a" hidden>&lt;b&gt;<i></p>'
    )
    assert element("img", src="&") == '<img src="&amp;">'
    assert "<script" not in table("<script>", ["<script>"], [["<script>", "<script>"]], "<script>")
    assert breakable("a.<b>.c_d") == "a.<wbr>&lt;b&gt;.<wbr>c_d"


def test_values_that_are_not_the_first_ones_are_marked():
    assert compared(["1", "1", "<"], 1) == "1" and "differs" in compared(["1", "1", "<"], 2) and "&lt;" in compared(["1", "1", "<"], 2)


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
    found = panel([("a" * 200, picture), ("ü漢", None)]).permute(1, 2, 0).numpy()
    assert found.shape == (CAPTION + WIDTH, 2 * WIDTH + GAP, 3)
    assert np.array_equal(found[CAPTION : CAPTION + 240, :WIDTH], np.asarray(picture).repeat(60, 0).repeat(60, 1))
    assert (found[CAPTION:, WIDTH:] == 255).all() and (found[:CAPTION, WIDTH : WIDTH + GAP] == 255).all()
    assert (found[:CAPTION, :WIDTH] < 128).any() and (found[:CAPTION, WIDTH + GAP :] < 128).any()
