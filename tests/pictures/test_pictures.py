"""What a picture shows is what is read: of every mode, depth, alpha, format and turn, or it is refused for its true reason."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.data_files import picture
from helpers.picture_cases import FAMILIES, shown
from PIL import Image, ImageOps

from gan_sntg.errors import InputError
from gan_sntg.pictures import decode as decoding
from gan_sntg.pictures import read_picture, read_pictures, reader
from gan_sntg.pictures.decode import decode
from gan_sntg.pictures.reader import PictureReader

G = np.random.default_rng(0)
CASES = int(os.environ.get("GAN_SNTG_CASES", 225))


def fault(path, seed: int) -> str:
    """What is wrong with the reading of a picture that is drawn at random, if anything."""
    g = np.random.default_rng([7, seed])
    family = FAMILIES[seed % len(FAMILIES)]
    made, color, background = family(g), bool(g.integers(2)), int(g.integers(0, 256))
    path.write_bytes(made.data)
    try:
        x = read_picture(path, 28, color, background).numpy().astype(float)
    except InputError as error:
        return "" if made.refused and made.refused in str(error) else f"{family.__name__} {seed}: refused: {error}, not {made.refused!r}"
    if made.refused:
        return f"{family.__name__} {seed}: read, though {made.refused}"
    apart = np.abs(x - shown(made, color, background)).max()
    return "" if apart <= made.near + 0.5 * (not color) else f"{family.__name__} {seed}: apart by {apart}"


def test_a_picture_is_read_as_it_is_seen_or_refused_for_its_true_reason(tmp_path):
    assert [text for text in (fault(tmp_path / "picture", seed) for seed in range(CASES)) if text] == []


def drawing(value: int) -> np.ndarray:
    """A stroke of a value on transparent ground, in grey with alpha."""
    x = np.zeros((64, 64, 2), np.uint8)
    x[10:50, 30:38] = value, 255
    return x


@pytest.mark.parametrize(
    ("name", "mode"),
    [*[(name, "RGBA") for name in ("a.png", "a.gif", "a.tiff", "a.webp")], ("a.png", "LA"), ("a.tiff", "LA"), ("a.png", "P")],
)
def test_what_is_transparent_shows_a_white_ground_and_hides_its_colour(tmp_path, name, mode):
    dark = Image.fromarray(drawing(0), "LA").convert("RGBA").convert(mode)
    dark.save(tmp_path / name)
    x = read_picture(tmp_path / name, 32, color=True)
    assert x.min() < 60 and x.max() == 255 and (x[:, :4] > 250).all()


def test_a_hidden_colour_is_not_seen_and_the_ground_can_be_another(tmp_path):
    seen, other = Image.fromarray(drawing(255), "LA").convert("RGBA"), Image.fromarray(drawing(255), "LA").convert("RGBA")
    hidden = np.array(other)
    hidden[hidden[..., 3] == 0, :3] = 240, 30, 10
    seen.save(tmp_path / "a.png")
    Image.fromarray(hidden).save(tmp_path / "b.png")
    for background in 255, 0, 90:
        x, y = (read_picture(tmp_path / name, 32, color=True, background=background) for name in ("a.png", "b.png"))
        assert torch.equal(x, y) and (x[:, 0] == background).all()
    with pytest.raises(InputError, match="background is 256; give a whole number in 0..255"):
        read_picture(tmp_path / "a.png", 32, color=True, background=256)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 15])
def test_sixteen_bits_of_which_fewer_are_used_are_scaled_as_stated_or_refused(tmp_path, bits):
    values = np.linspace(0, 2**bits - 1, 1024).round().astype(np.uint16).reshape(32, 32)
    path = picture(tmp_path / "a.png", values)
    with pytest.raises(InputError, match=rf"a.png: .*16 bits only 0..{2**bits - 1} are used.*white, {2**bits - 1} perhaps, or 65535"):
        read_picture(path, 32, color=False)
    x = read_picture(path, 32, color=False, white=2**bits - 1)
    assert np.array_equal(x[0], values >> (bits - 8)) and x.max() == 255
    assert np.array_equal(read_picture(path, 32, color=False, white=65535)[0], values >> 8)
    with pytest.raises(InputError, match=f"values up to {2**bits - 1}, more than the 200 that is stated as white"):
        read_picture(path, 32, color=False, white=200)


@pytest.mark.parametrize("white", [0, 65536, -1])
def test_a_white_that_16_bits_do_not_hold_is_refused(tmp_path, white):
    with pytest.raises(InputError, match=f"white is {white}; give a whole number in 1..65535"):
        PictureReader(32, True, white=white)


CAMERA = np.kron(G.integers(0, 256, (15, 20, 3)), np.ones((40, 40, 1))).astype(np.uint8)


@pytest.mark.parametrize(("size", "reduced"), [(28, 8), (32, 8), (48, 4), (64, 4)])
def test_a_large_jpeg_is_decoded_at_a_size_that_is_still_twice_what_is_needed(tmp_path, monkeypatch, size, reduced):
    path, seen = picture(tmp_path / "a.jpg", CAMERA, quality=95), []
    monkeypatch.setattr(reader.ImageOps, "fit", lambda image, *rest: seen.append(image.size) or fit(image, *rest))
    x = read_picture(path, size, color=True)
    assert seen == [(800 // reduced, 600 // reduced)]
    whole = PictureReader(size, True, reading=1).decoded(path)[0]
    assert (x.float() - whole.float()).abs().mean() < 4 and torch.equal(x, read_picture(path, size, color=True))


fit = ImageOps.fit


@pytest.mark.parametrize("shape", [(127, 127, 3), (32, 32, 3), (900, 100, 3), (5, 4, 3)])
def test_a_small_jpeg_is_decoded_whole(tmp_path, shape):
    path = picture(tmp_path / "a.jpg", G.integers(0, 256, shape, dtype=np.uint8))
    assert torch.equal(read_picture(path, 32, color=True), PictureReader(32, True, reading=1).decoded(path)[0])


def test_the_first_reading_is_that_of_runs_of_before(tmp_path):
    pixels = np.dstack([CAMERA[:32, :32], np.full((32, 32), 9, np.uint8)])
    old = PictureReader(32, True, reading=1)
    assert np.array_equal(old.decoded(picture(tmp_path / "a.png", pixels))[0], pixels[..., :3].transpose(2, 0, 1))
    dark = np.full((32, 32), 4095, np.uint16)
    assert (old.decoded(picture(tmp_path / "b.png", dark))[0] == 15).all()
    assert old.decoded(tmp_path / "b.png")[1] == 0


@pytest.fixture
def several(tmp_path, monkeypatch):
    """Nine files, the fourth no picture, the seventh of 12 bits in 16, in blocks of four that are all kept; a cache of their own."""
    monkeypatch.setattr(decoding, "BLOCK", 4)
    monkeypatch.setattr(decoding, "LARGE", 1)
    monkeypatch.setenv("GAN_SNTG_CACHE", str(tmp_path / "cache"))
    paths = [picture(tmp_path / f"{k}.png", CAMERA[: 40 + k, :50]) for k in range(9)]
    paths[3].write_text("none")
    picture(paths[6], np.full((30, 30), 4095, np.uint16))
    return paths


def test_pictures_are_decoded_once_and_kept_by_their_content(several, monkeypatch, tmp_path):
    seen, decoded = [], PictureReader.decoded
    monkeypatch.setattr(PictureReader, "decoded", lambda reader, path: seen.append(path) or decoded(reader, path))
    reader = PictureReader(32, True)
    first = decode(several, reader)
    assert sorted(seen) == sorted([*several, several[3]]) and len(list((tmp_path / "cache").iterdir())) == 3
    again = decode(several, reader)
    assert seen[10:] == [several[3]]  # for its reason
    assert torch.equal(first.x, again.x) and first[1:] == again[1:] and first.bits == [0, 0, 0, 0, 0, 12, 0, 0]
    for change in {"background": 0}, {"size": 28}, {"color": False}, {"reading": 1}:
        before = len(seen)
        decode(several, replace(reader, **change))
        assert len(seen) == before + 10
    before = len(seen)
    picture(several[8], CAMERA[:33, :50])  # the same name, another content
    assert not torch.equal(decode(several, reader).x, first.x) and seen[before:] == [several[3], several[8]]


@pytest.mark.parametrize("place", ["file/in/the/way", "damaged"])
def test_without_a_cache_pictures_are_read_all_the_same(several, monkeypatch, tmp_path, place):
    whole = decode(several, PictureReader(32, True))
    (tmp_path / "file").write_text("no folder")
    if place == "damaged":
        for path in (tmp_path / "cache").iterdir():
            path.write_bytes(path.read_bytes()[:100])
    else:
        monkeypatch.setenv("GAN_SNTG_CACHE", str(tmp_path / place))
    again = decode(several, PictureReader(32, True))
    assert torch.equal(whole.x, again.x) and whole[1:] == again[1:]


def test_small_files_are_not_kept(several, monkeypatch, tmp_path):
    monkeypatch.setattr(decoding, "LARGE", 2**20)
    decode(several, PictureReader(32, True))
    assert not (tmp_path / "cache").exists()


def test_several_threads_read_the_same_in_the_same_order(several, monkeypatch):
    monkeypatch.setattr(decoding, "LARGE", 2**30)
    alone = decode(several, PictureReader(32, True))
    names, decoded = set(), PictureReader.decoded
    monkeypatch.setattr(PictureReader, "decoded", lambda reader, path: names.add(threading.get_ident()) or decoded(reader, path))
    asked = []
    monkeypatch.setattr(decoding, "ThreadPoolExecutor", lambda n: asked.append(n) or ThreadPoolExecutor(n))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 40)
    together = decode(several, PictureReader(32, True))
    assert torch.equal(alone.x, together.x) and alone[1:] == together[1:] and asked == [8] and threading.get_ident() in names


def test_a_long_reading_says_how_far_it_is_and_a_short_one_nothing(several, monkeypatch, capsys):
    decode(several, PictureReader(32, True))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(decoding, "FIRST_SAID", 0.0)
    decode(several, PictureReader(28, True))
    assert capsys.readouterr().err.startswith("1 of 9 pictures read\n")


def test_each_picture_is_read_or_refused_as_if_it_were_alone(several):
    x, kept, problems = read_pictures(several, 32, color=True)
    assert kept == [path for k, path in enumerate(several) if k not in (3, 6)] and len(problems) == 2
    assert f"{several[3]}: not an image" in problems[0] and f"{several[6]}: a picture of whose 16 bits" in problems[1]
    assert torch.equal(x, torch.stack([read_picture(path, 32, color=True) for path in kept]))
