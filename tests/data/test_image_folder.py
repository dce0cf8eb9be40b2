"""One's own folder of pictures: any kind and size becomes the same square, and what is wrong is said before training."""

import shutil

import numpy as np
import pytest
import torch
from helpers.data_files import picture, png_of, spoil
from PIL import Image

from gan_sntg.data.image_folder import ImageFolder
from gan_sntg.data.loader import UNLABELED
from gan_sntg.errors import InputError
from gan_sntg.pictures import read_picture, read_pictures

G = np.random.default_rng(0)
COUNTS = {"ant": 6, "bee": 11, "cow": 5}


@pytest.fixture
def folder(tmp_path):
    """Three classes of 6, 11 and 5 labelled pictures and two test pictures each, nine unlabelled, of several sizes; and hidden files."""
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
    for place in ".", "labeled", "labeled/ant", "unlabeled":
        (tmp_path / place / ".DS_Store").write_bytes(b"\0")
    return tmp_path


def test_the_labelled_images_come_first_class_by_class_and_the_unlabelled_after_them_and_hidden_files_are_left_out(folder):
    source = ImageFolder(str(folder))
    assert source.class_names == ["ant", "bee", "cow"] and source.num_classes == 3
    assert source.train_y.tolist() == [0] * 6 + [1] * 11 + [2] * 5 + [UNLABELED] * 9
    assert source.test_y.tolist() == [0, 0, 1, 1, 2, 2] and source.num_examples == 31
    assert source.train_files[:2] == ["labeled/ant/00.png", "labeled/ant/01.png"] and source.train_files[-1] == "unlabeled/8.png"
    assert source.train_x.dtype == torch.uint8 and source.notes == ()
    assert torch.bincount(source.train_y[source.validation]).tolist() == [1, 2, 1]  # a fifth of each class


@pytest.mark.parametrize("size", [28, 32, 48, 64])
@pytest.mark.parametrize("color", [True, False])
def test_every_image_has_the_stated_size_and_colours(folder, size, color):
    source = ImageFolder(str(folder), image_size=size, color=color)
    assert source.image_shape == (3 if color else 1, size, size) and source.test_x.shape[1:] == source.image_shape


def test_an_odd_size_is_refused(folder):
    with pytest.raises(InputError, match="image_size is 7; give 8 to 512"):
        ImageFolder(str(folder), image_size=7)


def test_the_hash_of_the_data_sees_a_renamed_class_order_and_not_the_place(folder, tmp_path_factory):
    before = ImageFolder(str(folder)).sha256
    moved = tmp_path_factory.mktemp("elsewhere") / "moved"
    shutil.copytree(folder, moved)
    assert ImageFolder(str(moved)).sha256 == before
    for part in "labeled", "test":
        (moved / part / "ant").rename(moved / part / "zebra")
    assert ImageFolder(str(moved)).sha256 != before


def test_unlabeled_may_be_empty(folder):
    shutil.rmtree(folder / "unlabeled")
    (folder / "unlabeled").mkdir()
    assert ImageFolder(str(folder)).num_examples == 22


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


def without(pattern: str):
    def change(folder) -> None:
        for path in folder.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


TWICE = "1 of the test images are also in the training set"
OTHERWISE = [
    (without("*"), "labeled is not a readable folder"),
    (lambda f: (f / "unlabeled").rename(f / "Unlabelled"), "holds Unlabelled/, but no unlabeled/; rename it"),
    (lambda f: (f / "test").rename(f / "tests"), "holds tests/, but no test/; rename it"),
    (without("labeled"), "labeled is not a readable folder.*holds labeled/<class>/, perhaps unlabeled/ and test/<class>/"),
    (without("labeled/bee/*"), "labeled/bee holds no image that can be read; add some, or remove the class"),
    (without("test/bee/*"), "test/bee holds no image that can be read; add some, or remove the class"),
    (without("labeled/[bc]*"), "labeled holds 1 class folders; at least two are needed"),
    (without("test/[bc]*"), "test holds 1 class folders; at least two are needed"),
    (lambda f: (f / "labeled/cow").rename(f / "labeled/Cow"), "labeled/ has the classes .*, test/ .*; give both the same"),
    (lambda f: (f / "test/cow").rename(f / "test/Cow"), "labeled/ has the classes .*, test/ .*; give both the same"),
    (lambda f: (f / "labeled/loose.png").write_bytes(b""), r"labeled holds files outside the class folders \(loose.png\)"),
    (lambda f: shutil.copy(f / "test/ant/1.jpg", f / "labeled/bee/a.jpg"), rf"{TWICE} \(test/ant/1.jpg is labeled/bee/a.jpg\)"),
    (lambda f: shutil.copy(f / "test/ant/1.jpg", f / "unlabeled/a.jpg"), rf"{TWICE} \(test/ant/1.jpg is unlabeled/a.jpg\)"),
]


