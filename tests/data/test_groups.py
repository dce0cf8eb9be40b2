"""Images that belong together, as those of a patient: none is trained on while another of its group is held out."""

import json
from itertools import product

import numpy as np
import pytest
import torch
from helpers.data_files import npz, picture
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_sntg.configurable import configuration
from gan_sntg.data import Arrays, ImageFolder, hold_out_groups
from gan_sntg.data.public import Digits
from gan_sntg.data.splits import load_split, make_split
from gan_sntg.data.twins import NEAR, Twins, held_groups
from gan_sntg.errors import InputError
from gan_sntg.files.array_files import sha256_of
from gan_sntg.rng import purpose_generator

N = 60
X = np.random.default_rng(0).integers(0, 256, (N, 4, 4), dtype=np.uint8)
Y, G = np.arange(N) % 3, np.arange(N) // 5  # twelve groups of five
EXTRA, TEST = X[:24] ^ 1, 255 - X[:9]
GROUPED = {"train_groups": G, "unlabeled_groups": np.arange(24) // 2, "test_groups": np.arange(100, 109)}


def grouped(**changes) -> Arrays:
    held = {"train_x": X, "train_y": Y, "test_x": TEST, "test_y": Y[:9], "unlabeled_x": EXTRA} | GROUPED | changes
    return Arrays(**{name: value for name, value in held.items() if value is not None})


def held_by(y: list[int], groups: list[str], purpose: str = "test") -> set[str]:
    return held_groups(torch.tensor(y), groups, purpose_generator(0, purpose))


def cost(counts: np.ndarray, held: np.ndarray) -> tuple[int, float]:
    """Classes with all or none of their images held out, and the squared distance of the shares to a fifth."""
    sizes = counts.sum(0)
    return int(((held == 0) | (held == sizes)).sum()), float(((held / sizes - 0.2) ** 2).sum())


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6)), min_size=2, max_size=60))
def test_the_groups_held_out_are_near_the_best_of_all_choices(images):
    y, groups = [k for k, _ in images], [f"p{g}" for _, g in images]
    names, classes = sorted({*groups}), sorted({*y})
    counts = np.array([[sum(pair == (k, g) for pair in zip(y, groups, strict=True)) for k in classes] for g in names])
    best = min(cost(counts, np.array(chosen) @ counts) for chosen in product((0, 1), repeat=len(names)))
    held = held_by(y, groups)
    found = cost(counts, np.array([name in held for name in names]) @ counts)
    assert found[0] == best[0] and found[1] <= best[1] + len(classes) * NEAR**2 + 0.02
    assert held == held_by(y, groups) == held_by(y[::-1], groups[::-1])


def test_of_many_groups_nearly_a_fifth_of_each_class_is_held_out_and_no_small_ones_are_preferred():
    rng = np.random.default_rng(1)
    groups, y = rng.choice(400, 4000, p=np.r_[[0.004] * 200, [0.001] * 200]), rng.integers(0, 5, 4000)
    held = held_by(y.tolist(), [*map(str, groups)])
    inside = np.isin(groups.astype(str), [*held])
    assert np.abs(np.bincount(y[inside]) / np.bincount(y) - 0.2).max() < 0.02 and 60 < len(held) < 100
    assert held != held_by(y.tolist(), [*map(str, groups)], "validation")


def test_a_group_too_large_to_be_held_out_is_not_though_it_come_first():
    groups = ["large"] * 60 + [f"{i}" for i in range(40)]
    assert "large" not in (held := held_by([0, 1] * 50, groups)) and len(held) in range(18, 23)
    many = ["large"] * 756 + [f"{i}" for i in range(1764)]  # one order is drawn, in which it is the eleventh
    assert "large" not in (held := held_by([0, 1] * 1260, many)) and len(held) in range(480, 530)


