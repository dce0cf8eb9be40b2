"""The compare command: what the page and the terminal say of runs, what is refused, and the panel for TensorBoard."""

import io
import json
import re

import numpy as np
import pytest
from helpers.run_comparison import changed, copied, cut, reconfigured, scored, text
from PIL import Image
from scipy.stats import binomtest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_sntg.runs.tensorboard import CAPTION


@pytest.fixture
def copies(runs, tmp_path):
    """Both runs, to be changed."""
    return [copied(run, tmp_path / "runs" / run.name) for run in runs]


@pytest.fixture
def compare(command, tmp_path):
    """Compares runs and gives the page and what was printed on stderr."""

    def run(*words) -> tuple[str, str]:
        outcome = command("compare", *words, "--out", tmp_path / "out")
        assert outcome.status == 0, outcome.err
        return (tmp_path / "out/index.html").read_text(), outcome.err

    return run


def panels(folder) -> dict[int, np.ndarray]:
    """The pictures [H, W, 3] by epoch, read back from the events."""
    events = EventAccumulator(str(folder), size_guidance={"images": 0}).Reload()
    assert events.Tags()["images"] == ["samples"]
    return {e.step: np.asarray(Image.open(io.BytesIO(e.encoded_image_string))) for e in events.Images("samples")}


def test_the_page_needs_nothing_but_itself(compare, contents, runs, tmp_path):
    before = [contents(run) for run in runs]
    page, err = compare(*runs)
    assert err == "" and [contents(run) for run in runs] == before
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*', page) == [] and "url(" not in page and "@import" not in page
    assert page.index("Content-Security-Policy") < page.index("<style") < page.index("<script")
    assert "default-src &#39;none&#39;; img-src data:" in page
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["index.html", "tensorboard"]


def test_the_grids_of_all_epochs_and_real_images_are_in_the_page(compare, runs):
    page, _ = compare(*runs)
    for name in "with", "without":
        assert [int(e) for e in re.findall(rf'alt="{name}: grid drawn at epoch (\d+)"', page)] == [1, 2, 3]
    assert page.count('alt="Grid of training images"') == 1 and "The same place is the same z" in text(page)


def test_errors_have_the_interval_of_the_test_images(compare, runs):
    error = json.loads((runs[0] / "result.json").read_text())["test_error_averaged"]
    found = re.search(rf"{error:.2f} ([\d.]+) to ([\d.]+)", text(compare(*runs)[0]))
    half = 196 * np.sqrt(error / 100 * (1 - error / 100) / 397)
    assert float(found[1]) < error < float(found[2]) and abs(float(found[2]) - float(found[1]) - 2 * half) < 0.2


def test_the_number_of_test_images_and_real_ones_come_from_the_data_where_no_folder_has_them(compare, copies):
    before = text(compare(*copies)[0])
    for run in copies:
        (run / "samples/real.png").unlink()
        changed(run / "result.json", test_images=None)
    page, _ = compare(*copies)
    assert text(page) == before and page.count('alt="Grid of training images"') == 1


def test_a_line_says_why_there_are_no_real_images(compare, copies):
    for run in copies:
        (run / "samples/real.png").unlink()
        (run / "data.json").unlink()
        changed(run / "split.json", sha256="0" * 64)
        changed(run / "result.json", test_images=None)
    page, _ = compare(*copies)
    assert "Grid of training images" not in page and "95 % interval" not in text(page)
    assert re.search(r"No real images beside: .*split.json belongs to digits with SHA-256 0{12}", text(page))


def test_options_that_differ_are_marked_and_the_others_folded(compare, runs):
    page, _ = compare(*runs)
    row = next(row for row in re.findall(r"(?s)<tr>.*?</tr>", page) if "sntg" in row and "weight" in row)
    assert text(row) == "method. sntg. weight 0.1 ≠ 0.0" and 'class="differs"' in row
    assert page.count('class="differs"') == 1 and "Options that are the same (" in page


def test_figures_of_one_way_of_measuring_stand_side_by_side(compare, copies):
    for run, value in zip(copies, (2.25, 3.5), strict=True):
        scored(run, value)
    page, err = compare(*copies)
    assert err == "" and "2.250 1.750 to 2.750" in text(page) and "3.500 3.000 to 4.000" in text(page) and "fid_digits ↓" in text(page)


