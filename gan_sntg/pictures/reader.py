"""Reading of one picture file of any kind as a square of 8 bits."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
import torch
from einops import rearrange
from PIL import Image, ImageOps
from torch import Tensor

from gan_sntg.errors import InputError
from gan_sntg.pictures.scientific import check_size, dicom_shown, is_dicom

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")  # of a moving picture, the first frame
DEEP = 65535  # white of 16 bits, unless another is stated
TIFF_BITS, TIFF_PACKING, TIFF_WHITE_IS_ZERO, TIFF_PLANES, TIFF_EXTRA, TIFF_SIGNS = 258, 259, 262, 284, 338, 339  # tags
TIFF_KIND, REDUCED = 254, 1  # the tag of a page that is a smaller copy of another, and its bit
NonSquare = Literal["crop", "refuse"]
DARK = "of whose 16 bits only 0..{} are used: as 0..65535 nearly black"
REMEDY = "state the value that is white, {} perhaps, or 65535 if it is that dark, by {}; or save it with 8 bits, scaled"


class Stored(NamedTuple):
    """Facts of a file on its pixels, which is not known any more once they are decoded."""

    deep: bool  # 16 bits a channel, of unstated white
    white: int | None  # of grey pixels with more than 8 bits, where the file states it
    transparent: tuple[int, ...] | None  # the pixel value that is transparent, in a PNG or GIF without alpha and palette

    @classmethod
    def of(cls, image: Image.Image) -> Self:
        """Of an opened file. Raises ValueError where its pixels would be read as others."""
        tile = getattr(image, "tile", None)  # of files alone
        arguments = tile[0][3] if tile else ""
        raw, *more = arguments if isinstance(arguments, tuple) else (arguments,)
        deep = ";16" in str(raw)
        white = None
        if image.format == "TIFF":
            check_pages(image)
            deep, white = check_tiff(image)
        elif image.format == "PPM" and more and isinstance(more[0], int) and more[0] > 255:
            deep, white = more[0] == DEEP, None if more[0] == DEEP else DEEP  # Pillow scales by what the file states
        return cls(deep, white, transparent_value(image, str(raw)))


def check_tiff(image: Image.Image) -> tuple[bool, int | None]:
    """Whether a TIFF has 16 bits a channel; its white if it has 12. Raises ValueError for others."""
    tags = image.tag_v2  # pyright: ignore[reportAttributeAccessIssue]
    bits = max(tags.get(TIFF_BITS, (1,)))
    if 2 in tags.get(TIFF_SIGNS, ()):
        raise ValueError("its pixels are signed whole numbers, of unknown scale; save it with 8 or 16 bits without sign")
    if bits == 16 and tags.get(TIFF_WHITE_IS_ZERO) == 0:
        raise ValueError("16 bits per pixel of which 0 is white, which is not read; save it with 0 as black")
    if tags.get(TIFF_PLANES) == 2 and tags.get(TIFF_PACKING) == 1 and (bits == 16 or 1 in tags.get(TIFF_EXTRA, ())):
        raise ValueError("a TIFF that holds channel by channel, with 16 bits or premultiplied, which is not read; save it pixel by pixel")
    return bits == 16, 2**bits - 1 if 8 < bits < 16 else None


def transparent_value(image: Image.Image, raw: str) -> tuple[int, ...] | None:
    """The value of transparent pixels as decoded. Raises ValueError where decoding loses it."""
    value = image.info.get("transparency")
    if value is None or image.mode not in ("1", "L", "RGB", "I;16"):
        return None
    if raw.startswith("RGB;16"):
        raise ValueError("16 bits per channel and a transparent colour, of which 8 are decoded; save it with 8, or an alpha channel")
    values = value if isinstance(value, tuple) else (value,)
    if image.mode == "I;16":
        return values
    bits = int(raw[2:]) if raw in ("L;2", "L;4") else 8
    return tuple((v % 2**bits) * 255 // (2**bits - 1) for v in values)


def check_pages(image: Image.Image) -> None:
    """Raise ValueError where a TIFF has a second page that is no smaller copy of the first."""
    if (pages := getattr(image, "n_frames", 1)) > 1:
        image.seek(1)
        smaller = image.tag_v2.get(TIFF_KIND, 0) & REDUCED  # pyright: ignore[reportAttributeAccessIssue]
        image.seek(0)
        if not smaller:
            raise ValueError(f"a TIFF of {pages} pages; add --data.range to have them as channels, or save one of them")


def check_square(width: int, height: int, non_square: NonSquare) -> None:
    """Raise ValueError where a picture is not square, but has to be."""
    if non_square == "refuse" and width != height:
        raise ValueError(f"{width} x {height} pixels, not square; make it square, or add --data.non_square crop for its centre")


@dataclass(frozen=True)
class PictureReader:
    """Reading of pictures as images uint8 [3 or 1, size, size].

    An image is the centre of a picture, upright, resized (bicubic) and opaque. What is transparent shows `background`, a grey value;
    255 is white. `white` is the value of 16-bit pixels that becomes 255; where it is None, 65535, and a picture that uses no value
    above 32767 is refused. `reading` 1 is that of runs of before: alpha is dropped, 16 bits are 0..65535, and no JPEG is decoded at
    less than its full size, as 2 does where that is still twice what is needed.
    """

    size: int
    color: bool
    background: int = 255
    white: int | None = None
    reading: Literal[1, 2] = 2
    non_square: NonSquare = "crop"

    def __post_init__(self):
        for name, most in ("background", 255), ("white", DEEP):
            value, least = getattr(self, name), int(name == "white")
            if value is not None and not least <= value <= most:
                raise InputError(f"{name} is {value}; give a whole number in {least}..{most}")

    @property
    def mode(self) -> str:
        """Pillow's name of the kind."""
        return "RGB" if self.color else "L"

    @property
    def dtype(self) -> torch.dtype:
        """Of an image's values."""
        return torch.uint8

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an image."""
        return len(self.mode), self.size, self.size

    def decoded(self, path: Path) -> tuple[Tensor, int]:
        """The image, and how many bits a picture of 16 uses, else 0. Raises InputError."""
        try:
            if not path.is_file():
                raise ValueError("not a file")
            square, bits = self._square(path)
            return rearrange(torch.from_numpy(np.array(square)), "h w c -> c h w" if self.color else "h w -> 1 h w"), bits
        except Exception as error:  # a decoder of foreign bytes may fail in any way, and whichever it is, the file and it are named
            reason = "not an image, or of a kind that is not read" if isinstance(error, Image.UnidentifiedImageError) else error
            raise InputError(f"{path}: {reason}") from error

    def _square(self, path: Path) -> tuple[Image.Image, int]:
        if self.reading > 1 and is_dicom(path):
            return self._fitted(dicom_shown(path).convert(self.mode)), 0
        with Image.open(path, formats=FORMATS) as image:
            check_size(*image.size)
            stored = Stored.of(image) if self.reading > 1 else Stored(False, DEEP, None)
            if image.mode == "F" or image.mode == "I" and (image.format != "PPM" or self.reading == 1):
                raise ValueError("32 bits per pixel, of unknown scale; save it with 8 or 16")
            if self.reading > 1:
                image.draft(None, (2 * self.size, 2 * self.size))
            ImageOps.exif_transpose(image, in_place=True)
            image.load()
        picture, alpha, bits = self._grey(image, stored) if image.mode.startswith("I") else self._colored(image, stored)
        del image
        if alpha is not None and alpha.getextrema() != (255, 255):
            ground = Image.new(self.mode, picture.size, (self.background,) * len(self.mode) if self.color else self.background)
            ground.paste(picture, mask=alpha)
            picture = ground
        return self._fitted(picture), bits

    def _fitted(self, picture: Image.Image) -> Image.Image:
        """The centre of a picture, resized."""
        check_square(*picture.size, self.non_square)
        return ImageOps.fit(picture, (self.size, self.size), Image.Resampling.BICUBIC)

    def _grey(self, image: Image.Image, stored: Stored) -> tuple[Image.Image, Image.Image | None, int]:
        """A picture of more than 8 bits in our mode, its alpha if any, and the bits it uses if it has 16."""
        pixels, white = np.asarray(image).astype(np.uint32), stored.white or self.white or DEEP
        if (most := int(pixels.max())) > white:
            raise ValueError(f"it holds values up to {most}, more than the {white} that is stated as white; state a larger one")
        alpha = key_alpha(image, stored.transparent)
        pixels *= 256
        pixels //= white + 1
        return Image.fromarray(pixels.astype(np.uint8)).convert(self.mode), alpha, max(1, most.bit_length()) if stored.deep else 0

    def _colored(self, image: Image.Image, stored: Stored) -> tuple[Image.Image, Image.Image | None, int]:
        """As `_grey`, of 8 bits a channel, or the upper 8 of 16, which are all that Pillow decodes."""
        if stored.deep and self.white not in (None, DEEP):
            raise ValueError(f"16 bits per channel, of which the upper 8 are decoded, so that {self.white} cannot be white; save it with 8")
        bits = 0
        if stored.deep:
            colors = [band for name, band in zip(image.getbands(), image.split(), strict=True) if name not in "Aa"]
            bits = 8 + max(int(np.asarray(band).max()) for band in colors).bit_length()
        if image.mode in ("La", "RGBa"):
            image = image.convert(image.mode.upper())
        alpha = None if self.reading == 1 else alpha_of(image, stored.transparent)
        return (image.convert("RGB") if image.mode == "LAB" else image).convert(self.mode), alpha, bits


def alpha_of(image: Image.Image, transparent: tuple[int, ...] | None) -> Image.Image | None:
    """Alpha, 255 where opaque, of a picture of 8 bits a channel; None where it has none."""
    if transparent is not None:
        return key_alpha(image, transparent)
    if not image.has_transparency_data:
        return None
    return image.getchannel("A") if "A" in image.getbands() else image.convert("RGBA").getchannel("A")


def key_alpha(image: Image.Image, transparent: tuple[int, ...] | None) -> Image.Image | None:
    """Alpha of a picture in which one value is transparent."""
    if transparent is None:
        return None
    pixels = np.asarray(image.convert("L") if image.mode == "1" else image)
    same = (pixels.reshape(*pixels.shape[:2], -1) == transparent).all(2)
    return Image.fromarray(np.where(same, 0, 255).astype(np.uint8))