@pytest.mark.parametrize(("change", "reason"), OTHERWISE, ids=lambda value: value if isinstance(value, str) else "")
def test_a_folder_that_is_otherwise_is_refused_with_the_reason(folder, change, reason):
    change(folder)
    with pytest.raises(InputError, match=reason):
        ImageFolder(str(folder))


COLOUR = G.integers(0, 256, (32, 32, 3), dtype=np.uint8)
DEEP = (np.arange(1024, dtype=np.uint16) * 64).reshape(32, 32)
SMOOTH = np.indices((40, 60)).sum(0).astype(np.uint8) * 2


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm", "tiff"])
def test_a_picture_of_the_asked_size_keeps_every_pixel(tmp_path, suffix):
    x = read_picture(picture(tmp_path / f"a.{suffix}", COLOUR), 32, color=True)
    assert x.dtype == torch.uint8 and np.array_equal(x, COLOUR.transpose(2, 0, 1))


@pytest.mark.parametrize(("suffix", "options"), [("jpg", {"quality": 95}), ("webp", {"quality": 95}), ("gif", {})])
def test_lossy_kinds_are_read_nearly(tmp_path, suffix, options):
    x = read_picture(picture(tmp_path / f"a.{suffix}", SMOOTH[:32, :32], **options), 32, color=False)
    torch.testing.assert_close(x[0].float(), torch.from_numpy(SMOOTH[:32, :32]).float(), atol=8, rtol=0)


def test_grey_pictures_can_be_read_as_colour_and_colour_as_grey(tmp_path):
    grey = read_picture(picture(tmp_path / "a.png", SMOOTH[:32, :32]), 32, color=True)
    assert grey.shape == (3, 32, 32) and torch.equal(grey[0], grey[1]) and torch.equal(grey[0], grey[2])
    r, g, b = (COLOUR[..., c].astype(float) for c in range(3))
    x = read_picture(picture(tmp_path / "b.png", COLOUR), 32, color=False)
    torch.testing.assert_close(x[0].double(), torch.from_numpy(0.299 * r + 0.587 * g + 0.114 * b), atol=1, rtol=0)


@pytest.mark.parametrize(
    ("shape", "resized", "corner"), [((40, 60), (48, 32), (8, 0)), ((96, 64), (32, 48), (0, 8)), ((90, 90), (32, 32), (0, 0))]
)
def test_the_shorter_side_is_resized_and_the_centre_is_cropped(tmp_path, shape, resized, corner):
    image = Image.fromarray(G.integers(0, 256, shape, dtype=np.uint8))
    image.save(tmp_path / "a.png")
    left, top = corner
    whole = image.resize(resized, Image.Resampling.BICUBIC).crop((left, top, left + 32, top + 32))
    x = read_picture(tmp_path / "a.png", 32, color=False)
    torch.testing.assert_close(x[0].int(), torch.from_numpy(np.array(whole)).int(), atol=1, rtol=0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (7, 5), (900, 700)])
def test_any_size_becomes_the_asked_one(tmp_path, shape):
    x = read_picture(picture(tmp_path / "a.png", np.full(shape, 90, np.uint8)), 48, color=True)
    assert x.shape == (3, 48, 48) and (x == 90).all()


def test_shrinking_averages_and_does_not_pick_pixels(tmp_path):
    chequered = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    x = read_picture(picture(tmp_path / "a.png", chequered), 32, color=False)
    torch.testing.assert_close(x.float(), torch.full((1, 32, 32), 127.5), atol=2, rtol=0)


def test_sixteen_bits_are_scaled_to_eight(tmp_path):
    assert np.array_equal(read_picture(picture(tmp_path / "a.png", DEEP), 32, color=False)[0], DEEP // 256)


@pytest.mark.parametrize("pixels", [COLOUR, DEEP], ids=["colour", "16 bits"])
def test_the_cameras_turn_is_applied(tmp_path, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6  # the picture is to be turned by 90 degrees clockwise
    upright = read_picture(picture(tmp_path / "a.png", pixels), 32, color=pixels is COLOUR)
    x = read_picture(picture(tmp_path / "b.png", pixels, exif=exif), 32, color=pixels is COLOUR)
    assert torch.equal(x, upright.rot90(-1, (1, 2)))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "CMYK"])
