"""One's own folder of pictures: read in a fixed order, and everything wrong in it said before training."""

import shutil

import numpy as np
import pytest
import torch
from helpers.data_files import picture, spoil

from gan_sntg.data.custom import ImageFolder
from gan_sntg.data.loader import UNLABELED
from gan_sntg.errors import InputError

COUNTS = {"ant": 6, "bee": 11, "cow": 5}


@pytest.fixture
def folder(tmp_path):
    """Three classes of 6, 11 and 5 labelled pictures and two test pictures each, nine unlabelled, of several sizes."""
    g = np.random.default_rng(0)

    def noise(*parts: str) -> None:
        picture(tmp_path.joinpath(*parts), g.integers(0, 256, (*g.integers(28, 60, 2), 3), dtype=np.uint8))

    for name, count in COUNTS.items():
        for k in range(count):
            noise("labeled", name, f"{k:02}.png")
        for k in range(2):
            noise("test", name, f"{k}.jpg")
    for k in range(9):
        noise("unlabeled", f"{k}.png")
    return tmp_path


def test_the_labelled_images_come_first_class_by_class_and_the_unlabelled_after_them(folder):
    source = ImageFolder(str(folder))
    assert source.class_names == ["ant", "bee", "cow"] and source.num_classes == 3
    assert source.train_y.tolist() == [0] * 6 + [1] * 11 + [2] * 5 + [UNLABELED] * 9
    assert source.test_y.tolist() == [0, 0, 1, 1, 2, 2] and source.num_examples == 31
    assert source.train_files[:2] == ["labeled/ant/00.png", "labeled/ant/01.png"] and source.train_files[-1] == "unlabeled/8.png"
    assert source.train_x.dtype == torch.uint8 and source.notes == ()


@pytest.mark.parametrize("size", [28, 32, 48, 64])
@pytest.mark.parametrize("color", [True, False])
def test_every_image_has_the_stated_size_and_colours(folder, size, color):
    source = ImageFolder(str(folder), image_size=size, color=color)
    assert source.image_shape == (3 if color else 1, size, size) and source.test_x.shape[1:] == source.image_shape


def test_an_odd_size_is_refused(folder):
    with pytest.raises(InputError, match="image_size is 30; give one of 28, 32, 48, 64"):
        ImageFolder(str(folder), image_size=30)


def test_the_hash_of_the_data_sees_a_renamed_class_order_and_not_the_place(folder, tmp_path_factory):
    before = ImageFolder(str(folder)).sha256
    moved = tmp_path_factory.mktemp("elsewhere") / "moved"
    shutil.copytree(folder, moved)
    assert ImageFolder(str(moved)).sha256 == before
    for part in "labeled", "test":
        (moved / part / "ant").rename(moved / part / "zebra")
    assert ImageFolder(str(moved)).sha256 != before


def test_a_fifth_of_each_class_is_for_validation_and_all_of_it_is_labelled(folder):
    validation = ImageFolder(str(folder)).validation
    assert torch.bincount(ImageFolder(str(folder)).train_y[validation]).tolist() == [1, 2, 1]


def test_unlabeled_may_be_empty_but_must_be_there(folder):
    shutil.rmtree(folder / "unlabeled")
    with pytest.raises(InputError, match="unlabeled is not a readable folder.*holds labeled/<class>/, unlabeled/ and test/<class>/"):
        ImageFolder(str(folder))
    (folder / "unlabeled").mkdir()
    assert ImageFolder(str(folder)).num_examples == 22


def test_hidden_files_are_left_out(folder):
    for place in ".", "labeled", "labeled/ant", "unlabeled":
        (folder / place / ".DS_Store").write_bytes(b"\0")
    assert ImageFolder(str(folder)).num_examples == 31


def test_every_unreadable_file_is_named_in_one_error(folder):
    names = spoil(folder)
    with pytest.raises(InputError, match=r"8 files cannot be read:(.|\n)*add --data.skip_unreadable true") as refusal:
        ImageFolder(str(folder))
    assert all(f"{folder / name}: " in str(refusal.value) for name in names)


def test_unreadable_files_can_be_left_out_and_are_then_reported(folder):
    names = spoil(folder)
    source = ImageFolder(str(folder), skip_unreadable=True)
    assert source.num_examples == 30 and len(source.test_y) == 5
    assert len(source.notes) == 1 and "8 files cannot be read and are left out" in source.notes[0]
    assert all(name in source.notes[0] for name in names)
    assert source.train_y.tolist() == [0] * 5 + [1] * 11 + [2] * 5 + [UNLABELED] * 9


def test_a_class_of_which_nothing_is_left_is_refused_even_when_skipping(folder):
    for path in (folder / "labeled/cow").iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match="labeled/cow holds no image that can be read"):
        ImageFolder(str(folder), skip_unreadable=True)


@pytest.mark.parametrize("part", ["labeled", "test"])
def test_an_empty_class_is_refused(folder, part):
    for path in (folder / part / "bee").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=f"{part}/bee holds no image that can be read; add some, or remove the class"):
        ImageFolder(str(folder))


@pytest.mark.parametrize("part", ["labeled", "test"])
def test_a_single_class_is_refused(folder, part):
    for name in "bee", "cow":
        shutil.rmtree(folder / part / name)
    with pytest.raises(InputError, match=f"{part} holds 1 class folders; at least two are needed"):
        ImageFolder(str(folder))


@pytest.mark.parametrize("part", ["labeled", "test"])
def test_classes_that_differ_between_labeled_and_test_are_refused(folder, part):
    (folder / part / "cow").rename(folder / part / "Cow")
    with pytest.raises(InputError, match="labeled/ has the classes .*, test/ .*; give both the same"):
        ImageFolder(str(folder))


def test_a_picture_outside_the_class_folders_is_refused(folder):
    (folder / "labeled/loose.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"labeled holds files outside the class folders \(loose.png\)"):
        ImageFolder(str(folder))


@pytest.mark.parametrize("place", ["labeled/bee/copy.jpg", "unlabeled/copy.jpg"])
def test_a_test_image_that_is_also_in_the_pool_is_refused_with_both_names(folder, place):
    shutil.copy(folder / "test/ant/1.jpg", folder / place)
    with pytest.raises(InputError, match=rf"1 of the test images are also in the training set \(test/ant/1.jpg is {place}\)"):
        ImageFolder(str(folder))


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="none/labeled is not a readable folder"):
        ImageFolder(str(tmp_path / "none"))
