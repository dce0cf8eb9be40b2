"""Equal images: none is trained on and judged by unless that is asked for, and each is named."""

import json

import numpy as np
import pytest
import torch
from helpers.data_files import batch, npz, picture

from gan_sntg.data import Arrays, ImageFolder
from gan_sntg.data.dataset import hold_out, one_fifth
from gan_sntg.data.loader import UNLABELED
from gan_sntg.data.public import CIFAR100, Digits
from gan_sntg.data.splits import load_split, make_split
from gan_sntg.data.twins import Twins, contradictions, group_numbers, pairs
from gan_sntg.errors import InputError
from gan_sntg.runs.options import short_hash

X = np.random.default_rng(0).integers(0, 256, (60, 4, 4), dtype=np.uint8)
Y = np.arange(60) % 2
TEST = 255 - X
TWICE = np.concatenate([X, X]), np.concatenate([Y, Y]), TEST, Y
SHARED = np.concatenate([X[:2], TEST[2:]])  # two of the test images are training images


def test_groups_and_pairs_are_those_of_a_search_of_each_pair():
    train, test = torch.randint(2, (40, 1, 2, 2)).byte(), torch.randint(2, (30, 1, 2, 2)).byte()
    a, b = group_numbers(train, test)
    assert [[bool((x == y).all()) for y in train] for x in test] == (b[:, None] == a).tolist()
    equal_ones = [[j for j in range(40) if (train[j] == test[i]).all()] for i in range(30)]
    assert pairs(b, a) == [(i, found[0]) for i, found in enumerate(equal_ones) if found]


def test_equal_images_of_more_than_one_label_are_contradictions_and_those_without_a_label_are_not():
    numbers, y = torch.tensor([5, 5, 3, 3, 3, 1, 1]), torch.tensor([0, 1, 2, 2, UNLABELED, 1, UNLABELED])
    assert contradictions(numbers, y) == [[0, 1]]


@pytest.mark.parametrize("unlabeled", [None, X, np.concatenate([X, X])], ids=["labelled", "once unlabelled", "twice unlabelled"])
def test_no_twin_of_a_validation_image_stays_in_the_pool(unlabeled):
    source = Arrays(*TWICE, unlabeled)
    split = make_split(source, None, 0, True)
    held, pool = (set(map(bytes, source.train_x[i].numpy())) for i in (split.validation, split.pool(source)))
    assert len(split.validation) == 24 and not held & pool and not set(split.labeled) & set(split.left_out)
    assert len(held | pool) == 60  # no image is lost
    (note,) = split.notes(source)
    assert f"{len(split.left_out)} images equal to validation images are left out of the pool (train_x[" in note
    assert make_split(source, None, 0, False).left_out == []


def test_kept_twins_of_validation_images_stay_and_are_named(tmp_path):
    source = Arrays(*TWICE, twins=Twins.keep)
    split = make_split(source, None, 0, True)
    assert split.left_out == [] and len(split.pool(source)) == 96
    (note,) = split.notes(source)
    assert "of the 24 validation images are also in the pool, unlike new images (train_x[" in note


def test_a_manifest_of_before_stays_valid_and_names_the_twins_in_its_pool(tmp_path):
    source = Arrays(*TWICE)
    tree = make_split(source, None, 0, True).tree() | {"labeled": list(range(1, 120))[::2], "validation": [0, 2]}
    del tree["left_out"]
    (tmp_path / "split.json").write_text(json.dumps(tree))
    split = load_split(tmp_path / "split.json", source)
    assert len(split.pool(source)) == 118 and "2 of the 2 validation images are also in the pool" in split.notes(source)[0]


def test_a_manifest_with_twins_left_out_is_read_again_and_checked(tmp_path):
    source, path = Arrays(*TWICE), tmp_path / "split.json"
    split = make_split(source, 10, 0, True)
    path.write_text(split.text())
    assert load_split(path, source) == split
    for wrong in split.labeled[:1], [120], split.left_out[:1] * 2:
        path.write_text(json.dumps(split.tree() | {"left_out": wrong}))
        with pytest.raises(InputError, match="left-out indices must be distinct"):
            load_split(path, source)


def test_without_twins_a_manifest_is_as_it_always_was():
    split = make_split(Digits(), 20, 0, True)
    assert '"left_out"' not in split.text() and split.notes(Digits()) == ()


def test_shared_images_are_refused_naming_the_option_or_dropped_or_kept_and_noted():
    with pytest.raises(InputError, match=r"2 of the test images .*test_x\[0\] is train_x\[0\].* --data.twins drop .*--data.twins keep"):
        Arrays(X, Y, SHARED, Y)
    dropped, kept = Arrays(X, Y, SHARED, Y, X[:3], twins=Twins.drop), Arrays(X, Y, SHARED, Y, twins=Twins.keep)
    assert dropped.num_examples == 58 + 1 and np.array_equal(dropped.train_x[:58, 0], X[2:])
    assert dropped.train_names[0] == "train_x[2]" and dropped.train_names[-1] == "unlabeled_x[2]" and dropped.train_y[-1] == UNLABELED
    assert "the 4 training copies are left out" in dropped.notes[0] and np.array_equal(dropped.test_x[:, 0], SHARED)
    assert kept.num_examples == 60 and "they are kept" in kept.notes[0]
    assert Arrays(X, Y, TEST, Y).sha256 == Arrays(X, Y, TEST, Y, twins=Twins.drop).sha256 and Arrays(X, Y, TEST, Y).notes == ()


