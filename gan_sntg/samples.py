"""What does the generator draw? Images at a fixed z bank, so that runs and epochs can be compared."""

import io
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from gan_sntg.core.checkpoint import write_atomically
from gan_sntg.core.data.whiten import Normalization
from gan_sntg.core.layers import fix_statistics
from gan_sntg.networks import Generator

BANK_SIZE = 500


def z_bank(latent: int, n: int, device: torch.device | str = "cpu") -> Tensor:
    """The first n rows of a fixed list of z [n, latent], the same in every run and on every device."""
    return torch.rand(n, latent, generator=torch.Generator().manual_seed(0)).to(device)


@torch.no_grad()
def draw(generator: Generator, z: Tensor, normalization: Normalization, batch_size: int = 500) -> Tensor:
    """Images uint8 [n, C, H, W] of z [n, latent], on the CPU: the same z gives the same image in any batch.

    G's batch statistics are first fixed on the bank of BANK_SIZE z; training mode and its batches are left as they were.
    """
    training = generator.training
    fix_statistics(generator, z_bank(generator.latent, BANK_SIZE, z.device))
    generator.eval()
    images = torch.cat([normalization.images(generator(part)).cpu() for part in z.split(batch_size)])
    generator.train(training)
    return images


def grid(images: Tensor, columns: int = 10, scale: int = 1) -> Tensor:
    """One picture uint8 [3, H', W'] of images uint8 [n, C, H, W], each pixel repeated `scale` times each way."""
    return make_grid(images.repeat_interleave(scale, 2).repeat_interleave(scale, 3), nrow=columns, padding=2, pad_value=128)


def stretched(x: Tensor) -> Tensor:
    """Normalised images [n, C, H, W] for the eye, uint8: the least value of each image becomes 0, the greatest 255."""
    low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    return ((x - low) / (high - low).where(high > low, 1) * 255).round().to(torch.uint8)


def save_png(path: Path, image: Tensor) -> None:
    """Write a picture uint8 [3, H, W] as PNG, whole or not at all."""
    buffer = io.BytesIO()
    Image.fromarray(image.cpu().permute(1, 2, 0).numpy()).save(buffer, "PNG")
    write_atomically(path, buffer.getbuffer())