def test_figures_of_other_ways_are_nowhere_and_the_field_is_named_on_the_page_and_in_the_terminal(compare, copies):
    scored(copies[0], 2.25)
    scored(copies[1], 3.5, samples=500)
    page, err = compare(*copies)
    for said in text(page), err:
        assert "fidelity of with and of without was not measured in one way" in said and "(samples: 1000, 500)" in said
    assert "samples 1000 ≠ 500" in text(page) and "2.25" not in text(page) and "fid_digits" not in page


def test_generators_of_other_epochs_and_runs_without_figures_are_named(compare, runs, copies):
    scored(copies[0], 2.25)
    scored(copies[1], 3.5, epoch=2)
    page, err = compare(*copies, runs[0])
    assert "different epochs: with 3, without 2" in err.replace("runs/", "") and "Not measured: " in text(page)


def test_other_splits_and_other_images_are_said(compare, copies):
    changed(copies[1] / "split.json", data_seed=7)
    page, err = compare(*copies)
    assert "Not paired: another split than with has: without" in err and err.strip() in text(page) and "≠ 7" in text(page)
    changed(copies[1] / "split.json", sha256="0" * 64)
    page, err = compare(*copies)
    assert "Other images, those tested on too, than with has: without" in err and err.splitlines()[0] in text(page)


def test_the_same_test_images_are_compared_as_counted_one_by_one(compare, runs):
    (a, y), (b, _) = (np.load(run / "test_classes.npy").tolist() for run in runs)
    only_a = sum(i != k and j == k for i, j, k in zip(a, b, y, strict=True))
    only_b = sum(j != k and i == k for i, j, k in zip(a, b, y, strict=True))
    p, said = binomtest(only_a, only_a + only_b).pvalue, text(compare(*runs)[0])
    assert only_a + only_b > 0 and f"wrong only in with wrong only in this run p without {only_a} {only_b} {p:.3g} " in said


def test_why_runs_are_not_compared_image_by_image_is_said(compare, copies, runs, tmp_path):
    (copies[1] / "test_classes.npy").unlink()  # as in a folder of an earlier version
    page, err = compare(*copies)
    assert err == "" and "wrong only in" not in page
    assert f"No McNemar test of without: without has no test_classes.npy, which `gan-sntg evaluate {copies[1]}` writes." in text(page)
    page, _ = compare(copies[1], copies[0], cut(copied(runs[1], tmp_path / "runs/begun"), 2), "--names", "a", "b", "c")
    assert f"No McNemar test of b: a has no test_classes.npy, which `gan-sntg evaluate {copies[1]}` writes." in text(page)
    assert f"No McNemar test of c: a has no test_classes.npy, which `gan-sntg evaluate {copies[1]}` writes; c is unfinished." in text(page)


def test_other_test_images_are_not_compared_one_by_one(compare, copies):
    other = "No McNemar test of without: tested on other images than with, or with other labels."
    classes = np.load(copies[1] / "test_classes.npy")
    np.save(copies[1] / "test_classes.npy", (classes[:, :-1]))
    assert other in text(compare(*copies)[0])
    np.save(copies[1] / "test_classes.npy", classes)
    assert "wrong only in with" in text(compare(*copies)[0])
    changed(copies[1] / "split.json", sha256="0" * 64)  # other training images
    assert "wrong only in with" in text(compare(*copies)[0])
    changed(copies[1] / "data.json", test_sha256="0" * 64)
    assert other in text(compare(*copies)[0])
    (copies[0] / "data.json").unlink()
    assert other in text(compare(*copies)[0])


def test_an_unfinished_run_shows_its_last_grid(compare, copies, tmp_path):
    cut(copies[1], 2)
    page, err = compare(*copies)
    assert "without is unfinished: epoch 2 of 3." in err and err.strip() in text(page) and "2 of 3" in text(page)
    found = panels(tmp_path / "out/tensorboard")
    assert sorted(found) == [1, 2, 3] and np.array_equal(found[3][CAPTION:, 316:], found[2][CAPTION:, 316:])
    cut(copies[1], 0)
    page, _ = compare(*copies)
    assert "no grid yet" in text(page) and (panels(tmp_path / "out/tensorboard")[3][CAPTION:, 316:] == 255).all()


