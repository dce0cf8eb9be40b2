"""The sample command: the same z, the same image, in any grid."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image


def images(path: Path, columns: int) -> torch.Tensor:
    """The 8 x 8 images of a grid, one after the other."""
    picture = np.asarray(Image.open(path).convert("L")).astype(np.int16)
    rows = (picture.shape[0] - 2) // 10
    return torch.stack(
        [torch.tensor(picture[2 + 10 * r : 10 + 10 * r, 2 + 10 * c : 10 + 10 * c]) for r in range(rows) for c in range(columns)]
    )


def test_64_images_are_written_into_the_runs_samples_and_nothing_else_changes(command, contents, finished, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    before = contents(run)
    outcome = command("sample", run)
    assert outcome.status == 0 and outcome.out.strip() == str(run / "samples/sample_64.png")
    after = contents(run)
    assert after.pop(Path("samples/sample_64.png")) and after == before
    assert images(run / "samples/sample_64.png", 8).shape == (64, 8, 8)


def test_the_same_z_gives_the_same_image_whatever_is_drawn_beside_it(command, finished, tmp_path):
    for n in 4, 100:
        assert command("sample", finished, "--n", n, "--out", tmp_path / f"{n}.png").status == 0
    few, many = images(tmp_path / "4.png", 2), images(tmp_path / "100.png", 10)
    torch.testing.assert_close(few, many[:4], atol=1, rtol=0)
    assert few.float().std() > 1 and not torch.equal(many[0], many[1])
    torch.testing.assert_close(many, images(finished / "samples/epoch_0003.png", 10), atol=1, rtol=0)


def test_scale_repeats_pixels(command, finished, tmp_path):
    assert command("sample", finished, "--n", 1, "--scale", 3, "--out", tmp_path / "big.png").status == 0
    assert command("sample", finished, "--n", 1, "--out", tmp_path / "small.png").status == 0
    big, small = (np.asarray(Image.open(tmp_path / name)) for name in ("big.png", "small.png"))
    if small.shape[0] > 8:
        big, small = big[2:26, 2:26], small[2:10, 2:10]
    assert np.array_equal(big, small.repeat(3, 0).repeat(3, 1))


def test_after_sampling_a_finished_run_still_prints_its_last_grid(command, tiny, finished, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    before = command("train", "--config", tiny, "--out", run).out
    command("sample", run)
    assert command("train", "--config", tiny, "--out", run).out == before


@pytest.mark.parametrize(("words", "says"), [(["--n", "0"], "give at least 1"), (["--scale", "0"], "give at least 1"), (["--n", "x"], "x")])
def test_a_number_that_cannot_be_drawn_is_refused(command, contents, finished, words, says):
    before = contents(finished)
    outcome = command("sample", finished, *words)
    assert outcome.status == 2 and says in outcome.err and contents(finished) == before


def test_a_file_that_cannot_be_written_is_refused(command, contents, finished, tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in tmp_path / "file/x.png", tmp_path / "none/x.png":
        outcome = command("sample", finished, "--out", out)
        assert outcome.status == 2 and "cannot be written" in outcome.err and "--out" in outcome.err
    assert contents(tmp_path) == {Path("file"): b"mine"}


def test_a_run_without_a_generator_is_refused(command, tiny_tree, labels_alone, tmp_path):
    (tmp_path / "supervised.yaml").write_text(yaml.safe_dump(tiny_tree() | {"method": labels_alone(), "epochs": 1}))
    command("train", "--config", tmp_path / "supervised.yaml", "--out", tmp_path / "run")
    outcome = command("sample", tmp_path / "run")
    assert outcome.status == 2 and "is a run of Supervised, which has no generator" in outcome.err
