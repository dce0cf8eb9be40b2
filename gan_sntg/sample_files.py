"""How are many samples kept? As a folder of PNGs or as one .npz, written block by block, whole or not at all."""

from collections.abc import Callable, Iterable
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import numpy as np
import torch
from torch import Tensor

from gan_sntg.core.checkpoint import atomic, atomic_folder
from gan_sntg.samples import png


def save_pngs(folder: Path, blocks: Iterable[Tensor]) -> None:
    """Write the images of blocks uint8 [b, C, H, W] as sample_00000.png and so on; `folder`, new or empty, appears when all are there."""
    with atomic_folder(folder) as temporary:
        for i, image in enumerate(image for block in blocks for image in block):
            (temporary / f"sample_{i:05d}.png").write_bytes(png(image))


def save_npz(
    path: Path, blocks: Iterable[Tensor], shape: tuple[int, ...], z: Tensor, decide: Callable[[Tensor], tuple[Tensor, Tensor]]
) -> None:
    """Write arrays images uint8 [n, H, W, C], z float32 [n, latent], classes int64 [n] and confidence float32 [n].

    blocks: the images uint8 [b, C, H, W] of z, each `shape` [C, H, W]; decide: classes and confidence of a block.
    """
    decisions = []
    with atomic(path) as file, ZipFile(file, "w") as archive:
        with archive.open(ZipInfo("images.npy"), "w", force_zip64=True) as entry:
            header = {"descr": "|u1", "fortran_order": False, "shape": (len(z), *shape[1:], shape[0])}
            np.lib.format.write_array_header_1_0(entry, header)
            for block in blocks:
                entry.write(block.permute(0, 2, 3, 1).contiguous().numpy().data)
                decisions.append(decide(block))
        classes, confidence = (torch.cat(parts) for parts in zip(*decisions, strict=True))
        for name, values in {"z": z, "classes": classes, "confidence": confidence}.items():
            with archive.open(ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, values.cpu().numpy(), allow_pickle=False)
