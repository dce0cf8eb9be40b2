"""Values of pixels as files store them: TIFF, DICOM, PNG of 16 bits and arrays; writing of TIFF."""

import io
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from gan_sntg.errors import InputError

MOST_CHANNELS, MOST_PIXELS, MOST_VALUES = 512, 2**26, 2**28  # of a picture that is decoded
EXACT = 2**24  # whole numbers up to it are float32's too
ORIENTATION = 274  # the tag of TIFF and EXIF
PAGES = "IQ"  # axes of tifffile that are pages of no stated meaning
SAVE = "save it as grey or RGB"


def library(name: str, wanted_by: str) -> Any:
    """A package of the extra [images]. Raises ValueError where it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ValueError(f"{wanted_by} needs the package {name}: pip install 'gan-sntg[images]'") from error


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM, by what is in it, or by its name where that says nothing."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM" or path.suffix.lower() in (".dcm", ".dicom")


def check_size(width: int, height: int) -> None:
    """Raise ValueError where a picture of so many pixels is not decoded."""
    if width * height > MOST_PIXELS:
        raise ValueError(f"{width} x {height} pixels; the most that is decoded is {MOST_PIXELS:,} in all")


def as_values(x: np.ndarray) -> np.ndarray:
    """[H, W], or [C, H, W] or [H, W, C], as [C, H, W] of a type that is kept. Raises ValueError."""
    if x.ndim == 3:
        try:
            x = np.moveaxis(x, channel_axis(x.shape), 0)
        except ValueError as error:
            raise ValueError(f"{error}; save it as [C, H, W] of a square") from error
    elif x.ndim != 2:
        raise ValueError(f"an array {list(x.shape)}; give [H, W], [C, H, W] or [H, W, C]")
    return kept(x if x.ndim == 3 else x[None])


def channel_axis(shape: tuple[int, ...], channels: str | None = None) -> int:
    """The axis of channels in the shape of an image: 0 or 2. Raises ValueError where either could be it."""
    if channels:
        return {"first": 0, "last": 2}[channels]
    few = [axis for axis in (0, 2) if shape[axis] in (1, 3)]
    odd = [axis for axis in (0, 2) if shape[axis] != shape[1] and shape[2 - axis] == shape[1]]  # the other two are a square
    found = few if len(few) == 1 else odd
    if len(found) != 1:
        raise ValueError(f"the shape {list(shape)} does not tell channels from height and width")
    return found[0]


def kept(x: np.ndarray) -> np.ndarray:
    """Values as uint8, uint16 or float32. Raises ValueError where float32 does not hold them."""
    if x.dtype in (np.uint8, np.uint16):
        return np.ascontiguousarray(x, x.dtype.newbyteorder("="))
    if x.dtype.kind not in "iuf":
        raise ValueError(f"its values are {x.dtype}, which are no measured values; save whole or real numbers")
    if x.dtype.kind in "iu" and x.size and max(-int(x.min()), int(x.max())) > EXACT:
        raise ValueError(f"its values reach {max(-int(x.min()), int(x.max())):,}, more than {EXACT:,}, which float32 does not tell apart")
    x = np.ascontiguousarray(x, np.float32)
    if not np.isfinite(x).all():
        raise ValueError("it holds NaN or infinite values; replace them")
    return x


def turned(x: np.ndarray, orientation: int) -> np.ndarray:
    """Values [C, H, W] as they are upright, by the orientation 1 to 8 of TIFF and EXIF."""
    x = np.swapaxes(x, 1, 2) if orientation in (5, 6, 7, 8) else x
    x = x[:, :, ::-1] if orientation in (2, 3, 6, 7) else x
    return x[:, ::-1] if orientation in (3, 4, 7, 8) else x


def tiff_values(path: Path) -> np.ndarray:
    """Values [C, H, W] of a TIFF, upright: pages, channels or samples; depth and time are refused.

    Raises any error, a ValueError with the reason where they are no measured values.
    """
    with library("tifffile", "TIFF").TiffFile(path) as file:
        series = file.series
        if len(series) != 1:
            kinds = ", ".join(f"{one.axes} {list(one.shape)}" for one in series[:5])
            raise ValueError(f"a TIFF of {len(series)} images that are not alike ({kinds}); save one of them")
        page, axes, shape = series[0].keyframe, series[0].axes, series[0].shape
        if page.photometric.name not in ("MINISBLACK", "RGB"):
            raise ValueError(f"a TIFF of {page.photometric.name}, whose numbers are no brightness; {SAVE}, 0 as black")
        if page.extrasamples and page.photometric.name == "RGB":
            raise ValueError("an RGB TIFF with transparency, or more than three samples per pixel; save it without, or page by page")
        more = [axis for axis, size in zip(axes, shape, strict=True) if axis not in "YX" and size > 1]
        if unknown := [axis for axis in more if axis not in ("C", "S", *PAGES)]:
            raise ValueError(
                f"a TIFF with the axes {axes} {list(shape)}: {', '.join(unknown)} (depth or time) are no channels; save single planes"
            )
        if len(more) > 1:
            raise ValueError(f"a TIFF with the axes {axes} {list(shape)}: {' and '.join(more)} cannot both be channels; save one")
        if (values := prod(shape)) > MOST_VALUES:
            raise ValueError(f"a TIFF of {values:,} values; the most that are read are {MOST_VALUES:,}: save it smaller")
        x = series[0].asarray()
        order = [axes.index(axis) for axis in (*more, "Y", "X")]
        rest = tuple(set(range(x.ndim)) - set(order))
        x = x.transpose(*rest, *order).reshape([shape[axis] for axis in order])
        tag = page.tags.get(ORIENTATION)
    return turned(kept(x if x.ndim == 3 else x[None]), int(tag.value) if tag else 1)


def tiff(image: Tensor) -> bytes:
    """An image [C, H, W] of any depth as the bytes of a TIFF. Raises InputError without the package."""
    try:
        written = library("tifffile", "writing images of more than 8 bits, or other than 1 or 3 channels")
    except ValueError as error:
        raise InputError(f"{error}; or give --kind npz") from error
    buffer, x = io.BytesIO(), image.cpu().numpy()
    written.imwrite(buffer, x[0] if len(x) == 1 else x, photometric="minisblack", metadata={"axes": "YX" if len(x) == 1 else "CYX"})
    return buffer.getvalue()


def _opened(path: Path) -> tuple[Any, np.ndarray]:
    """A DICOM file of one frame, and its stored values [H, W] or [H, W, 3]. Raises ValueError for others."""
    data = library("pydicom", "DICOM").dcmread(path)
    check_size(int(data.Columns), int(data.Rows))
    if (frames := int(data.get("NumberOfFrames") or 1)) > 1:
        raise ValueError(f"a DICOM of {frames} frames, a volume or a film; save single frames")
    if data.PhotometricInterpretation not in ("MONOCHROME1", "MONOCHROME2", "RGB"):
        raise ValueError(f"a DICOM of {data.PhotometricInterpretation}, whose numbers are no brightness; {SAVE}")
    return data, data.pixel_array


def _ends(data: Any) -> tuple[int, int]:
    """The least and the greatest number that a DICOM's stored bits hold."""
    bits = int(data.BitsStored)
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if data.PixelRepresentation else (0, 2**bits - 1)