def test_runs_without_a_generator_are_named_or_alone(compare, runs, classifier, tmp_path):
    page, _ = compare(runs[0], classifier)
    assert "Without a generator: digits." in text(page) and "figure" in page
    page, _ = compare(classifier, copied(classifier, tmp_path / "other"))
    assert "No run has a generator." in text(page) and not list((tmp_path / "out/tensorboard").glob("*"))


def test_eight_runs_in_one_panel(compare, runs, tmp_path):
    eight = [copied(runs[k % 2], tmp_path / f"runs/{k}") for k in range(8)]
    page, _ = compare(*eight)
    found = panels(tmp_path / "out/tensorboard")
    assert {picture.shape for picture in found.values()} == {(CAPTION + 306, 8 * 306 + 7 * 10, 3)}
    for k, run in enumerate(eight):
        grid = np.asarray(Image.open(run / "samples/epoch_0002.png").convert("RGB")).repeat(3, 0).repeat(3, 1)
        assert np.array_equal(found[2][CAPTION:, 316 * k : 316 * k + 306], grid)
    assert page.count('class="run"') == 8


def test_epochs_are_kept_evenly_and_said(compare, runs):
    page, _ = compare(*runs, "--epochs", 2)
    assert 'data-epochs="1 3"' in page and "2 of 3 epochs are kept" in text(page)


def test_it_is_written_again_over_its_own_page_but_over_nothing_else(compare, command, runs, tmp_path):
    compare(*runs)
    compare(*runs)
    assert len(list((tmp_path / "out/tensorboard").iterdir())) == 1
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/index.html").write_text("mine")
    outcome = command("compare", *runs, "--out", tmp_path / "mine")
    assert outcome.status == 2 and "choose another folder with --out" in outcome.err
    assert [path.read_text() for path in (tmp_path / "mine").iterdir()] == ["mine"]


def test_comparisons_among_the_runs_are_left_out_and_by_default_stand_elsewhere(command, copies, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command("compare", *copies, "--out", "runs/before").status == 0
    outcome = command("compare", *sorted((tmp_path / "runs").iterdir()))
    assert outcome.status == 0, outcome.err
    (made,) = (tmp_path / "comparisons").iterdir()
    assert made.name.startswith("with-without-") and (made / "index.html").is_file() and str(made.relative_to(tmp_path)) in outcome.out
    table = command("compare", "--table", *sorted((tmp_path / "runs").iterdir()))
    assert table.status == 0 and table.out == command("compare", "--table", *copies).out


def test_runs_that_cannot_be_compared_are_refused(refused, runs, tmp_path):
    a, b = runs
    refused(["compare", a], "1 run cannot be compared; give 2 to 8")
    refused(["compare", *[tmp_path / str(k) for k in range(9)]], "9 runs cannot be compared; give 2 to 8")
    refused(["compare", a, b, a / "../with"], "is given twice; give each run folder once")
    refused(["compare", a, tmp_path], f"{tmp_path} is not a run folder (no config.yaml in it); give the folder")
    refused(["compare", a, b, "--names", "x"], "give each run a name of its own")
    refused(["compare", a, b, "--names", "x", "x"], "give each run a name of its own")
    refused(["compare", a, b, "--epochs", "1"], "--epochs is 1; give at least 2")
    other = copied(b, tmp_path / "other")
    reconfigured(other, data={"class_path": "gan_sntg.data.MNIST"})
    refused(["compare", a, other], "was trained on gan_sntg.data.MNIST, but", "give runs on one data set")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.yaml", "[1"),
        ("split.json", "{}"),
        ("split.json", '{"data": 1, "sha256": [], "data_seed": 0, "labeled": [], "validation": []}'),
        ("result.json", '{"test_error_last": "1"}'),
        ("metrics.jsonl", '{"epoch": "1", "step": 1}\n{"epoch": 2, "step": 2}\n'),
        ("metrics.jsonl", "x\nx\nx\n"),
        ("environment.json", "3"),
        ("fidelity.json", "3"),
        ("samples/epoch_0002.png", "no picture"),
        ("samples/real.png", "no picture"),
        ("test_classes.npy", "no array"),
    ],
)
def test_a_damaged_file_is_named(refused, runs, tmp_path, file, content):
    run = copied(runs[0], tmp_path / "run")
    (run / file).write_text(content)
    refused(["compare", run, runs[1]], str(run / file))
