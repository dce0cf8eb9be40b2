"""Image files: every usual kind becomes the tensor it should, and what is none is refused by name and reason."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from gan_sntg.core.data.images import load_image
from gan_sntg.core.errors import InputError

PIXELS = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_an_image_of_the_right_size_keeps_every_pixel(tmp_path, kind):
    (tmp_path / "a").write_bytes(encoded(Image.fromarray(PIXELS), kind))
    x = load_image(tmp_path / "a", 32, 3)
    assert x.dtype == torch.uint8 and np.array_equal(x.permute(1, 2, 0), PIXELS)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF"])
def test_lossy_kinds_are_read_too(tmp_path, kind):
    (tmp_path / "a").write_bytes(encoded(Image.new("RGB", (40, 30), (200, 100, 50)), kind))
    x = load_image(tmp_path / "a", 16, 3).float()
    assert x.shape == (3, 16, 16) and (x.mean((1, 2)) - torch.tensor([200.0, 100.0, 50.0])).abs().max() < 4


def test_the_shorter_side_is_resized_and_the_longer_one_cropped_about_its_centre(tmp_path):
    stripes = np.repeat(np.arange(12, dtype=np.uint8) * 20, 4)  # 48 columns, 4 of each grey
    for name, pixels in (("wide", np.tile(stripes, (16, 1))), ("high", np.tile(stripes, (16, 1)).T)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    wide, high = load_image(tmp_path / "wide.png", 4, 1), load_image(tmp_path / "high.png", 4, 1)
    assert wide.shape == (1, 4, 4) and torch.equal(high, wide.transpose(1, 2))
    assert (wide[0, 0].float() - torch.tensor([80.0, 100, 120, 140])).abs().max() <= 5  # the middle 16 columns, bicubic


def test_colour_becomes_grey_and_grey_becomes_colour(tmp_path):
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "red.png")
    Image.new("L", (8, 8), 77).save(tmp_path / "grey.png")
    assert load_image(tmp_path / "red.png", 8, 1).unique().tolist() == [76]  # 0.299 of 255
    assert load_image(tmp_path / "grey.png", 8, 3).unique().tolist() == [77]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_8_bit_kind_of_pixel_is_read(tmp_path, mode, channels):
    Image.new("RGBA", (9, 7), (255, 255, 255, 0)).convert(mode).save(tmp_path / "a.png")
    assert load_image(tmp_path / "a.png", 8, channels).unique().tolist() == [255]


def test_16_bit_grey_is_scaled_down_not_clipped(tmp_path):
    Image.fromarray(np.full((4, 4), 200 * 256 + 7, np.uint16)).save(tmp_path / "a.png")
    assert load_image(tmp_path / "a.png", 4, 1).unique().tolist() == [200]


def test_a_photo_is_turned_as_its_camera_says(tmp_path):
    pixels = np.zeros((8, 8), np.uint8)
    pixels[0, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    assert load_image(tmp_path / "a.png", 8, 1)[0].nonzero().tolist() == [[0, 7]]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not an image"),
        (b"this is text", "not an image"),
        (b"PK\x03\x04" + bytes(100), "not an image"),
        (encoded(Image.fromarray(PIXELS), "JPEG")[:-200], "truncated"),
        (encoded(Image.fromarray(PIXELS), "PNG")[:1000], "truncated"),
        (encoded(Image.fromarray(PIXELS), "EPS"), "not an image"),
        (png_header(50_000, 50_000), "decompression bomb"),
        (png_header(10_000, 10_000), "10000 x 10000 pixels, more than 64,000,000"),
        (png_header(8000, 8001), "8000 x 8001 pixels"),
        (encoded(Image.fromarray(np.full((4, 4), 1000, np.int32)), "TIFF"), "32 bits"),
        (encoded(Image.fromarray(np.full((4, 4), 0.5, np.float32)), "TIFF"), "32 bits"),
    ],
    ids=["empty", "text", "zip", "half JPEG", "half PNG", "EPS", "2.5 G pixels", "100 M pixels", "64 M pixels", "32 bit", "float"],
)
@pytest.mark.filterwarnings("error")
def test_what_is_no_image_is_refused_by_name_and_reason(tmp_path, data, reason):
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(InputError, match=f"a.png.*{reason}.*replace or remove it"):
        load_image(tmp_path / "a.png", 32, 3)


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(png_header(8000, 8001))

    def decoded(*arguments):
        raise AssertionError("the pixels were decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decoded)
    with pytest.raises(InputError, match="8000 x 8001"):
        load_image(tmp_path / "a.png", 32, 3)


def test_a_thin_strip_is_not_blown_up_before_it_is_cropped(tmp_path, monkeypatch):
    Image.new("L", (20_000, 1), 9).save(tmp_path / "strip.png")
    sizes, resize = [], Image.Image.resize
    monkeypatch.setattr(
        Image.Image, "resize", lambda image, size, *rest, **named: sizes.append(size) or resize(image, size, *rest, **named)
    )
    assert load_image(tmp_path / "strip.png", 64, 1).unique().tolist() == [9] and sizes == [(64, 64)]


@pytest.mark.parametrize("name", ["none.png", "."])
def test_a_missing_file_or_a_folder_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="no such file"):
        load_image(tmp_path / name, 32, 3)


def test_every_single_broken_byte_gives_an_image_or_a_refusal(tmp_path):
    data = encoded(Image.fromarray(PIXELS[:6, :6]), "PNG")
    for k in range(len(data)):
        (tmp_path / "a.png").write_bytes(data[:k] + bytes([data[k] ^ 0x5A]) + data[k + 1 :])
        try:
            assert load_image(tmp_path / "a.png", 6, 3).shape == (3, 6, 6)
        except InputError as error:
            assert "a.png" in str(error)
