"""How does an image file of any kind and size become a tensor? Checked before it is decoded, then resized and cropped."""

import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from gan_sntg.core.errors import InputError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")  # of a moving picture, the first frame
MOST_PIXELS = 2**26


class UnreadablePicture(InputError):
    """One file that is no image that can be used. The message names it and the reason."""


def read_picture(path: Path, size: int, color: bool) -> Tensor:
    """uint8 [3 or 1, size, size]: the shorter side resized to `size` (bicubic), then the centre; upright, without transparency.

    Raises UnreadablePicture where the file is not an image of FORMATS, is damaged, or has more than MOST_PIXELS.
    """
    try:
        if not path.is_file():
            raise ValueError("not a file")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own limits; ours is lower
            return _decode(path, size, color)
    except Exception as error:  # a decoder of foreign bytes may fail in any way, and whichever it is, the file and it are named
        reason = "not an image, or of no kind that is read" if isinstance(error, Image.UnidentifiedImageError) else error
        raise UnreadablePicture(f"{path}: {reason}") from error


def _decode(path: Path, size: int, color: bool) -> Tensor:
    with Image.open(path, formats=FORMATS) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"{image.width} x {image.height} pixels; the most that is decoded is {MOST_PIXELS:,} in all")
        if image.mode in ("I", "F"):
            raise ValueError("32 bits a pixel, of unknown scale; save it with 8 or 16")
        upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):  # Pillow itself would clip these
        upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    square = ImageOps.fit(upright.convert("RGB" if color else "L"), (size, size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(square)).view(size, size, -1).permute(2, 0, 1)


def read_pictures(paths: list[Path], size: int, color: bool) -> tuple[Tensor, list[Path], list[str]]:
    """Those of `paths` that can be read, as uint8 [n, C, size, size] and n paths, and for each of the others why not."""
    images, kept, problems = [], [], []
    for path in paths:
        try:
            images.append(read_picture(path, size, color))
            kept.append(path)
        except UnreadablePicture as error:
            problems.append(str(error))
    return torch.stack(images) if images else torch.empty(0, 3 if color else 1, size, size, dtype=torch.uint8), kept, problems
