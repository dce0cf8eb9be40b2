"""The folders of one's own classes: their pictures wherever they lie in them, and their names as people read them."""

import shutil
import unicodedata

import numpy as np
import pytest
from helpers.data_files import picture

from gan_sntg.data.image_folder import ImageFolder
from gan_sntg.errors import InputError

NFC, NFD = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))


@pytest.fixture
def make(tmp_path):
    """Writes labelled and test folders of these names, three pictures each, and ten without a label; gives the root."""
    g = np.random.default_rng(0)

    def write(labeled: list[str], test: list[str]):
        parts = [f"labeled/{name}" for name in labeled] + [f"test/{name}" for name in test]
        for part, n in [(part, 3) for part in parts] + [("unlabeled", 10)]:
            for k in range(n):
                picture(tmp_path / part / f"{k}.png", g.integers(0, 256, (28, 28), dtype=np.uint8))
        return tmp_path

    return write


@pytest.mark.parametrize("skip", [False, True])
def test_pictures_in_folders_within_and_in_linked_ones_are_read(make, tmp_path_factory, skip):
    root = make(["cat", "dog"], ["cat", "dog"])
    before = ImageFolder(str(root))
    (root / "unlabeled/part/two").mkdir(parents=True)
    for k in range(4, 10):
        (root / f"unlabeled/{k}.png").rename(root / f"unlabeled/part/{'two/' * (k > 6)}{k}.png")
    store = tmp_path_factory.mktemp("store") / "cats"
    shutil.move(root / "labeled/cat", store)
    (root / "labeled/cat").symlink_to(store)
    source = ImageFolder(str(root), skip_unreadable=skip)
    assert source.sha256 == before.sha256 and source.notes == ()
    assert source.train_files[-4:] == ["unlabeled/part/6.png", *(f"unlabeled/part/two/{k}.png" for k in (7, 8, 9))]


def test_a_folder_that_cannot_be_followed_is_refused_or_noted_by_name(make):
    root = make(["cat", "dog"], ["cat", "dog"])
    (root / "labeled/cat/gone").symlink_to("nowhere")
    with pytest.raises(InputError, match="1 files cannot be read:\n.*labeled/cat/gone: a link to nowhere, which cannot be found"):
        ImageFolder(str(root))
    (root / "labeled/cat/loop").symlink_to("..")
    source = ImageFolder(str(root), skip_unreadable=True)
    assert source.num_examples == 16 and "labeled/cat/loop: not followed" in source.notes[0] and "gone" in source.notes[1]


@pytest.mark.parametrize(("labeled", "test"), [(NFC, NFD), (NFD, NFC), ("cat ", "cat"), ("a  cat", " a cat")])
def test_classes_are_the_same_where_their_names_read_alike(make, labeled, test):
    source = ImageFolder(str(make([labeled, "dog"], ["dog", test])))
    assert len(source.class_names) == 2 and source.test_y.tolist() == [0] * 3 + [1] * 3
    assert source.class_names[0] in (NFC, "cat", "a cat")


@pytest.mark.parametrize(("first", "second"), [(NFC, NFD), ("cat", "cat ")])
def test_two_classes_of_one_part_that_read_alike_are_refused(make, first, second):
    with pytest.raises(InputError, match="labeled holds '.*' and '.*', whose names read alike; put their pictures into one"):
        ImageFolder(str(make([first, second], [first, second])))


def test_classes_that_differ_by_case_alone_are_two_and_named(make):
    source = ImageFolder(str(make(["Cat", "cat"], ["Cat", "cat"])))
    assert source.num_classes == 2 and "the classes Cat and cat differ by case alone; if they are one" in source.notes[0]


def test_where_the_parts_differ_by_case_that_is_said(make):
    with pytest.raises(InputError, match=r"give both the same \(Cat and cat differ by case alone\)"):
        ImageFolder(str(make(["cat", "dog"], ["Cat", "dog"])))