def dicom_values(path: Path) -> np.ndarray:
    """Values [C, H, W] of a DICOM by its modality's table or slope; MONOCHROME1 is mirrored before.

    Raises any error, a ValueError with the reason where they are no measured values.
    """
    data, stored = _opened(path)
    if stored.ndim == 3:
        return kept(np.moveaxis(stored, 2, 0))
    if data.PhotometricInterpretation == "MONOCHROME1":
        stored = sum(_ends(data)) - stored.astype(np.int64)
    return np.asarray(import_module("pydicom.pixels").apply_modality_lut(stored, data), np.float32)[None]


def dicom_shown(path: Path) -> Image.Image:
    """A DICOM as it is shown: by its window, or all that its bits hold; MONOCHROME1 is mirrored."""
    data, stored = _opened(path)
    if stored.ndim == 3:
        if stored.dtype != np.uint8:
            raise ValueError("a DICOM in colour of more than 8 bits; add --data.range to keep its values")
        return Image.fromarray(stored)
    pixels = import_module("pydicom.pixels")
    values = pixels.apply_voi_lut(pixels.apply_modality_lut(stored, data), data).astype(np.float64)
    low, high = sorted(float(pixels.apply_modality_lut(np.array([end]), data)[0]) for end in _ends(data))
    for table in ("ModalityLUTSequence", "VOILUTSequence"):  # whose values have bits of their own
        if table in data:
            low, high = 0.0, 2.0 ** int(data[table][0].LUTDescriptor[2]) - 1
    levels = np.clip((values - low) * (255 / (high - low)), 0, 255).round().astype(np.uint8)
    return Image.fromarray(255 - levels if data.PhotometricInterpretation == "MONOCHROME1" else levels)