def test_nothing_is_dropped_that_leaves_a_class_without_an_image():
    with pytest.raises(InputError, match="all training images of the classes 1 are test images too"):
        Arrays(X, Y, X[1::2], Y[1::2], twins=Twins.drop)


@pytest.mark.parametrize("twins", Twins)
def test_equal_images_of_contradictory_labels_are_named(twins):
    source = Arrays(np.concatenate([X, X[:1]]), np.append(Y, 1), TEST, Y, twins=twins)
    assert source.notes == ("Arrays: 1 images are there with more than one label: train_x[0] (0) = train_x[60] (1)",)
    with pytest.raises(InputError, match=r"\n.* more than one label: train_x\[0\] \(0\) = test_x\[0\] \(1\)"):
        Arrays(X, Y, SHARED, 1 - Y)


def test_a_test_half_that_is_held_out_takes_equal_images_along():
    train_x, _, test_x, _ = held = hold_out(*TWICE[:2])
    assert not set(map(bytes, train_x)) & set(map(bytes, test_x)) and len(train_x) + len(test_x) == 120
    assert Arrays(*held).notes == ()


def test_the_option_of_a_folder_is_the_same(tmp_path):
    for name, shade in ("cat", 0), ("dog", 1):
        for k in range(3):
            picture(tmp_path / f"labeled/{name}/{k}.png", X[2 * k + shade])
        picture(tmp_path / f"test/{name}/0.png", TEST[shade])
    (tmp_path / "unlabeled").mkdir()
    picture(tmp_path / "test/cat/1.png", X[0])
    with pytest.raises(InputError, match="test/cat/1.png is labeled/cat/0.png.*--data.twins drop"):
        ImageFolder(str(tmp_path))
    source = ImageFolder(str(tmp_path), twins=Twins.drop)
    assert source.train_files == ["labeled/cat/1.png", "labeled/cat/2.png", "labeled/dog/0.png", "labeled/dog/1.png", "labeled/dog/2.png"]


def test_a_published_set_is_as_it_was_and_says_what_it_shares(publish):
    x = np.random.default_rng(1).integers(0, 256, (200, 3072), dtype=np.uint8)
    x[195], test = x[0], np.concatenate([x[1:2], 255 - x[:9]])
    contents = batch(x, [*range(100)] * 2, "fine_labels"), batch(test, [1, *range(9)], "fine_labels")
    source = CIFAR100(str(publish(dict(zip(CIFAR100.files, contents, strict=True)))))
    assert np.array_equal(source.train_x.reshape(200, -1), x)
    assert source.notes[0] == "cifar100: 1 of the test images are also in the training set (test_x[0] is train_x[1]); they are kept"
    assert source.notes[1] == "cifar100: 1 images are there with more than one label: train_x[0] (0) = train_x[195] (95)"
    source.validation = torch.arange(100, 200)
    split = make_split(source, None, 0, True)
    assert len(split.pool(source)) == 100 and "1 of the 100 validation images are also in the pool" in split.notes(source)[0]


def test_the_option_goes_on_where_the_command_refused_and_the_default_names_the_same_run_folder(tmp_path, command, refused):
    npz(tmp_path / "tiles.npz", train_x=X, train_y=Y, test_x=SHARED, test_y=Y)
    data = ["--data", "Arrays", "--data.root", tmp_path, "--data.file", "tiles.npz"]
    words = ["splits", "make", *data, "--out", tmp_path / "split.json"]
    refused(words, "add --data.twins drop")
    status, _, err = command(*words, "--data.twins", "drop")
    assert status == 0 and "the 2 training copies are left out" in err
    tree = {"data": {"class_path": "gan_sntg.data.Arrays", "init_args": {"file": "tiles.npz"}}}
    today = {"data": {"class_path": "gan_sntg.data.Arrays", "init_args": {"file": "tiles.npz", "twins": "refuse"}}}
    assert short_hash(json.dumps(tree)) == short_hash(json.dumps(today))


def sizes(*counts: int) -> torch.Tensor:
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))


@pytest.mark.parametrize(("counts", "held"), [((12, 4), [2, 1]), ((2, 3, 5), [1, 1, 1]), ((1, 9, 10), [0, 1, 2])])
def test_a_class_of_two_images_or_more_has_one_for_validation(counts, held):
    y = sizes(*counts)
    assert torch.bincount(y[one_fifth(y)], minlength=len(counts)).tolist() == held


def test_a_class_that_is_not_on_both_sides_is_refused_by_name_only_where_validation_is_asked_for():
    source = Arrays(X[:11], sizes(1, 10).numpy(), TEST, Y)
    source.class_names = ["ant", "bee"]
    make_split(source, None, 0, False)
    with pytest.raises(
        InputError, match="no validation image of the classes ant; add labelled images, two or more .*leave --validation out"
    ):
        make_split(source, None, 0, True)
    blank = Arrays(np.concatenate([X[:10], X[:1] * 0, X[:1] * 0]), sizes(10, 2).numpy(), TEST, Y)
    with pytest.raises(InputError, match="no labelled image that differs from the validation images of the classes 1; "):
        make_split(blank, None, 0, True)


def test_a_class_of_one_image_cannot_be_held_out_for_testing():
    with pytest.raises(InputError, match=r"one image alone of the classes \[3\]; give at least two"):
        hold_out(X[:5], np.array([3, 4, 4, 5, 5]))
    assert sorted(hold_out(X[:4], np.array([4, 4, 5, 5]))[3]) == [4, 5]
