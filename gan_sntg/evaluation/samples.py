"""Samples of a generator: fixed z banks, grids, sheets, and files of many images."""

import io
from collections.abc import Callable, Iterable, Iterator
from math import ceil
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import numpy as np
import torch
from einops import rearrange, repeat
from PIL import Image
from torch import Tensor
from torch.nn import functional

from gan_sntg.data.normalization import Normalization
from gan_sntg.errors import InputError
from gan_sntg.files.atomic import atomic, atomic_folder, write_atomically
from gan_sntg.networks.batch_norm import fix_statistics
from gan_sntg.networks.gan import Generator
from gan_sntg.networks.passes import mode
from gan_sntg.pictures.pixels import Depth
from gan_sntg.pictures.scientific import tiff
from gan_sntg.rng import purpose_generator

BANK_SIZE = 500
MOST_PIXELS = 50_000_000  # of a sheet; viewers warn of more than 89 million
PADDING, GREY = 2, 128  # between the images of a grid
LINE = (255, 160, 0)  # told from the pixels on both sides of it, grey or not


def z_bank(latent: int, n: int, device: torch.device | str = "cpu", seed: int | None = None) -> Tensor:
    """The first n z [n, latent] of a list that all runs and devices share, or of one of a seed's own."""
    generator = torch.Generator().manual_seed(0) if seed is None else purpose_generator(seed, "sample")
    return torch.rand(n, latent, generator=generator).to(device)


def interpolate_z(ends: Tensor, steps: int) -> Tensor:
    """z [rows * steps, latent] at equal steps from z_2i to z_2i+1, both included, of [2 * rows, latent]."""
    first, last = rearrange(ends, "(rows two) latent -> two rows 1 latent", two=2)
    t = torch.linspace(0, 1, steps, device=ends.device)
    return rearrange(torch.lerp(first, last, rearrange(t, "steps -> 1 steps 1")), "rows steps latent -> (rows steps) latent")


def fix_on_bank(generator: Generator, device: torch.device | str = "cpu") -> None:
    """Make G's batch statistics in evaluation mode those of the first BANK_SIZE z of the bank."""
    fix_statistics(generator, z_bank(generator.latent, BANK_SIZE, device))


@torch.no_grad()
def draw_batches(generator: Generator, z: Tensor, normalization: Normalization, batch_size: int = 500) -> Iterator[Tensor]:
    """Yield images [b, C, H, W] of batches of z [n, latent], on the CPU, the same in any batch.

    G's batch statistics are first fixed on the bank of BANK_SIZE z; its training mode is left as it was.
    """
    fix_on_bank(generator, z.device)
    with mode(generator, training=False):
        for part in z.split(batch_size):
            yield normalization.images(generator(part)).cpu()


def draw(generator: Generator, z: Tensor, normalization: Normalization, batch_size: int = 500) -> Tensor:
    """All images of `draw_batches`, [n, C, H, W]."""
    return torch.cat(list(draw_batches(generator, z, normalization, batch_size)))


def grid(images: Tensor, columns: int = 10, scale: int = 1) -> Tensor:
    """One picture uint8 [3, H', W'] of images [n, C, H, W], `scale` times as large, framed unless n is 1."""
    large = repeat(images.expand(-1, 3, -1, -1), "n c h w -> n c (h vertical) (w horizontal)", vertical=scale, horizontal=scale)
    if len(large) == 1:
        return large[0]
    framed, columns = functional.pad(large, (PADDING, 0, PADDING, 0), value=GREY), min(columns, len(large))
    blank = framed.new_full((-len(framed) % columns, *framed.shape[1:]), GREY)
    sheet = rearrange(torch.cat([framed, blank]), "(row column) c h w -> c (row h) (column w)", column=columns)
    return functional.pad(sheet, (0, PADDING, 0, PADDING), value=GREY)


def stretched(x: Tensor) -> Tensor:
    """Normalised images [n, C, H, W] as uint8: the least value of each becomes 0, the greatest 255."""
    low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    return ((x - low) / (high - low).where(high > low, 1) * 255).round().to(torch.uint8)


def save_png(path: Path, image: Tensor) -> None:
    """Write a picture uint8 [3, H, W] as PNG, whole or not at all."""
    write_atomically(path, png(image))


def png(image: Tensor) -> memoryview:
    """An image uint8 [C, H, W], or uint16 [1, H, W], as the bytes of a PNG, grey where C is 1."""
    buffer = io.BytesIO()
    Image.fromarray(rearrange(image.cpu(), "c h w -> h w c").squeeze(2).numpy()).save(buffer, "PNG")
    return buffer.getbuffer()


