"""Labels as people keep them, in a table beside the pictures: read as they mean it, or refused by file and line."""

import shutil
import unicodedata

import numpy as np
import pytest
from helpers.data_files import picture

from gan_sntg.commands.predict import listing_of
from gan_sntg.data.image_folder import ImageFolder
from gan_sntg.data.loader import UNLABELED
from gan_sntg.data.splits import make_split
from gan_sntg.data.twins import Twins
from gan_sntg.errors import InputError

NFC, NFD = (unicodedata.normalize(form, "caf\u00e9.png") for form in ("NFC", "NFD"))
CLASSES = {"cat": 6, "dog": 11}
ROWS = [(f"{name}{k:02}.png", name) for name, count in CLASSES.items() for k in range(count)]


@pytest.fixture
def pictures(tmp_path):
    """Six cats, eleven dogs and five others in a folder, and a function that writes a table beside them and reads both."""
    g = np.random.default_rng(0)
    for file in [file for file, _ in ROWS] + [f"other{k}.png" for k in range(5)]:
        picture(tmp_path / "images" / file, g.integers(0, 256, (28, 28), dtype=np.uint8))

    def read(rows: list[tuple], head: str = "file,class", **options) -> ImageFolder:
        lines = [head, *(",".join(("images/" + file, *rest)) for file, *rest in rows)]
        (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
        return ImageFolder(str(tmp_path), 28, False, **options)

    read.root = tmp_path
    return read


def by_folder(root, target) -> ImageFolder:
    """The same pictures in labeled/<class>/ and unlabeled/."""
    for path in sorted((root / "images").iterdir()):
        part = "unlabeled" if path.name.startswith("other") else f"labeled/{path.name[:3]}"
        (target / part).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target / part)
    return ImageFolder(str(target), 28, False)


def test_a_table_gives_the_same_data_as_folders_of_classes_whatever_its_order(pictures, tmp_path_factory):
    source, folders = pictures(ROWS[::-1]), by_folder(pictures.root, tmp_path_factory.mktemp("folders"))
    assert source.sha256 == folders.sha256 and source.class_names == ["cat", "dog"]
    assert source.validation.tolist() == folders.validation.tolist() and len(source.test_y) == 3
    assert source.notes[0].startswith(f"{pictures.root}: 5 of 22 pictures are not in labels.csv and have no label: images/other0.png; ")
    assert source.notes[1].endswith("without test rows in labels.csv 3 labelled images, a fifth of each class, are tested on alone")


@pytest.mark.parametrize("head", ["filename,label", "Path,Class", " image ,LABEL"])
def test_columns_may_be_named_as_people_name_them(pictures, head):
    assert pictures(ROWS, head).sha256 == pictures(ROWS).sha256


def test_an_empty_class_is_no_label_and_said_by_nobody(pictures):
    source = pictures([*ROWS, *((f"other{k}.png", " ") for k in range(5))])
    assert len(source.notes) == 1 and (source.train_y == UNLABELED).sum() == 5


def test_predictions_with_corrections_are_a_table_of_labels(pictures):
    predicted = [(file, name, "0.998", "no") for file, name in ROWS]
    source = pictures(predicted, "file,class,confidence,unlike")
    assert source.sha256 == pictures(ROWS).sha256
    assert "labels.csv: the columns confidence, unlike are not read; --data.groups COLUMN takes one for groups" in "".join(source.notes)


def test_a_split_column_says_what_is_tested_and_validated_on(pictures):
    said = {"cat00.png": "test", "dog10.png": "Test", "cat01.png": "val", "dog03.png": "validation", "dog04.png": "train"}
    source = pictures([*((*row, said.get(row[0], "")) for row in ROWS), ("other0.png", "cat", "test")], "file,class,split")
    assert source.test_files == ["images/cat00.png", "images/other0.png", "images/dog10.png"] and source.test_y.tolist() == [0, 0, 1]
    assert [source.train_files[i] for i in source.validation] == ["images/cat01.png", "images/dog03.png"]
    assert "has 2 images for validation: --validation true holds them out" in source.notes[0]
    split = make_split(source, None, 0, True)
    assert split.validation == source.validation.tolist() and len(split.labeled) == 13


@pytest.mark.parametrize("written", ["images\\cat00.png", "./images/cat00.png", "images//cat00.png", " images/cat00.png"])
def test_a_file_is_found_however_its_folders_are_written(pictures, written):
    lines = ["file,class", written + ",cat", *(f"images/{file},{name}" for file, name in ROWS[1:])]
    (pictures.root / "labels.csv").write_text("\n".join(lines))
    assert ImageFolder(str(pictures.root), 28, False).sha256 == pictures(ROWS).sha256


@pytest.mark.parametrize(("there", "written"), [(NFC, NFD), (NFD, NFC)])
def test_a_file_is_found_however_its_accents_are_stored(pictures, there, written):
    (pictures.root / "images/cat00.png").rename(pictures.root / "images" / there)
    assert f"images/{there}" in [*(source := pictures([(written, "cat"), *ROWS[1:]])).train_files, *source.test_files]


def test_tables_and_notes_beside_the_pictures_are_no_pictures_and_other_files_are_refused(pictures):
    for name in "readme.txt", "predictions.csv", "images/labels.xlsx":
        (pictures.root / name).write_text("no")
    assert pictures(ROWS).num_examples == 19
    (pictures.root / "images/note.doc").write_text("no")
    with pytest.raises(InputError, match="1 files cannot be read:\n.*images/note.doc: not an image"):
        pictures(ROWS)


