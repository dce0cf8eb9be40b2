"""Groups of one's own pictures, from a column of labels.csv or from groups.csv: whole ones are held out, or refused by name."""

import json

import numpy as np
import pytest
import yaml
from helpers.data_files import picture

from gan_sntg.data.image_folder import ImageFolder
from gan_sntg.data.loader import UNLABELED
from gan_sntg.data.splits import make_split
from gan_sntg.data.twins import Twins
from gan_sntg.errors import InputError
from gan_sntg.runs.options import short_hash


@pytest.fixture
def folder(tmp_path):
    """Ten patients of two classes, four pictures each, of which one has no label; and groups.csv."""
    g, lines = np.random.default_rng(0), ["file,patient"]
    for i in range(40):
        patient, part = i // 4, ("unlabeled", "labeled/well", "labeled/ill", "labeled/well")[i % 4]
        level = 60 if part.endswith("well") else 180
        picture(tmp_path / part / f"{i:02}.png", (level + g.integers(-40, 40, (28, 28))).astype(np.uint8))
        lines.append(f"{part}/{i:02}.png,P{patient}")
    (tmp_path / "groups.csv").write_text("\n".join(lines))
    return tmp_path


def test_without_test_images_whole_groups_are_tested_on_and_theirs_without_a_label_left_out(folder):
    source = ImageFolder(str(folder), 28, False)
    assert not {*source.train_groups} & {*source.test_groups} and len({*source.test_groups}) == 2
    assert len(source.test_y) == 6 and source.num_examples == 32 and (source.test_y != UNLABELED).all()
    assert source.notes[0] == f"{folder}: the pictures of each of 10 groups stay together (groups.csv, patient)"
    assert source.notes[1].endswith("all of 2 of 10 groups, are tested on alone; 2 images without a label of these groups are left out")
    assert [f"P{int(file[-6:-4]) // 4}" for file in source.train_files] == source.train_groups


def test_whole_groups_are_for_validation_and_one_that_holds_a_class_alone_is_refused_by_name(folder):
    source = ImageFolder(str(folder), 28, False)
    split = make_split(source, None, 0, True)
    held, pool = ({source.train_groups[i] for i in index} for index in (split.validation, split.pool(source).tolist()))
    assert len(held) == 2 and not held & pool and len(split.left_out) == 2
    for k in range(10):
        edited(f"labeled/ill/{4 * k + 2:02}.png,P{k}\n", f"labeled/ill/{4 * k + 2:02}.png,Q\n")(folder)
    reason = r"no fifth in whole groups to test on: ill \(all 10 labelled images are of the group Q\); give labelled images of other groups"
    with pytest.raises(InputError, match=f"has no test/, and {reason}"):
        ImageFolder(str(folder), 28, False)


def test_the_options_that_were_not_there_before_do_not_change_the_name_of_a_run():
    tree = {"data": {"class_path": "gan_sntg.data.ImageFolder", "init_args": {"root": "a"}}}
    today = {"data": {"class_path": "gan_sntg.data.ImageFolder", "init_args": {"root": "a", "groups": None, "shared_groups": "refuse"}}}
    named = {"data": {"class_path": "gan_sntg.data.ImageFolder", "init_args": {"root": "a", "groups": "patient"}}}
    assert short_hash(json.dumps(tree)) == short_hash(json.dumps(today)) != short_hash(json.dumps(named))


def as_table(folder, line=lambda file, name, group: f"{file},{name},{group}", head="file,class,patient") -> None:
    """The same pictures with one table of labels and groups."""
    rows = [row.split(",") for row in (folder / "groups.csv").read_text().split("\n")[1:]]
    (folder / "groups.csv").unlink()
    (folder / "labeled").rename(folder / "pictures")
    rows = [
        (file.replace("labeled", "pictures").replace("unpictures", "unlabeled"), file.split("/")[-2].replace("unlabeled", ""), group)
        for file, group in rows
    ]
    (folder / "labels.csv").write_text("\n".join([head, *(line(*row) for row in rows)]))


@pytest.mark.parametrize(("head", "groups"), [("file,class,group", None), ("file,class,Patient", "patient"), ("file,class,group", "group")])
def test_a_column_of_the_labels_gives_the_same_groups(folder, head, groups):
    by_file = ImageFolder(str(folder), 28, False).sha256
    as_table(folder, head=head)
    assert ImageFolder(str(folder), 28, False, groups=groups).sha256 == by_file


def test_a_column_that_is_not_asked_for_is_said_and_not_read(folder):
    as_table(folder)
    source = ImageFolder(str(folder), 28, False)
    assert source.train_groups is None and "the columns patient are not read; --data.groups COLUMN takes one" in source.notes[0]


def edited(before: str, after: str):
    return lambda folder: (folder / "groups.csv").write_text((folder / "groups.csv").read_text().replace(before, after))


def rewritten(change):
    return lambda folder: (folder / "groups.csv").write_text("\n".join(map(change, (folder / "groups.csv").read_text().split("\n"))))


