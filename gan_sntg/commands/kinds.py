"""What does each kind of sample show, and how is it written? One function a kind: (file, parts of the run, options)."""

from collections.abc import Callable, Iterable
from math import ceil
from pathlib import Path
from typing import NamedTuple

from jsonargparse import Namespace
from torch import Tensor

from gan_sntg.commands.building import Parts
from gan_sntg.commands.evaluate import class_names
from gan_sntg.commands.graph import shown
from gan_sntg.core.evaluate import logits_of, outputs_of
from gan_sntg.core.neighbors import nearest_rows, nearest_to
from gan_sntg.sample_files import save_npz, save_pngs
from gan_sntg.samples import draw, drawn, grid, paths, save_png, z_bank
from gan_sntg.sheets import beside, by_class, check_size, sheet

AT_ONCE = 500  # images that are held at once where they are written to files


def save_grid(out: Path, parts: Parts, options: Namespace) -> None:
    """n images in rows, as square as can be."""
    columns = max(1, round(options.n**0.5))
    check_size(ceil(options.n / columns), columns, parts.source.image_shape, options.scale)
    save_png(out, grid(images_of(parts, bank(parts, options.n, options)), columns, options.scale))


def save_folder(out: Path, parts: Parts, options: Namespace) -> None:
    """n images as PNGs of their own."""
    save_pngs(out, blocks_of(parts, bank(parts, options.n, options)))


def save_arrays(out: Path, parts: Parts, options: Namespace) -> None:
    """n images, their z, and what D says of them."""
    z = bank(parts, options.n, options)
    save_npz(out, blocks_of(parts, z), parts.source.image_shape, z, lambda images: decided(parts, images))


def save_interpolation(out: Path, parts: Parts, options: Namespace) -> None:
    """n rows of straight lines in z, from one z of the bank to the next."""
    check_size(options.n, options.steps, parts.source.image_shape, options.scale)
    images = images_of(parts, paths(bank(parts, 2 * options.n, options), options.steps))
    save_png(out, sheet(images.unflatten(0, (options.n, options.steps)), options.scale))


def save_classes(out: Path, parts: Parts, options: Namespace) -> None:
    """n images in a row for each class; prints how many each class has."""
    shape, num_classes = parts.source.image_shape, parts.source.num_classes
    check_size(1, options.n, shape, options.scale)
    images = images_of(parts, bank(parts, options.n, options))
    classes, confidence = decided(parts, images)
    counts = classes.bincount(minlength=num_classes)
    check_size(num_classes, int(counts.max()), shape, options.scale)
    save_png(out, sheet(by_class(images, classes, confidence, num_classes), options.scale))
    print(", ".join(f"{name}: {count}" for name, count in zip(class_names(parts.source), counts.tolist(), strict=True)))


def save_neighbors(out: Path, parts: Parts, options: Namespace) -> None:
    """n rows of a sample and the k training images nearest to it, of those that the run was trained on."""
    check_size(options.n, 1 + options.k, parts.source.image_shape, options.scale)
    images = images_of(parts, bank(parts, options.n, options))
    real = parts.streams.pool.x[parts.streams.pool.unlabeled]
    found = SPACES[options.space](parts, images.to(real.device), real, options.k)
    save_png(out, beside(images, real[found].cpu(), options.scale))


def near_in_pixels(parts: Parts, images: Tensor, real: Tensor, k: int) -> Tensor:
    """Indices [n, k] of the nearest of `real` [N, C, H, W] by the distance of raw pixels."""
    return nearest_to(images, real, k)


def near_in_features(parts: Parts, images: Tensor, real: Tensor, k: int) -> Tensor:
    """The same by the distance of the averaged D's features h."""
    h, h_real = (outputs_of(parts.method.classifiers["averaged"], x, parts.normalization)[0] for x in (images, real))
    return nearest_rows(h, h_real, k)


SPACES = {"pixels": near_in_pixels, "features": near_in_features}


class Kind(NamedTuple):
    """A choice of --kind: what writes it, the name of its file by n, n by default, and which other options it heeds."""

    write: Callable[[Path, Parts, Namespace], None]
    file: str
    n: int = 64
    heeds: tuple[str, ...] = ("scale",)


KINDS = {
    "grid": Kind(save_grid, "sample_{}.png"),
    "png": Kind(save_folder, "sample_{}", heeds=()),
    "npz": Kind(save_arrays, "sample_{}.npz", heeds=()),
    "interpolation": Kind(save_interpolation, "interpolation_{}.png", 8, ("scale", "steps")),
    "classes": Kind(save_classes, "classes_{}.png"),
    "neighbors": Kind(save_neighbors, "neighbors_{}.png", 8, ("scale", "k", "space")),
}


def bank(parts: Parts, n: int, options: Namespace) -> Tensor:
    """n z [n, latent]: of the bank that all runs share, or of --seed."""
    return z_bank(parts.method.generator.latent, n, parts.device, options.seed)


def images_of(parts: Parts, z: Tensor) -> Tensor:
    """The images uint8 [n, C, H, W] of z [n, latent]."""
    return draw(parts.method.generator, z, parts.normalization)


def blocks_of(parts: Parts, z: Tensor) -> Iterable[Tensor]:
    """The same block by block, with a progress bar."""
    return shown(drawn(parts.method.generator, z, parts.normalization, AT_ONCE), ceil(len(z) / AT_ONCE))


def decided(parts: Parts, images: Tensor) -> tuple[Tensor, Tensor]:
    """Class int64 and confidence float32 of each image, by the averaged D."""
    logits = logits_of(parts.method.classifiers["averaged"], images.to(parts.device), parts.normalization)
    confidence, classes = logits.softmax(1).max(1)
    return classes.cpu(), confidence.cpu()
