"""The predict command: a CSV of every image that can be read, one message of those that cannot, and nothing trusted."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers.data_files import picture
from helpers.run_comparison import changed
from PIL import Image

from gan_sntg.commands import predict
from gan_sntg.data.public import Digits
from gan_sntg.errors import InputError
from gan_sntg.evaluation.classification import entropy_of, most_wanted, outputs_of
from gan_sntg.pictures.reader import PictureReader
from gan_sntg.runs.build import load
from gan_sntg.runs.reading import load_model

DIGITS = Digits()


@pytest.fixture
def folder(tmp_path) -> Path:
    """Seven test digits as PNG, one in a folder within."""
    for k in range(7):
        path = tmp_path / "images" / ("deep/er" if k == 6 else ".") / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(DIGITS.test_x[k, 0].numpy()).save(path)
    return tmp_path / "images"


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("classifier", [None, "last", "averaged"])
def test_every_image_gets_the_class_and_confidence_of_the_classifier(command, finished, folder, tmp_path, classifier, monkeypatch):
    monkeypatch.setattr(predict, "AT_ONCE", 3)
    outcome = command("predict", finished, folder, "--out", tmp_path / "a.csv", *(["--classifier", classifier] if classifier else []))
    assert outcome.status == 0 and outcome.out == f"{tmp_path / 'a.csv'}\n" and outcome.err == ""
    parts, _ = load(str(finished), "cpu")
    x = parts.normalization(DIGITS.test_x[:7])
    with torch.no_grad():
        found = {name: net.eval()(x)[1].double().softmax(1) for name, net in parts.method.classifiers.items()}
    assert not torch.allclose(found["last"], found["averaged"], atol=1e-4)
    probabilities = found[classifier or "averaged"]
    header, *found = rows(tmp_path / "a.csv")
    assert header == ["file", "class", "confidence"]
    assert [row[0] for row in found] == ["0.png", "1.png", "2.png", "3.png", "4.png", "5.png", "deep/er/6.png"]
    assert [int(row[1]) for row in found] == probabilities.argmax(1).tolist()
    confidence = torch.tensor([float(row[2]) for row in found], dtype=torch.float64)
    torch.testing.assert_close(confidence, probabilities.max(1).values, atol=1e-6, rtol=0)


def test_images_of_another_size_and_colour_are_made_to_fit(command, finished, tmp_path):
    (tmp_path / "images").mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 90, 3), dtype=np.uint8)).save(tmp_path / "images/photo.jpg")
    assert command("predict", finished, tmp_path / "images", "--out", tmp_path / "a.csv").status == 0
    assert len(rows(tmp_path / "a.csv")) == 2


def test_classes_bear_their_names_where_the_data_give_them(command, run, folder, tmp_path):
    changed(run / "data.json", class_names=[f"digit, {k}" for k in range(10)])
    command("predict", run, folder, "--out", tmp_path / "a.csv")
    assert all(row[1].startswith("digit, ") for row in rows(tmp_path / "a.csv")[1:])


def test_unreadable_files_are_listed_in_one_message_and_the_others_are_written(command, finished, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "AT_ONCE", 3)
    whole = (folder / "0.png").read_bytes()
    (folder / "half.png").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("import os; os.mkdir('ran')")
    (folder / "deep/run.py").write_text("open('ran', 'w')")
    bomb = bytearray(whole)
    bomb[16:24] = (50_000).to_bytes(4, "big") * 2
    (folder / "bomb.png").write_bytes(bomb)
    (folder / ".hidden.png").write_bytes(b"")
    outcome = command("predict", finished, folder, "--out", tmp_path / "a.csv")
    said = f"4 of 11 files in {folder} cannot be classified; the other 7 are in {tmp_path / 'a.csv'}:"
    assert outcome.status == 2 and said in outcome.err
    for name in ("bomb.png", "deep/run.py", "half.png", "text.png"):
        assert outcome.err.count(str(folder / name)) == 1
    assert ".hidden" not in outcome.err and "Traceback" not in outcome.err
    assert len(rows(tmp_path / "a.csv")) == 8 and not Path("ran").exists()


def test_the_csv_in_the_folder_of_images_is_no_image(command, finished, folder):
    for _ in range(2):
        assert command("predict", finished, folder, "--out", folder / "a.csv").status == 0
    assert len(rows(folder / "a.csv")) == 8


def test_a_name_with_commas_quotes_and_bytes_that_are_no_text_survives(command, finished, folder, tmp_path):
    names = ['a,"b".png', "line\nbreak.png"]
    for name in names:
        shutil.copy(folder / "0.png", folder / name)
    raw = bytes(folder) + b"/\xff.png"
    shutil.copy(bytes(folder / "0.png"), raw)
    assert command("predict", finished, folder, "--out", tmp_path / "a.csv").status == 0
    with (tmp_path / "a.csv").open(newline="", errors="surrogateescape") as file:
        found = [row[0] for row in csv.reader(file)]
    assert {*names, "\udcff.png"} <= set(found) and len(found) == 11


def test_linked_folders_are_classified_and_what_cannot_be_listed_is_named(command, finished, folder, tmp_path):
    (tmp_path / "store").mkdir()
    shutil.copy(folder / "0.png", tmp_path / "store/linked.png")
    (folder / "album").symlink_to("../store")
    (folder / "loop").symlink_to(".")
    outcome = command("predict", finished, folder, "--out", tmp_path / "a.csv")
    assert outcome.status == 0 and f"{folder / 'loop'}: not followed" in outcome.err
    assert "album/linked.png" in [row[0] for row in rows(tmp_path / "a.csv")] and len(rows(tmp_path / "a.csv")) == 9
    (folder / "annexed.png").symlink_to("../annex/gone.png")
    outcome = command("predict", finished, folder, "--out", tmp_path / "a.csv")
    assert outcome.status == 2 and "1 of 9 files" in outcome.err and f"{folder / 'annexed.png'}: a link to ../annex/gone.png" in outcome.err


def test_a_folder_of_links_to_nothing_is_refused_with_each_of_them(command, finished, tmp_path, refused):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/gone.png").symlink_to("nowhere")
    refused(["predict", finished, "images", "--out", "a.csv"], "1 of 1 files in images cannot be classified", "images/gone.png: a link to")


def test_images_that_are_not_square_are_refused():
    with pytest.raises(InputError, match="8 x 4 pixels; files can only be cropped to squares"):
        predict.check_square((1, 8, 4))


def test_pictures_are_read_as_those_of_training_were(command, tiny_tree, labels_alone, tmp_path):
    g = np.random.default_rng(0)
    for part in "labeled/a", "labeled/b", "unlabeled", "test/a", "test/b":
        for k in range(5):
            picture(tmp_path / "data" / part / f"{k}.png", g.integers(0, 2**12, (28, 28)).astype(np.uint16))
    options = {"root": str(tmp_path / "data"), "image_size": 28, "color": False, "background": 7, "white": 4095}
    data = {"class_path": "gan_sntg.data.ImageFolder", "init_args": options}
    tree = tiny_tree() | {"data": data, "method": labels_alone(), "labels": None, "batch_size": 5, "epochs": 1}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(tree))
    assert command("train", "--config", tmp_path / "a.yaml", "--out", tmp_path / "run").status == 0
    parts, _ = load(str(tmp_path / "run"), "cpu")
    for source in parts.source, load_model(str(tmp_path / "run"), "cpu")[0].source:
        assert predict.picture_reader(source) == PictureReader(28, False, background=7, white=4095)
    found = predict.predict(parts, parts.method.classifiers["averaged"], sorted((tmp_path / "data/test/a").iterdir()))[0]
    with torch.no_grad():
        logits = parts.method.classifiers["averaged"].eval()(parts.normalization(parts.source.test_x[:5]))[1]
    torch.testing.assert_close(found.logits, logits, atol=1e-5, rtol=1e-5)
    assert predict.picture_reader(parts.source, white=1023).white == 1023


def test_dark_16_bits_are_refused_till_their_white_is_stated(command, finished, folder, tmp_path):
    picture(folder / "dark.png", np.full((8, 8), 1000, np.uint16))
    outcome = command("predict", finished, folder, "--out", tmp_path / "a.csv")
    assert outcome.status == 2 and "dark.png: a picture of whose 16 bits only 0..1023" in outcome.err and "by --white" in outcome.err
    outcome = command("predict", finished, folder, "--out", tmp_path / "a.csv", "--white", 1023)
    assert outcome.status == 0 and len(rows(tmp_path / "a.csv")) == 9


def test_what_to_label_next_is_written_alone_with_all_that_is_known_of_it(command, finished, folder, tmp_path):
    words = ["predict", finished, folder, "--out", folder / "a.csv", "--all", folder / "a.npz"]
    for _ in range(2):  # what was written is not read
        assert command(*words).out == f"{folder / 'a.csv'}\n{folder / 'a.npz'}\n"
    every = dict(np.load(folder / "a.npz"))
    assert [*every] == [*predict.ARRAYS] and every["files"].tolist() == [row[0] for row in rows(folder / "a.csv")[1:]]
    x = load(str(finished), "cpu")[0]
    h, logits = outputs_of(x.method.classifiers["averaged"], DIGITS.test_x[:7], x.normalization)
    expected = {"probabilities": logits.double().softmax(1), "entropy": entropy_of(logits), "realness": logits.double().exp().sum(1).log()}
    for name, values in (expected | {"features": h}).items():
        assert np.allclose(every[name], values.numpy(), atol=1e-5), name
    assert every["classes"].tolist() == [str(k) for k in range(10)]
    assert command(*words, "--suggest", 3).status == 0
    wanted = most_wanted(logits, h, 3).tolist()
    assert (
        [row[0] for row in rows(folder / "a.csv")[1:]]
        == dict(np.load(folder / "a.npz"))["files"].tolist()
        == every["files"][wanted].tolist()
    )


def test_none_or_more_files_than_there_are_to_suggest(command, refused, finished, folder, tmp_path):
    refused(["predict", finished, folder, "--out", "a.csv", "--suggest", 0], "--suggest is 0; give the number of files to label, 1 or more")
    assert command("predict", finished, folder, "--out", tmp_path / "a.csv", "--suggest", 99).status == 0
    assert len(rows(tmp_path / "a.csv")) == 8


@pytest.fixture(scope="module")
def held_out(tmp_path_factory, command, tiny) -> Path:
    """The folder of a run with validation images."""
    folder = tmp_path_factory.mktemp("held") / "run"
    assert command("train", "--config", tiny, "--validation", "true", "--out", folder).status == 0
    return folder


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_pictures_unlike_the_classes_are_those_below_a_share_of_the_validation_images(command, held_out, folder, tmp_path, share):
    assert command("predict", held_out, folder, "--out", tmp_path / "a.csv", "--unlike", share).status == 0
    parts, _ = load(str(held_out), "cpu")
    net, normalization, own = parts.method.classifiers["averaged"], parts.normalization, parts.source.train_x[parts.split.validation]
    real, here = (outputs_of(net, x, normalization)[1].double().exp().sum(1).log() for x in (own, DIGITS.test_x[:7]))
    head, *found = rows(tmp_path / "a.csv")
    assert head == ["file", "class", "confidence", "unlike"]
    expected = [sum(float(r) <= float(x) for r in real) <= int(share * len(real)) for x in here]
    assert [row[3] == "yes" for row in found] == expected and (share == 0.05 or 0 < sum(expected) < 7)


def test_what_is_unlike_needs_validation_images_and_a_share(refused, finished, folder):
    words = ["predict", finished, folder, "--out", "a.csv", "--unlike"]
    refused([*words, "1.5"], "--unlike is 1.5; give the share of the classes' own images that may be taken for others, as 0.05")
    refused([*words, "0.05"], "was trained without validation images; give a run of gan-sntg train --validation true")


@pytest.mark.parametrize(
    "words", [["--out", "images/labels.csv"], ["--out", "images/groups.csv"], ["--out", "a.csv", "--all", "images/labels.csv"]]
)
def test_tables_of_labels_given_by_hand_are_never_overwritten(finished, folder, tmp_path, refused, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    for name in ("labels.csv", "groups.csv"):
        (folder / name).write_text("file,class\n0.png,seven\n")
    refused(["predict", str(finished), "images", *words], f"{words[-1]} exists", "another name")
    assert all((folder / name).read_text().endswith("0.png,seven\n") for name in ("labels.csv", "groups.csv"))
