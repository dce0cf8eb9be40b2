"""Meaning of the numbers of pixels: black and white, depth, and how images are shown."""

from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import Literal, Self

import numpy as np
import torch
from torch import Tensor

from gan_sntg.errors import InputError
from gan_sntg.files.mapped import blocks, is_mapped, scratch

WHITE = 255  # of levels, whatever the depth of the data
PERCENTILES = 0.1, 99.9  # of the training images, that `fit` takes for black and white
MOST_SORTED = 2**24  # values of float images that are looked at for them
RANGES = "full (of the type), fit (percentiles of the training images), or LOW,HIGH, the values of black and white"
Depth = Literal["uint8", "uint16", "float32"]
WIDEST = {"uint8": 2**8 - 1, "uint16": 2**16 - 1}


@dataclass(frozen=True)
class PixelFormat:
    """Black and white of images, their depth, and which channels are shown.

    low, high: one for all channels, or one for each. display: the channels shown as red, green and blue, or one as grey; empty: the first
    three, or the only one. Levels are what all normalizations are of: 0 at `low`, 255 at `high`, clipped. Those of bytes of 0..255 are
    the bytes.
    """

    low: tuple[float, ...] = (0.0,)
    high: tuple[float, ...] = (255.0,)
    dtype: Depth = "uint8"
    display: tuple[int, ...] = ()

    def __post_init__(self):
        if len(self.low) != len(self.high) or not self.low:
            raise ValueError(f"{len(self.low)} values of black and {len(self.high)} of white: there is one pair, or one for each channel")
        for low, high in zip(self.low, self.high, strict=True):
            if not (isfinite(low) and isfinite(high) and low < high):
                raise ValueError(f"black is {low:g} and white {high:g}; black must be less, and both finite")
        if len(self.display) not in (0, 1, 3) or any(channel < 0 for channel in self.display):
            raise ValueError(f"display is {list(self.display)}; give one channel, or three, counted from 0")

    @property
    def plain(self) -> bool:
        """Whether levels are the numbers themselves, bytes of 0..255."""
        return self.dtype == "uint8" and self.low == (0,) and self.high == (WHITE,)

    def ends(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Black and white, float32 [1 or C, 1, 1]; made once, for a copy to a GPU waits for its work."""
        make = _ends.__wrapped__ if torch.compiler.is_compiling() else _ends  # what is traced is not to be kept
        return make(self, device)

    def levels(self, x: Tensor) -> Tensor:
        """Images [N, C, H, W] -> float32 levels."""
        x = x.to(torch.float32)
        if self.plain:
            return x
        low, high = self.ends(x.device)
        return ((x - low) * (WHITE / (high - low))).clamp(0, WHITE)

    def pixels(self, levels: Tensor) -> Tensor:
        """Images of the data's own depth, rounded and clipped, without gradient: the inverse of `levels`."""
        levels = levels.detach().clamp(0, WHITE)
        if self.plain:
            return levels.round().to(torch.uint8)
        low, high = self.ends(levels.device)
        x = torch.lerp(low, high, levels.to(torch.float32) / WHITE)
        return x if self.dtype == "float32" else x.round().clamp(0, WIDEST[self.dtype]).to(getattr(torch, self.dtype))

    def bytes(self, x: Tensor) -> Tensor:
        """Levels of images [N, C, H, W], rounded to uint8."""
        if self.plain:
            return x
        parts = (self.levels(block).round().to(torch.uint8) for block in blocks(x))
        return scratch(parts, tuple(x.shape), torch.uint8) if is_mapped(x) else torch.cat([x[:0].to(torch.uint8), *parts])

    def shown(self, x: Tensor) -> Tensor:
        """Images [N, C, H, W] as they are looked at: uint8 [N, 1 or 3, H, W]."""
        return self.chosen(self.bytes(x))

    def chosen(self, x: Tensor) -> Tensor:
        """The channels of images [N, C, H, W] that are shown: [N, 1 or 3, H, W]. Of two, as red and green."""
        channels = x.shape[1]
        if self.display:
            return x[:, [*self.display]]
        if channels == 2:
            return torch.cat([x, torch.zeros_like(x[:, :1])], 1)
        return x[:, :3]

    def check(self, channels: int, where: str) -> None:
        """Raise InputError where it does not fit images of so many channels."""
        if len(self.low) not in (1, channels):
            raise InputError(
                f"{where}: range has {len(self.low)} pairs of black and white for {channels} channels; give one, or one for each"
            )
        if wrong := [channel for channel in self.display if channel >= channels]:
            raise InputError(f"{where}: display names channel {wrong[0]}, but the images have {channels}, counted from 0; name others")

    @classmethod
    def of(cls, asked: str | None, x: Tensor, display: str | None = None, where: str = "") -> Self:
        """The format that is asked for (see RANGES) of training images.

        None is asked for bytes, and for 16 bits of which the last is used. x uint8, uint16 or float32 [N, C, H, W]. Raises InputError.
        """
        kind = str(x.dtype).removeprefix("torch.")
        low, high = cls._asked(asked, x, kind, where)
        if kind in WIDEST and asked not in ("full", "fit", None) and (low[0] < 0 or high[0] > WIDEST[kind]):
            raise InputError(f"{where}: range {asked} is not within 0..{WIDEST[kind]}, the values of {kind}; give another")
        channels = _numbers(display, int, "display", "the channels shown as red, green and blue, or one, as 3,2,1") if display else ()
        try:
            found = cls(low, high, kind, channels)  # pyright: ignore[reportArgumentType]
        except ValueError as error:
            raise InputError(f"{where}: {error}") from error
        found.check(x.shape[1], where)
        return found

    @staticmethod
    def _asked(asked: str | None, x: Tensor, kind: str, where: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
        if asked is None and kind != "uint8":
            most = x.numpy().max()
            if kind == "float32" or most <= WIDEST[kind] // 2:
                used = f"values of {x.numpy().min():g} to {most:g}"
                raise InputError(
                    f"{where}: the images are {kind} with {used}, of which nothing says what is black and white; add range: {RANGES}"
                )
        if asked in ("full", None):
            if kind not in WIDEST:
                raise InputError(f"{where}: range full is that of whole numbers, but the images are {kind}; give range fit, or LOW,HIGH")
            return (0.0,), (float(WIDEST[kind]),)
        if asked == "fit":
            return percentiles(x, where)
        ends = _numbers(asked, float, "range", RANGES)
        if len(ends) != 2:
            raise InputError(f"{where}: range is {asked!r}; give {RANGES}")
        return ends[:1], ends[1:]


@lru_cache
def _ends(pixels: PixelFormat, device: torch.device) -> tuple[Tensor, Tensor]:
    low, high = (torch.tensor(values, device=device).view(-1, 1, 1) for values in (pixels.low, pixels.high))
    return low, high


def _numbers(text: str, kind: type, name: str, wanted: str) -> tuple:
    """Numbers between commas. Raises InputError for something else."""
    try:
        return tuple(kind(part) for part in str(text).strip("[]() ").split(","))
    except ValueError as error:
        raise InputError(f"{name} is {text!r}; give {wanted}") from error


def percentiles(x: Tensor, where: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Black and white of each channel: PERCENTILES of the values of x [N, C, H, W].

    Of whole numbers exactly; of more than MOST_SORTED float values of every k-th image. Raises InputError for a channel of one value.
    """
    every = -(-x.numel() // MOST_SORTED) if x.is_floating_point() else 1
    low, high = [], []
    for k in range(x.shape[1]):
        ends = np.percentile(x.numpy()[::every, k], PERCENTILES) if x.is_floating_point() else _of_counts(x, k)
        if not ends[0] < ends[1]:
            what = f"{where}: range fit finds black and white of channel {k} both at {ends[0]:g} ({PERCENTILES[0]} and {PERCENTILES[1]} %)"
            raise InputError(f"{what}; give range as LOW,HIGH, or leave that channel out")
        low.append(float(ends[0]))
        high.append(float(ends[1]))
    return tuple(low), tuple(high)


def _of_counts(x: Tensor, k: int) -> list[int]:
    """The least whole numbers of channel k that reach each of PERCENTILES."""
    counts = sum(np.bincount(block[:, k].numpy().reshape(-1), minlength=2**16) for block in blocks(x))
    share = np.cumsum(counts) / np.sum(counts)
    return [int(np.searchsorted(share, percent / 100)) for percent in PERCENTILES]


BYTES = PixelFormat()
