"""Reading of pictures as measured values, of the depth and channels of their files."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from gan_sntg.errors import InputError
from gan_sntg.pictures.pixels import Depth
from gan_sntg.pictures.reader import FORMATS, NonSquare, Stored, alpha_of, check_square
from gan_sntg.pictures.scientific import (
    MOST_CHANNELS,
    ORIENTATION,
    SAVE,
    as_values,
    check_size,
    dicom_values,
    is_dicom,
    kept,
    tiff_values,
    turned,
)

TIFF_STARTS = b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"
NUMPY_START = b"\x93NUMPY"


def values_of(path: Path) -> np.ndarray:
    """Values of a file's pixels [C, H, W], uint8, uint16 or float32, as stored and upright.

    Raises any error, a ValueError with the reason where they are no measured values: transparent, of a palette, of several moments.
    """
    with path.open("rb") as file:
        start = file.read(8)
    if start[:4] in TIFF_STARTS:
        return tiff_values(path)
    if start.startswith(NUMPY_START):
        return as_values(np.load(path, mmap_mode="r", allow_pickle=False))
    return dicom_values(path) if is_dicom(path) else picture_values(path)


def picture_values(path: Path) -> np.ndarray:
    """As `values_of`, of a file that Pillow reads: grey or RGB, of 8 bits, or 16 in a PNG."""
    with Image.open(path, formats=FORMATS) as image:
        check_size(*image.size)
        if (frames := getattr(image, "n_frames", 1)) > 1:
            raise ValueError(f"a moving picture of {frames} frames; save single ones")
        stored, orientation = Stored.of(image), image.getexif().get(ORIENTATION, 1)
        if stored.white is not None:
            raise ValueError("a PPM whose white is neither 255 nor 65535, which is scaled when it is read; save it as PNG or TIFF")
        image.load()
    if image.mode not in ("1", "L", "RGB", "LA", "RGBA", "I;16") and not (image.mode == "I" and image.format == "PPM"):
        raise ValueError(f"a picture of the mode {image.mode}, whose numbers are no brightness; {SAVE}, without palette")
    if image.mode[0] != "I" and (alpha := alpha_of(image, stored.transparent)) is not None and alpha.getextrema() != (255, 255):
        raise ValueError(f"a transparent picture, whose hidden values mean nothing; {SAVE}, without transparency")
    if image.mode[0] == "I" and stored.transparent is not None:
        raise ValueError(f"a picture in which one value is transparent; {SAVE}, without transparency")
    if stored.deep and image.mode in ("LA", "RGB", "RGBA"):
        x = deep_png(path) if image.format == "PNG" else None
        if x is None:
            raise ValueError(f"16 bits per channel in {image.format}, of which 8 are decoded; save it as TIFF or PNG")
    else:
        bands = image.convert({"1": "L", "LA": "L", "RGBA": "RGB"}.get(image.mode, image.mode))
        x = np.asarray(bands)
        x = np.moveaxis(x, 2, 0) if x.ndim == 3 else x[None]
        x = x.astype(np.uint16) if image.mode[0] == "I" else x
    return turned(kept(x), orientation if orientation in range(1, 9) else 1)


def deep_png(path: Path) -> np.ndarray:
    """Grey or colours of a PNG of 16 bits, uint16 [1 or 3, H, W], without alpha."""
    from torchvision.io import ImageReadMode, decode_png  # noqa: PLC0415

    x = decode_png(torch.from_numpy(np.fromfile(path, np.uint8)), ImageReadMode.UNCHANGED).numpy()
    return x[: 1 if len(x) < 3 else 3]


def squared(x: np.ndarray, size: int) -> np.ndarray:
    """The centre of values [C, H, W] at size x size, bicubic.

    Each channel stays within its own least and greatest value. Values that are of that size already are themselves.
    """
    side = min(x.shape[1:])
    top, left = ((length - side) // 2 for length in x.shape[1:])
    x = x[:, top : top + side, left : left + side]
    if side == size:
        return np.ascontiguousarray(x)
    planes = [ImageOps.fit(Image.fromarray(plane.astype(np.float32)), (size, size), Image.Resampling.BICUBIC) for plane in x]
    resized = np.stack([np.clip(np.asarray(plane), own.min(), own.max()) for plane, own in zip(planes, x, strict=True)])
    return resized if x.dtype == np.float32 else resized.round().astype(x.dtype)


@dataclass(frozen=True)
class MeasuredReader:
    """Reading of pictures as images [channels, size, size] of the values and the depth of their files.

    An image is the centre of a picture, upright, resized (bicubic). Pictures of other channels, or of another depth, are refused.
    """

    size: int
    channels: int
    depth: Depth
    non_square: NonSquare = "crop"
    white: ClassVar[None] = None
    background: ClassVar[int] = 255
    reading: ClassVar[Literal[3]] = 3

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an image."""
        return self.channels, self.size, self.size

    @property
    def dtype(self) -> torch.dtype:
        """Of an image."""
        return getattr(torch, self.depth)

    def decoded(self, path: Path) -> tuple[Tensor, int]:
        """The image, and 0. Raises InputError."""
        try:
            if not path.is_file():
                raise ValueError("not a file")
            x = values_of(path)
            check_square(x.shape[2], x.shape[1], self.non_square)
            if len(x) != self.channels or x.dtype != self.depth:
                raise ValueError(f"{kind_of(x)}, where others have {self.channels} of {self.depth}; save all alike")
            return torch.from_numpy(squared(x, self.size)), 0
        except Exception as error:  # a decoder of foreign bytes may fail in any way, and whichever it is, the file and it are named
            reason = "not an image, or of a kind that is not read" if isinstance(error, Image.UnidentifiedImageError) else error
            raise InputError(f"{path}: {reason}") from error


def kind_of(x: np.ndarray) -> str:
    """How many channels values [C, H, W] have, and of which depth."""
    return f"{len(x)} channel{'s' * (len(x) > 1)} of {x.dtype}"


def measured_reader(paths: Iterable[Path], size: int, non_square: NonSquare, where: str) -> MeasuredReader:
    """The reader of pictures like the first that can be read. Raises InputError where none can."""
    problem = f"{where} holds no picture"
    for path in paths:
        try:
            x = values_of(path)
        except Exception as error:  # as in `decoded`
            problem = f"{path}: {error}"
            continue
        if len(x) > MOST_CHANNELS:
            raise InputError(f"{path}: {len(x)} channels; the most that are read is {MOST_CHANNELS}")
        return MeasuredReader(size, len(x), str(x.dtype), non_square)  # pyright: ignore[reportArgumentType]
    raise InputError(f"{where}: none of its pictures can be read as measured values; the last: {problem}")