def check_size(rows: int, columns: int, image_shape: tuple[int, ...], scale: int) -> None:
    """Raise InputError where a sheet of so many images [C, H, W] would be too large to look at."""
    height, width = (cells * (side * scale + PADDING) + PADDING for cells, side in zip((rows, columns), image_shape[1:], strict=True))
    if height * width > MOST_PIXELS:
        what = f"{rows:,} x {columns:,} images make a picture of {width:,} x {height:,} pixels"
        remedy = "give a smaller --n or --scale, or write them as --kind png or npz"
        raise InputError(f"{what}, more than the {MOST_PIXELS:,} that can be looked at; {remedy}")


def class_cells(images: Tensor, classes: Tensor, confidence: Tensor, num_classes: int) -> Tensor:
    """Cells uint8 [K, columns, C, H, W]: in row k those of class k, the most confident first, then grey."""
    order = confidence.argsort(descending=True, stable=True)
    rows = [order[classes[order] == k] for k in range(num_classes)]
    cells = torch.full((num_classes, max(map(len, rows)), *images.shape[1:]), GREY, dtype=torch.uint8)
    for row, members in zip(cells, rows, strict=True):
        row[: len(members)] = images[members]
    return cells


def neighbor_sheet(images: Tensor, real: Tensor, scale: int = 1) -> Tensor:
    """A picture uint8 [3, H', W'] of rows: images [n, C, H, W], a thin line, real [n, k, C, H, W]."""
    rows = torch.cat([rearrange(images, "n c h w -> n 1 c h w"), real], 1)
    picture = grid(rows.flatten(0, 1), rows.shape[1], scale)
    start = PADDING + images.shape[3] * scale
    picture[:, :, start : start + PADDING] = rearrange(torch.tensor(LINE, dtype=torch.uint8), "rgb -> rgb 1 1")
    return picture


def reconstruction_sheet(real: Tensor, made: Tensor, scale: int = 1) -> Tensor:
    """A picture uint8 [3, H', W'] of pairs of an image and its reconstruction, thin lines between pairs.

    real, made [n, C, H, W]; as many pairs a row as make it about as high as wide.
    """
    across = ceil((len(real) / 2) ** 0.5)
    picture = grid(rearrange([real, made], "two n c h w -> (n two) c h w"), 2 * across, scale)
    for k in range(1, min(across, len(real))):
        start = 2 * k * (PADDING + real.shape[3] * scale)
        picture[:, :, start : start + PADDING] = rearrange(torch.tensor(LINE, dtype=torch.uint8), "rgb -> rgb 1 1")
    return picture


def save_files(folder: Path, blocks: Iterable[Tensor]) -> None:
    """Write images [b, C, H, W] as sample_00000.png (or .tif) and so on; `folder` appears at the end.

    PNG holds 8 bits of 1 or 3 channels, and 16 of one; all else is TIFF. Raises InputError where that needs what is not installed.
    """
    with atomic_folder(folder) as temporary:
        for i, image in enumerate(image for block in blocks for image in block):
            whole = image.dtype == torch.uint8 and len(image) in (1, 3) or image.dtype == torch.uint16 and len(image) == 1
            (temporary / f"sample_{i:05d}.{'png' if whole else 'tif'}").write_bytes(png(image) if whole else tiff(image))


def save_npz(
    path: Path,
    blocks: Iterable[Tensor],
    shape: tuple[int, ...],
    z: Tensor,
    decide: Callable[[Tensor], tuple[Tensor, Tensor]],
    dtype: Depth = "uint8",
) -> None:
    """Write images [n, H, W, C], z float32 [n, latent], and classes and confidence [n] by `decide`.

    blocks: the images [b, C, H, W] of z, each `shape` [C, H, W] and of `dtype`, of which `decide` says both.
    """
    decisions = []
    with atomic(path) as file, ZipFile(file, "w") as archive:
        with archive.open(ZipInfo("images.npy"), "w", force_zip64=True) as entry:
            header = {
                "descr": np.lib.format.dtype_to_descr(np.dtype(dtype)),
                "fortran_order": False,
                "shape": (len(z), *shape[1:], shape[0]),
            }
            np.lib.format.write_array_header_1_0(entry, header)
            for block in blocks:
                entry.write(rearrange(block, "b c h w -> b h w c").contiguous().numpy().data)
                decisions.append(decide(block))
        classes, confidence = (torch.cat(parts) for parts in zip(*decisions, strict=True))
        for name, values in {"z": z, "classes": classes, "confidence": confidence}.items():
            with archive.open(ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, values.cpu().numpy(), allow_pickle=False)
