"""Pixels that may mean something else than 0 for black and 255 for white: what is said before training, of arrays and folders."""

import numpy as np
import pytest
import torch
import yaml
from helpers.data_files import npz, picture

from gan_sntg.data import Arrays, ImageFolder
from gan_sntg.data.public import Digits
from gan_sntg.errors import InputError

G = np.random.default_rng(0)
START = G.bit_generator.state
Y, TEST_Y = np.arange(40) % 2, np.arange(20) % 2


@pytest.fixture(autouse=True)
def draws():
    """The same draws in each test, whatever ran before it."""
    G.bit_generator.state = START


def noise(n: int, low: int = 0, high: int = 255) -> np.ndarray:
    return G.integers(low, high + 1, (n, 6, 6)).astype(np.uint8)


def notes(train=None, test=None, unlabeled=None) -> str:
    train, test = noise(40) if train is None else train, noise(20) if test is None else test
    return "\n".join(Arrays(train, Y, test, TEST_Y, unlabeled).notes)


SMALL = "pixels are in a small part of 0..255"
APART = "pixels differ in range or mean"


@pytest.mark.parametrize("low_high", [(0, 1), (0, 16), (0, 100), (0, 127), (128, 255), (90, 160)])
def test_a_range_far_from_0_to_255_is_said(low_high):
    low, high = low_high
    said = notes(noise(40, low, high), noise(20, low, high))
    assert said.startswith(f"Arrays: {SMALL}: train_x {low}..{high} (mean ") and f"test_x {low}..{high}" in said and said.count("\n") == 0


def test_a_few_odd_images_do_not_hide_a_range():
    x = noise(40, 0, 16)
    x[7, 2, 2] = 255  # a dead pixel
    assert f"{SMALL}: train_x 0..16" in notes(x, noise(20, 0, 16))


@pytest.mark.parametrize("part", ["test", "unlabeled"])
@pytest.mark.parametrize("change", [lambda x: x // 16, lambda x: 255 - x // 3, lambda x: x // 2 + 128], ids=["dark", "inverted", "lifted"])
def test_a_range_that_differs_between_the_parts_is_said(part, change):
    said = notes(**{part: change(noise(20) // 2)})
    assert APART in said and f"{part}_x" in said


@pytest.mark.parametrize("most", [1, 4, 15])
def test_negative_numbers_that_were_made_uint8_are_said(most):
    x, test = (G.integers(-most, most + 1, (n, 6, 6)).astype(np.uint8) for n in (40, 20))
    assert "at both ends of 0..255 and nowhere between, in train_x, test_x, as of negative numbers" in notes(x, test)


def test_of_full_pixels_of_black_and_white_and_of_dim_photographs_nothing_is_said():
    assert notes(unlabeled=noise(9)) == ""
    assert notes(noise(40, 0, 1) * np.uint8(255), noise(20, 0, 1) * np.uint8(255)) == ""
    assert notes(noise(40, 10, 150), noise(20, 0, 180)) == ""
    digits = Digits()
    assert Arrays(digits.train_x, digits.train_y, digits.test_x, digits.test_y).notes == ()


@pytest.mark.parametrize(("x", "there"), [(noise(40) / 255, "of 0 to 1 scaled"), (noise(40).astype(np.int32) * 16, "of 0 to 4080 scaled")])
def test_other_numbers_are_refused_with_their_range_and_how_to_make_them_pixels(x, there):
    with pytest.raises(
        InputError,
        match=f"train_x is .*, not uint8, uint16 or float32; give pixels 0..255 as uint8: its values {there}.*rounded, then cast",
    ):
        Arrays(x, Y, noise(20), TEST_Y)


def test_it_is_said_before_training(command, tiny_tree, labels_alone, tmp_path):
    npz(tmp_path / "dark.npz", train_x=noise(40, 0, 16), train_y=Y, test_x=noise(20, 0, 16), test_y=TEST_Y)
    data = {"class_path": "gan_sntg.data.Arrays", "init_args": {"root": str(tmp_path), "file": "dark.npz"}}
    tree = tiny_tree() | {"data": data, "method": labels_alone(), "labels": 10, "batch_size": 10, "epochs": 1}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(tree))
    outcome = command("train", "--config", tmp_path / "a.yaml", "--out", tmp_path / "run")
    assert outcome.status == 0 and outcome.err.startswith(f"{tmp_path / 'dark.npz'}: {SMALL}: train_x 0..16")


@pytest.fixture
def folder(tmp_path):
    """Writes two labelled classes, unlabelled and test pictures, made by a function of part and number, and reads them."""

    def read(draw, **options) -> ImageFolder:
        for part in "labeled/a", "labeled/b", "unlabeled", "test/a", "test/b":
            for k in range(6):
                picture(tmp_path / part / f"{k}.png", draw(part, k))
        return ImageFolder(str(tmp_path), image_size=28, color=False, **options)

    return read


def of_bits(bits: int) -> np.ndarray:
    x = G.integers(0, 2**bits, (28, 28)).astype(np.uint16)
    x[:, 3] = 2**bits - 1
    return x


def test_a_folder_of_16_bits_of_which_fewer_are_used_is_refused_till_its_white_is_stated(folder):
    with pytest.raises(InputError, match="30 pictures, such as labeled/a/0.png, of whose 16 bits only 0..4095 .*65535 .* by --data.white"):
        folder(lambda part, k: of_bits(12))
    source = folder(lambda part, k: of_bits(12), white=4095)
    assert source.train_x.max() == 255 and source.notes == () and source.reader.white == 4095
    assert folder(lambda part, k: of_bits(12), white=65535).train_x.max() == 15
    with pytest.raises(InputError, match=r"30 files cannot be read(.|\n)*labeled/a/0.png: it holds values up to 4095, more than the 1023"):
        folder(lambda part, k: of_bits(12), white=1023)


def test_a_dark_picture_among_those_of_16_bits_keeps_their_scale_and_is_said(folder):
    source = folder(lambda part, k: of_bits(11 if (part, k) == ("unlabeled", 2) else 16))
    assert len(source.notes) == 1 and "1 of 30 pictures of 16 bits use 12 of them or fewer" in source.notes[0]
    assert "unlabeled/2.png" in source.notes[0] and source.train_x[14].max() == 7
    assert source.reader.white == 65535  # by which one of them alone is read too


def test_folders_of_eight_bits_state_no_white(folder):
    assert folder(lambda part, k: of_bits(8).astype(np.uint8)).reader.white is None


def test_a_folder_whose_parts_differ_in_range_and_pictures_that_show_nothing_are_said(folder):
    source = folder(lambda part, k: (of_bits(8) // (9 if part == "unlabeled" else 1) * (k + 1 < 6 or part != "test/a")).astype(np.uint8))
    blank, narrow, apart = source.notes
    assert "1 pictures have one value throughout: test/a/5.png; if they are drawn in it on transparent ground" in blank
    assert f"{SMALL}: unlabeled/" in narrow and APART in apart


def test_the_ground_of_transparent_pictures_is_the_folders(folder):
    def drawing(part: str, k: int) -> np.ndarray:
        return np.dstack([np.full((30, 30, 3), 255), G.integers(0, 2, (30, 30)) * 255]).astype(np.uint8)

    with pytest.raises(InputError, match="test images are also in the training set"):
        folder(drawing)
    assert folder(drawing, background=0).train_x.unique().numel() > 2
    assert torch.equal(folder(lambda part, k: of_bits(8).astype(np.uint8)).train_x[0].unique()[-1:], torch.tensor([255], dtype=torch.uint8))