def test_other_modes_become_colour(tmp_path, mode):
    Image.fromarray(COLOUR).convert("L").convert(mode).save(tmp_path / "a.tiff")
    assert read_picture(tmp_path / "a.tiff", 32, color=True).shape == (3, 32, 32)


@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [
        (50_000, 50_000, ".*2500000000 pixels"),
        (13_000, 13_000, "13000 x 13000 pixels; the most that is decoded is 67,108,864"),  # below Pillow's limit
        (8193, 8192, "8193 x 8192 pixels; the most that is decoded is 67,108,864"),
    ],
)
def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, recwarn, width, height, reason):
    (tmp_path / "big.png").write_bytes(png_of(width, height))
    with pytest.raises(InputError, match=f"big.png: {reason}"):
        read_picture(tmp_path / "big.png", 32, color=True)
    assert not recwarn.list


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_truncated_picture_is_refused(tmp_path, suffix):
    path = picture(tmp_path / f"a.{suffix}", COLOUR)
    data = path.read_bytes()
    for length in [0, 1, 10, *range(20, 3 * len(data) // 4, 97)]:
        path.write_bytes(data[:length])
        with pytest.raises(InputError, match=f"a.{suffix}: "):
            read_picture(path, 32, color=True)


def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "script.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")  # Pillow would start Ghostscript
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    for name, reason in ("text", "not an image"), ("script", "not an image"), ("folder", "not a file"), ("gone", "not a file"):
        with pytest.raises(InputError, match=f"{name}.png: {reason}"):
            read_picture(tmp_path / f"{name}.png", 32, color=True)


def test_pixels_of_unknown_scale_are_refused(tmp_path):
    Image.fromarray(np.ones((8, 8), np.float32)).save(tmp_path / "a.tiff")
    with pytest.raises(InputError, match="a.tiff: 32 bits per pixel"):
        read_picture(tmp_path / "a.tiff", 32, color=True)


def test_many_are_read_and_those_that_cannot_be_are_listed(tmp_path):
    paths = [picture(tmp_path / f"{k}.png", COLOUR ^ k) for k in range(4)]
    paths[1].write_bytes(b"")
    paths[3].write_text("no")
    x, kept, problems = read_pictures(paths, 32, color=True)
    assert np.array_equal(x, np.stack([COLOUR, COLOUR ^ 2]).transpose(0, 3, 1, 2)) and kept == [paths[0], paths[2]]
    assert [str(paths[1]) in problems[0], str(paths[3]) in problems[1], len(problems)] == [True, True, 2]
    assert read_pictures([], 28, color=False)[0].shape == (0, 1, 28, 28)


def test_without_test_images_a_fifth_of_each_class_is_held_out_the_same_each_time_with_its_copies(folder):
    shutil.rmtree(folder / "test")
    shutil.rmtree(folder / "unlabeled")
    shutil.copy(folder / "labeled/bee/10.png", folder / "labeled/bee/11.png")
    whole = {path.relative_to(folder).as_posix() for path in (folder / "labeled").rglob("*.png")}
    source = ImageFolder(str(folder))
    assert {*source.train_files} | {*source.test_files} == whole and len(source.train_files) + len(source.test_files) == len(whole)
    assert torch.bincount(source.test_y).tolist() in ([1, 2, 1], [1, 3, 1])  # three where one of the two alike was drawn
    assert {"labeled/bee/10.png", "labeled/bee/11.png"} & {*source.test_files} in (set(), {"labeled/bee/10.png", "labeled/bee/11.png"})
    assert [name.split("/")[1] for name in source.test_files] == [source.class_names[k] for k in source.test_y]
    assert all(torch.equal(read_picture(folder / name, 32, True), x) for name, x in zip(source.test_files, source.test_x, strict=True))
    assert source.notes == (f"{folder}: without test/ {len(source.test_y)} labelled images, a fifth of each class, are tested on alone",)
    assert source.sha256 == ImageFolder(str(folder)).sha256


def test_other_files_and_folders_are_no_misspelt_parts(folder):
    for part in "test", "unlabeled":
        shutil.rmtree(folder / part)
    for name in "labels", "rest", "test_old":
        (folder / name).mkdir()
    for name in "labeled.csv", "test.csv", "unlabeled.zip":
        (folder / name).write_text("")
    assert ImageFolder(str(folder)).num_examples == 18


def test_without_test_images_one_picture_of_a_class_is_refused(folder):
    shutil.rmtree(folder / "test")
    for path in sorted((folder / "labeled/ant").glob("*.png"))[1:]:
        path.unlink()
    with pytest.raises(InputError, match="has no test/, and one labelled image alone of ant; give at least two, one to test on"):
        ImageFolder(str(folder))
