"""How does an image file become a tensor? One file at a time, its size judged before it is decoded."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

from gan_sntg.core.errors import InputError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")  # all decoded by libraries; Pillow hands others, as EPS, to programs
MOST_PIXELS = 64_000_000


def load_image(path: Path, size: int, channels: int) -> Tensor:
    """The file's image as uint8 [channels, size, size]: the shorter side resized to `size` (bicubic), the longer cropped about its centre.

    channels: 1 for grey, 3 for colour; transparency is dropped, a photo turned as its camera says, of an animation the first
    image taken. Raises InputError with file and reason where it is not an image, has more than MOST_PIXELS, or is damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of sizes that are refused here
            return pil_to_tensor(_square(path, size, "L" if channels == 1 else "RGB"))
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is not an image of {', '.join(FORMATS)}; replace or remove it") from error
    except Exception as error:  # Pillow raises nearly anything on a damaged file
        reason = " ".join(str(error).split())[:150] or type(error).__name__
        raise InputError(f"{path} cannot be read as an image ({reason}); replace or remove it") from error


def _square(path: Path, size: int, mode: str) -> Image.Image:
    if not path.is_file():
        raise ValueError("there is no such file")
    with Image.open(path, formats=FORMATS) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"{image.width} x {image.height} pixels, more than {MOST_PIXELS:,}")
        if image.mode in ("I", "F"):
            raise ValueError("32 bits a channel, of unknown scale; save it with 8 or 16")
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I;16"):  # Pillow itself would clip these
            upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
        return ImageOps.fit(upright.convert(mode), (size, size), Image.Resampling.BICUBIC)
