"""What does the generator draw? Images at a fixed z bank, so that runs and epochs can be compared."""

import io
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from gan_sntg.core.checkpoint import write_atomically
from gan_sntg.core.data.whiten import Normalization
from gan_sntg.core.generators import purpose_generator
from gan_sntg.core.layers import fix_statistics
from gan_sntg.networks import Generator

BANK_SIZE = 500


def z_bank(latent: int, n: int, device: torch.device | str = "cpu", seed: int | None = None) -> Tensor:
    """The first n rows of a fixed list of z [n, latent], the same in every run and on every device; of another list for each seed."""
    generator = torch.Generator().manual_seed(0) if seed is None else purpose_generator(seed, "sample")
    return torch.rand(n, latent, generator=generator).to(device)


def paths(ends: Tensor, steps: int) -> Tensor:
    """z [rows * steps, latent] at equal steps along a straight line a row, from z_2i to z_2i+1, which are its first and its last.

    ends [2 * rows, latent]; z is uniform in a cube, which holds the line too.
    """
    t = torch.linspace(0, 1, steps, device=ends.device).view(1, -1, 1)
    return torch.lerp(ends[::2].unsqueeze(1), ends[1::2].unsqueeze(1), t).flatten(0, 1)


def fix_on_bank(generator: Generator, device: torch.device | str = "cpu") -> None:
    """Make G's batch statistics in evaluation mode those of the first BANK_SIZE z of the bank."""
    fix_statistics(generator, z_bank(generator.latent, BANK_SIZE, device))


@torch.no_grad()
def drawn(generator: Generator, z: Tensor, normalization: Normalization, batch_size: int = 500) -> Iterator[Tensor]:
    """Images uint8 [b, C, H, W] of one batch of z [n, latent] after another, on the CPU: the same z gives the same image in any batch.

    G's batch statistics are first fixed on the bank of BANK_SIZE z; training mode and its batches are left as they were.
    """
    training = generator.training
    fix_on_bank(generator, z.device)
    generator.eval()
    for part in z.split(batch_size):
        yield normalization.images(generator(part)).cpu()
    generator.train(training)


def draw(generator: Generator, z: Tensor, normalization: Normalization, batch_size: int = 500) -> Tensor:
    """All images of `drawn`, uint8 [n, C, H, W]."""
    return torch.cat(list(drawn(generator, z, normalization, batch_size)))


def grid(images: Tensor, columns: int = 10, scale: int = 1) -> Tensor:
    """One picture uint8 [3, H', W'] of images uint8 [n, C, H, W], each pixel repeated `scale` times each way."""
    return make_grid(images.repeat_interleave(scale, 2).repeat_interleave(scale, 3), nrow=columns, padding=2, pad_value=128)


def stretched(x: Tensor) -> Tensor:
    """Normalised images [n, C, H, W] for the eye, uint8: the least value of each image becomes 0, the greatest 255."""
    low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    return ((x - low) / (high - low).where(high > low, 1) * 255).round().to(torch.uint8)


def save_png(path: Path, image: Tensor) -> None:
    """Write a picture uint8 [3, H, W] as PNG, whole or not at all."""
    write_atomically(path, png(image))


def png(image: Tensor) -> memoryview:
    """An image uint8 [C, H, W] as the bytes of a PNG, grey where C is 1."""
    buffer = io.BytesIO()
    Image.fromarray(image.cpu().permute(1, 2, 0).squeeze(2).numpy()).save(buffer, "PNG")
    return buffer.getbuffer()