@pytest.mark.parametrize("labels", [None, 12])
def test_no_group_is_on_two_sides_and_images_without_a_label_go_with_theirs(labels):
    source = grouped()
    split = make_split(source, labels, 0, True)
    pool, held = ({source.train_groups[i] for i in index} for index in (split.pool(source).tolist(), split.validation))
    assert not pool & held and len(pool | held) == 12 and len(held) in (2, 3)
    assert sorted(torch.bincount(source.train_y[split.validation]).tolist()) in ([3, 3, 4], [2, 4, 4], [5, 5, 5])
    assert split.left_out == [60 + i for i in range(24) if str(i // 2) in held]
    assert split.labeled_groups == len({source.train_groups[i] for i in split.labeled})
    assert split.notes(source) == (f"arrays: {len(split.left_out)} images of the groups of validation images are left out of the pool",)
    assert split == make_split(grouped(), labels, 0, True) and make_split(source, labels, 0, False).left_out == []


def test_a_manifest_of_grouped_data_is_read_again_and_belongs_to_these_groups(tmp_path):
    source, path = grouped(), tmp_path / "split.json"
    split = make_split(source, 12, 0, True)
    path.write_text(split.text())
    assert load_split(path, source) == split and json.loads(split.text())["labeled_groups"] == split.labeled_groups > 0
    with pytest.raises(InputError, match="use the data that the manifest was made from; groups are part of them"):
        load_split(path, grouped(train_groups=np.arange(N) // 6))
    for change, reason in (
        ({"labeled_groups": 99}, "its labelled images are not of 99 groups, but of"),
        ({"left_out": split.left_out[1:]}, "images of the groups of its validation images are in its pool"),
        ({"validation": split.validation[1:]}, "images of the groups of its validation images are in its pool"),
    ):
        path.write_text(json.dumps(split.tree() | change))
        with pytest.raises(InputError, match=f"split.json is damaged: {reason}"):
            load_split(path, source)


def test_data_without_groups_are_split_as_they_always_were(tmp_path):
    plain = Arrays(X, Y, 255 - X, Y, EXTRA[:9])
    texts = [make_split(source, n, 0, v).text() for source, n in ((Digits(), 20), (plain, 12)) for v in (False, True)]
    assert sha256_of(*texts) == "19038740f6153bb782042045cf6fd86ccb9ee6f2eb645e21f326a7076c4e97a0"  # of before there were groups
    g = np.random.default_rng(0)
    for part, k in product(("labeled/a", "labeled/b", "unlabeled"), range(11)):
        picture(tmp_path / part / f"{k}.png", g.integers(0, 256, (28, 28), dtype=np.uint8))
    source = ImageFolder(str(tmp_path), 28, False)
    assert source.sha256 == "6622e267905ec457fb0ddb7e97eded430c589f34d6937fd46fb11ce87f986299"
    split = "1b7ba079b8d3396d13c292bc3c9fde3a665cc0d4f15a3147240103f0bcd61c64"
    assert sha256_of(make_split(source, 6, 0, True).text()) == split and source.train_groups is None


SHARED = {"test_groups": np.array([0, 0, *range(100, 107)])}


def test_groups_on_both_sides_of_the_datas_own_test_set_are_refused_naming_them_or_dropped_or_kept():
    with pytest.raises(
        InputError,
        match=r"images of 1 groups are in the training set and in the test set \(0: 7 as train_x\[0\], 2 as test_x\[0\]\), .*--data.sh",
    ):
        grouped(**SHARED)
    dropped, kept = (grouped(**SHARED, shared_groups=choice) for choice in ("drop", Twins.keep))
    assert dropped.num_examples == 77 and "0" not in dropped.train_groups and "7 training images are left out" in dropped.notes[0]
    assert kept.num_examples == 84 and kept.train_groups[0] == "0" and "they are kept" in kept.notes[0]
    with pytest.raises(InputError, match="all training images of the classes 2 are of groups that are tested on; give others"):
        grouped(train_groups=np.where(Y == 2, 100, G), shared_groups="drop")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"test_groups": None}, "Arrays lacks test_groups; give the groups of all images"),
        ({"train_groups": None, "unlabeled_groups": None}, "Arrays lacks train_groups, unlabeled_groups"),
        ({"train_groups": G[1:]}, r"train_groups has the shape \[59\] for 60 images; give one per image"),
        ({"train_groups": G / 2}, "train_groups is float64; give groups as whole numbers or texts"),
        ({"train_groups": np.array(["a", *[" "] * 59])}, "images of a group without a name"),
        ({"unlabeled_x": None}, r"unlabeled_groups has the shape \[24\] for 0 images"),
    ],
)
def test_groups_that_do_not_fit_the_images_are_refused(changes, reason):
    with pytest.raises(InputError, match=reason):
        grouped(**changes)


def test_groups_are_numbers_or_texts_in_memory_and_in_a_file(tmp_path):
    text = {name: value.astype(str) for name, value in GROUPED.items()}
    tensors = {name: torch.from_numpy(value) for name, value in GROUPED.items()}
    npz(tmp_path / "a.npz", train_x=X, train_y=Y, test_x=TEST, test_y=Y[:9], unlabeled_x=EXTRA, **text)
    objects = {name: value.astype(object) for name, value in text.items()}  # as a column of pandas is
    found = {
        source.sha256
        for source in (grouped(), grouped(**text), grouped(**objects), grouped(**tensors), Arrays(file="a.npz", root=str(tmp_path)))
    }
    assert len(found) == 1 and found != {Arrays(X, Y, TEST, Y[:9], EXTRA).sha256}
    lists = grouped(**{name: value.tolist() for name, value in text.items()}, twins="drop")
    assert {lists.sha256} == found and configuration(lists)["init_args"] == {"twins": "drop"}  # no patient's name in a run folder


def test_a_class_that_is_in_one_group_alone_is_refused_by_name_only_where_it_must_be_held_out():
    source = grouped(train_groups=np.where(Y == 1, 50, G))
    source.class_names = ["ant", "bee", "cow"]
    make_split(source, None, 0, False)
    reason = r"no (validation|labelled) image.* of the classes bee \(all 20 labelled images are of the group 50\); .*other groups, or leave"
    with pytest.raises(InputError, match=reason):
        make_split(source, None, 0, True)
    triangle = np.array([[1, 2], [2, 3], [3, 1]])[Y, G % 2]  # two of three groups for each of three classes
    with pytest.raises(InputError, match=r"its labelled images are of 2 groups, which stay whole"):
        make_split(grouped(train_groups=triangle, unlabeled_groups=np.arange(200, 224)), None, 0, True)


def test_a_test_half_in_whole_groups_is_held_out_where_it_is_asked_for():
    held = hold_out_groups(X, Y + 5, G)
    assert not {*held["train_groups"]} & {*held["test_groups"]} and len(held["test_y"]) in (10, 15)
    source = Arrays(**held | {"train_y": held["train_y"] - 5, "test_y": held["test_y"] - 5})
    assert source.test_groups == [*map(str, held["test_groups"])] and source.notes == ()
    assert len(hold_out_groups(X * 0, Y, G)["test_y"]) in (10, 15)  # equal images of other groups are not taken along
    with pytest.raises(InputError, match=r"no fifth in whole groups of the classes 5 \(all 20 labelled images are of the group 7\)"):
        hold_out_groups(X, Y + 5, np.where(Y == 0, 7, G + 10))
    with pytest.raises(InputError, match=r"hold_out_groups: y has the shape \[60\] and groups \[59\] for 60 images"):
        hold_out_groups(X, Y, G[1:])