def test_tables_of_labels_are_not_among_the_pictures_to_classify(pictures):
    pictures(ROWS)
    for name in "groups.csv", "out.csv", "images/labels.csv":
        (pictures.root / name).write_text("")
    found = [path.name for path in listing_of(pictures.root, [pictures.root / "out.csv"]).files]
    assert len(found) == 23 and "labels.csv" in found  # in a folder within it is nobody's table


def test_the_same_line_twice_is_noted(pictures):
    source = pictures([*ROWS, ROWS[0]])
    assert any("names 1 files twice, alike: lines 2 and 19: images/cat00.png" in note for note in source.notes)


MISSING = [(f"gone{k}.png", "cat") for k in range(25)]
WRONG = [
    ([*ROWS, ("cat00.png", "dog")], "different things of 1 files: lines 2 and 19: images/cat00.png, cat and dog; keep one line"),
    ([*ROWS, ("cat00.png", "")], "lines 2 and 19: images/cat00.png, cat and no class"),
    (
        [*ROWS, *MISSING],
        "names 25 files that are not there: line 19: images/gone0.png; .*; line 38: images/gone19.png; and 5 more; names are",
    ),
    ([*ROWS, ("CAT00.PNG", "cat")], r"line 19: images/CAT00.PNG \(there is images/cat00.png\)"),
    ([*ROWS, ("../../x.png", "cat"), ("../images/cat00.png", "cat")], "2 invalid names of files: line 19: images/../../x.png leads out of"),
    ([row for row in ROWS if row[1] == "cat"], "names 1 classes; at least two are needed"),
]


@pytest.mark.parametrize(("rows", "reason"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_a_table_that_contradicts_the_folder_or_itself_is_refused_by_line(pictures, rows, reason):
    with pytest.raises(InputError, match=f"labels.csv.*{reason}"):
        pictures(rows)


SPLITS = [
    ([*((*row, "") for row in ROWS), ("cat00.png", "cat", "test")], "lines 2 and 19: images/cat00.png, train and test"),
    (
        [*((*row, "") for row in ROWS), ("other0.png", "", "test")],
        "1 pictures for validation or test have no class: line 19: images/other0.png",
    ),
    ([*((*row, "") for row in ROWS), ("other0.png", "cat", "tset")], "line 19: split is 'tset'; give train, validation or test"),
    ([(*row, "test" * (row[1] == "cat")) for row in ROWS], "the class cat of the training images holds no image that can be read"),
    ([(*row, "test" * (row[0] == "cat00.png")) for row in ROWS], "the class dog of the test images holds no image that can be read"),
]


@pytest.mark.parametrize(("rows", "reason"), SPLITS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_split_column_that_contradicts_itself_or_leaves_a_class_out_is_refused(pictures, rows, reason):
    with pytest.raises(InputError, match=f"labels.csv.*{reason}"):
        pictures(rows, "file,class,split")


@pytest.mark.parametrize("written", ["/etc/passwd", "C:\\a.png", "C:/a.png", "\\\\host\\a.png", "", "images/../../a.png"])
def test_a_name_that_leads_elsewhere_or_is_none_is_refused(pictures, written):
    (pictures.root / "labels.csv").write_text(f"file,class\n{written},cat\n")
    reason = "leads out of .*, or is not relative to it" if written else "no file is named"
    with pytest.raises(InputError, match=f"1 invalid names of files: line 2: .*{reason}"):
        ImageFolder(str(pictures.root))


def test_two_files_whose_names_read_alike_are_refused_unless_one_is_meant_exactly(pictures):
    for name in NFC, NFD:
        shutil.copy(pictures.root / "images/other0.png", pictures.root / "images" / name)
    assert pictures([*ROWS, (NFC, "cat")], twins=Twins.keep).num_examples > 19
    with pytest.raises(InputError, match="reads like two files, 'cafe.u0301.png' and 'caf.xe9.png'; rename one"):
        pictures([*ROWS, (NFC + " ", "cat")])


def test_a_table_beside_class_folders_and_a_folder_of_tests_it_does_not_name_are_refused(pictures):
    (pictures.root / "images").rename(pictures.root / "test")
    (pictures.root / "labels.csv").write_text("\n".join(["file,class", *(f"test/{file},{name}" for file, name in ROWS)]))
    with pytest.raises(InputError, match="22 pictures in test/ are not for testing by labels.csv: test/.*give them the split test in"):
        ImageFolder(str(pictures.root))
    (pictures.root / "labeled").mkdir()
    with pytest.raises(InputError, match="holds both labels.csv and labeled/; keep the labels in one of them"):
        ImageFolder(str(pictures.root))


def test_a_table_of_nearly_that_name_is_asked_for(pictures):
    pictures(ROWS)
    (pictures.root / "labels.csv").rename(pictures.root / "Label.csv")
    with pytest.raises(InputError, match="labeled is not a readable folder.*, or labels.csv, which may be Label.csv; rename it then"):
        ImageFolder(str(pictures.root))


def test_classes_that_differ_by_case_alone_are_two_and_named(pictures):
    source = pictures([*ROWS, ("other0.png", "Cat"), ("other1.png", "Cat")])
    assert source.num_classes == 3 and any("the classes Cat and cat differ by case alone; if they are one" in note for note in source.notes)
