"""`gan-sntg compare`: what its page and its TensorBoard folder hold, and what it refuses."""

import base64
import io
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from compared_runs import copied, error, measured, unfinished, without_generator  # noqa: F401 (fixtures)
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import IMAGES, EventAccumulator

from gan_sntg.core.evaluate import wilson


class Reader(HTMLParser):
    """The cells of each table by its caption, images by their alternative text, all text, and whatever could ask for something outside."""

    def __init__(self, page: str):
        super().__init__()
        self.tables, self.images, self.outside, self.tags, self.inside = {}, {}, [], set(), None
        self.feed(page)
        self.text = re.sub(r"<[^>]*>", " ", page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.add(tag)
        self.outside += [
            v for k, v in attrs.items() if k in ("src", "href", "action", "srcset", "data") and not v.startswith(("data:", "#"))
        ]
        if tag == "img":
            self.images[attrs["alt"]] = attrs["src"]
        if tag in ("caption", "th", "td"):
            self.inside = tag
            if tag != "caption":
                self.row.append("")
        if tag == "table":
            self.caption, self.rows = "", []
        if tag == "tr":
            self.row = []

    def handle_endtag(self, tag):
        if tag in ("caption", "th", "td"):
            self.inside = None
        if tag == "tr":
            self.rows.append(self.row)
        if tag == "table":
            self.tables[self.caption] = self.rows

    def handle_data(self, data):
        if self.inside == "caption":
            self.caption += data
        elif self.inside:
            self.row[-1] += data

    def table(self, start: str) -> list[list[str]]:
        (found,) = [rows for caption, rows in self.tables.items() if caption.startswith(start)]
        return found


@pytest.fixture
def page(command, tmp_path):
    """Compares these runs with these further words; the page, read."""

    def compare(*runs, more: tuple = ()) -> Reader:
        outcome = command("compare", *runs, "--out", tmp_path / "out", *more)
        assert outcome.status == 0, outcome.err
        return Reader((tmp_path / "out/index.html").read_text())

    return compare


@pytest.fixture
def pair(finished, tmp_path):
    """Two finished runs that differ in their seed and error."""
    return copied(finished, tmp_path / "one"), error(copied(finished, tmp_path / "two", seed=5), 40.0)


def test_errors_stand_side_by_side_with_the_interval_of_the_number_of_test_images(page, pair):
    found = page(*pair)
    head, one, two = found.table("Errors in percent")
    result = json.loads((pair[0] / "result.json").read_text())
    assert head[:3] == ["run", "test error, averaged", "test error, last"] and one[0] == "one" and two[0] == "two"
    low, high = wilson(round(0.4 * result["test_images"]), result["test_images"])
    assert two[1] == f"40.00{low:.2f} to {high:.2f}" and one[1].startswith(f"{result['test_error_averaged']:.2f}")


def test_only_options_that_differ_are_listed_and_marked(page, pair):
    head, *rows = page(*pair).table("Options that differ")
    assert head[1:] == ["one", "two"] and rows == [["seed", "0", "≠ 5"]]


def test_grids_of_every_epoch_and_training_images_are_within_the_page(page, pair):
    found = page(*pair)
    for run, name in zip(pair, ("one", "two"), strict=True):
        for epoch in (1, 2, 3):
            data = base64.b64decode(found.images[f"{name}: grid drawn at epoch {epoch}"].removeprefix("data:image/png;base64,"))
            assert data == (run / f"samples/epoch_{epoch:04d}.png").read_bytes()
    real = base64.b64decode(found.images["Grid of training images"].removeprefix("data:image/png;base64,"))
    assert real == (pair[0] / "samples/real.png").read_bytes() and Image.open(io.BytesIO(real)).size[0] > 80


def test_nothing_is_asked_for_from_outside(page, pair):
    found = page(*pair)
    assert found.outside == [] and not found.tags & {"iframe", "object", "base", "form"}
    assert "default-src &#x27;none&#x27;" in (pair[0].parent / "out/index.html").read_text()


def test_fewer_epochs_are_kept_where_asked_and_the_page_says_so(page, pair):
    found = page(*pair, more=("--epochs", 2))
    assert "2 of 3 epochs are kept" in found.text
    assert [alt for alt in found.images if alt.startswith("one")] == ["one: grid drawn at epoch 1", "one: grid drawn at epoch 3"]


def test_curves_are_those_of_the_logged_rows(page, pair):
    text = (page(*pair), (pair[0].parent / "out/index.html").read_text())[1]
    data = json.loads(re.search(r'<script type="application/json" id="metrics">(.*?)</script>', text)[1])
    rows = [json.loads(line) for line in (pair[0] / "metrics.jsonl").read_text().splitlines()]
    assert data["epochs"] == [[1, 2, 3]] * 2
    assert data["values"]["d/labeled"][0] == [pytest.approx(row["d/labeled"], rel=1e-5) for row in rows]
    assert {"test_error/averaged", "gan/diversity", "g/matching"} <= set(data["values"])


def test_an_unfinished_run_and_one_without_a_generator_have_their_place(page, finished, unfinished, without_generator):  # noqa: F811
    found = page(finished, unfinished, without_generator)
    rows = found.table("Errors in percent")
    assert [row[0] for row in rows[1:]] == ["finished", "stopped unfinished", "alone"] and "2 of 3" in rows[2]
    assert "stopped is unfinished: epoch 2 of 3." in found.text and "Without a generator: alone." in found.text
    assert not any(alt.startswith("alone") for alt in found.images)


def test_figures_measured_in_one_way_stand_side_by_side(page, pair):
    for run, value in zip(pair, (10.0, 20.0), strict=True):
        measured(run, value)
    found = page(*pair)
    assert [row[:2] for row in found.table("Figures of sample quality")[1:]] == [["one", "109 to 11"], ["two", "2019 to 21"]]
    assert ["extractor", "a"] in found.table("How they were measured")


def test_figures_measured_in_different_ways_are_refused_a_place_and_the_field_is_named(command, pair, tmp_path):
    measured(pair[0], 10.0), measured(pair[1], 20.0, samples=1000)
    outcome = command("compare", *pair, "--out", tmp_path / "out")
    text = (tmp_path / "out/index.html").read_text()
    assert outcome.status == 0 and "samples: 50000, 1000" in outcome.err and "samples: 50000, 1000" in text
    assert "fid_digits" not in text and "one" in outcome.err


def test_what_run_folders_say_is_never_markup(page, finished, tmp_path):
    evil = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
    a, b = copied(finished, tmp_path / "a"), copied(finished, tmp_path / "b")
    row = json.loads((b / "metrics.jsonl").read_text().splitlines()[-1])
    with (b / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(row | {"epoch": 4, "</script><script>alert(3)": 1.0}) + "\n")
    sessions = json.loads((b / "environment.json").read_text())
    (b / "environment.json").write_text(json.dumps([*sessions[:-1], sessions[-1] | {"device": evil}]))
    measured(a, 1.0, extractor=evil), measured(b, 2.0, extractor=evil)
    found = page(a, b, more=("--names", evil, "b"))
    scripts = re.findall(r"<script[^>]*>", (tmp_path / "out/index.html").read_text())
    assert scripts == ['<script type="application/json" id="metrics">', "<script>"]
    assert found.outside == [] and all(alt.startswith((evil, "b:", "Grid of")) for alt in found.images)


def test_tensorboard_has_all_grids_in_one_panel_by_epoch(page, pair, tmp_path):
    page(*pair)
    page(*pair)  # again: it replaces what was there
    board = EventAccumulator(str(tmp_path / "out/tensorboard"), size_guidance={IMAGES: 0}).Reload()
    events = board.Images("samples")
    assert board.Tags()["images"] == ["samples"] and [event.step for event in events] == [1, 2, 3]
    panel = np.array(Image.open(io.BytesIO(events[-1].encoded_image_string)))
    for k, run in enumerate(pair):
        grid = np.array(Image.open(run / "samples/epoch_0003.png").convert("RGB"))
        scale = -(-300 // grid.shape[1])
        left = k * (scale * grid.shape[1] + 10)
        assert (panel[20::scale, left : left + scale * grid.shape[1] : scale][: grid.shape[0]] == grid).all()


def test_runs_on_other_splits_are_said_not_to_be_paired(page, command, tiny, finished, tmp_path):
    assert command("train", "--config", tiny, "--out", tmp_path / "other", "--data_seed", 1, "--epochs", 1).status == 0
    found = page(finished, tmp_path / "other")
    assert "Not paired" in found.text and "data seeds differ" in found.text
    assert found.table("Errors in percent")[2][-2] == "≠ 1"


def test_wilson_is_its_formula_and_holds_for_no_error():
    assert wilson(50, 100) == pytest.approx((40.383, 59.617), abs=1e-3)
    low, high = wilson(0, 100)
    assert low == 0 and high == pytest.approx(3.699, abs=1e-3)


def test_what_cannot_be_compared_is_refused(refused, finished, tmp_path, command, tiny_tree):
    run, again = copied(finished, tmp_path / "run"), copied(finished, tmp_path / "again")
    other = copied(finished, tmp_path / "other", data={"class_path": "gan_sntg.core.data.plane.FourSpins"})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("precious")
    torn = copied(finished, tmp_path / "torn")
    (torn / "samples/epoch_0002.png").write_bytes(b"no picture")
    words = copied(finished, tmp_path / "words")
    (words / "metrics.jsonl").write_text('{"epoch": 1, "step": 4, "a": "b"}\n{"epoch": 2, "step": 8}\n')
    refused(["compare", run], "1 run cannot be compared", "give 2 to 8")
    refused(["compare", *[run] * 9], "9 runs cannot be compared")
    refused(["compare", run, tmp_path / "again/../run"], "is given twice")
    refused(["compare", run, tmp_path / "none"], "none is not a run folder")
    refused(["compare", run, other], "FourSpins", "give runs on one data set")
    refused(["compare", run, again, "--names", "a"], "give each run a name of its own")
    refused(["compare", run, again, "--epochs", "1"], "--epochs is 1; give at least 2")
    refused(["compare", run, again, "--out", tmp_path / "mine"], "holds no page that gan-sntg compare wrote")
    refused(["compare", run, torn], "epoch_0002.png is not a readable PNG")
    refused(["compare", run, words], "line 1 of", "metrics.jsonl is damaged", "something else than numbers")


def test_names_are_what_tells_paths_apart(page, finished, tmp_path):
    for name in ("sntg/0", "plain/0"):
        (tmp_path / name).parent.mkdir()
        shutil.copytree(finished, tmp_path / name)
    assert [row[0] for row in page(tmp_path / "sntg/0", tmp_path / "plain/0").table("Errors")[1:]] == ["sntg", "plain"]