WRONG = [
    (
        edited("\nunlabeled/00.png,P0", ""),
        None,
        "groups.csv: 1 of 40 pictures have no patient: unlabeled/00.png; each may be of one that is",
    ),
    (edited("unlabeled/00.png,P0", "unlabeled/00.png, "), None, "1 of 40 pictures have no patient: unlabeled/00.png"),
    (
        edited("04.png,P1\n", "04.png,P1\nunlabeled/00.png,P7\n"),
        None,
        "gives 1 files two groups: lines 2 and 7: unlabeled/00.png, P0 and P7; keep one",
    ),
    (edited("unlabeled/00.png", "../x.png"), None, "groups.csv, line 2: ../x.png leads out of"),
    (edited("file,patient", "file,patient,site"), None, "40 rows have not the 3 fields of the first line"),
    (rewritten(lambda line: line + ",x"), None, "groups.csv has the columns file, patient, x; name that of the groups `group`"),
    (lambda folder: None, "patient", "--data.groups is patient, but .* has no labels.csv with such a column; name a CSV file"),
    (lambda folder: None, "none.csv", "none.csv is not a regular file"),
    (
        lambda folder: as_table(folder),
        "lot",
        r"--data.groups is lot; name one of the other columns of .*labels.csv \(file, class, patient\)",
    ),
    (lambda folder: as_table(folder), "class", "--data.groups is class; name one of the other columns"),
]


@pytest.mark.parametrize(("change", "groups", "reason"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_groups_that_leave_a_picture_out_or_contradict_are_refused(folder, change, groups, reason):
    change(folder)
    with pytest.raises(InputError, match=reason):
        ImageFolder(str(folder), 28, False, groups=groups)


def test_groups_both_in_a_column_and_in_a_file_are_refused_until_one_is_named(folder):
    text = (folder / "groups.csv").read_text().replace("labeled/", "pictures/").replace("unpictures", "unlabeled")
    as_table(folder, head="file,class,group")
    (folder / "groups.csv").write_text(text)
    with pytest.raises(InputError, match="holds groups.csv, and labels.csv a column group; say which is meant by --data.groups"):
        ImageFolder(str(folder), 28, False)
    found = [ImageFolder(str(folder), 28, False, groups=choice).sha256 for choice in ("groups.csv", "group")]
    assert found[0] == found[1]


def test_names_in_the_file_that_are_no_pictures_and_groups_that_differ_by_case_are_noted(folder):
    edited(",P1\n", ",p0\n")(folder)
    (folder / "groups.csv").open("a").write("\nelsewhere.png,P3")
    notes = "\n".join(ImageFolder(str(folder), 28, False).notes)
    assert "names 1 files that are no pictures here: elsewhere.png" in notes and "the groups P0 and p0 differ by case alone" in notes


def test_a_group_on_both_sides_of_a_stated_split_is_refused_by_name_or_left_out_or_kept(folder):
    test, validation = ("pictures/well/01.png", "pictures/ill/06.png"), ("pictures/well/09.png", "pictures/ill/14.png")
    split = {**dict.fromkeys(test, "test"), **dict.fromkeys(validation, "validation")}
    as_table(folder, lambda file, name, group: f"{file},{name},{group},{split.get(file, '')}", "file,class,group,split")
    with pytest.raises(InputError, match=r"images of 2 groups are in the .*P0: 3 as pictures/ill/02.png, 1 as pictures/well/01.png"):
        ImageFolder(str(folder), 28, False)
    dropped, kept = (ImageFolder(str(folder), 28, False, shared_groups=choice) for choice in (Twins.drop, Twins.keep))
    assert dropped.num_examples == 32 and kept.num_examples == 38
    for source, left_out in (dropped, 6), (kept, 0):
        found = make_split(source, None, 0, True)
        assert len(found.validation) == 2 and len(found.left_out) == left_out
        assert ("images of 2 groups are in the pool and for validation" in "".join(found.notes(source))) == (left_out == 0)
    dropped.shared_groups = Twins.refuse
    with pytest.raises(
        InputError, match=r"labelled images of 2 groups are for validation and for training \(.*P2: 1 as pictures/well/09.png, 2"
    ):
        make_split(dropped, None, 0, True)


def test_a_grouped_run_says_of_how_many_groups_its_parts_are_and_is_evaluated_by_group(folder, command, tiny_tree, labels_alone, tmp_path):
    data = {"class_path": "gan_sntg.data.ImageFolder", "init_args": {"root": str(folder), "image_size": 28, "color": False}}
    tree = tiny_tree() | {"labels": 6, "balance": "rounded", "validation": True, "data": data, "method": labels_alone(), "batch_size": 12}
    (tmp_path / ".config.yaml").write_text(yaml.safe_dump(tree | {"epochs": 1}))
    run = tmp_path / ".run"
    outcome = command("train", "--config", tmp_path / ".config.yaml", "--out", run)
    assert outcome.status == 0, outcome.err
    manifest = json.loads((run / "split.json").read_text())
    assert f"labels of {manifest['labeled_groups']} groups, images to train on of 6, for validation of 2, to test on of 2" in outcome.err
    shown = json.loads(command("splits", "show", run / "split.json").out)
    assert shown["labeled_groups"] == manifest["labeled_groups"]
    found = json.loads(command("evaluate", run, "--device", "cpu").out)["by_group"]
    assert found["groups"] == 2 and found["worst_images"] == 3 and 0 <= found["worst_error"] <= 100 and len(found["error_interval"]) == 2
    edited(",P1\n", ",P2\n")(folder)
    (run / "result.json").unlink()
    outcome = command("train", "--config", tmp_path / ".config.yaml", "--out", run)
    assert outcome.status == 2 and "groups are part of them" in outcome.err
