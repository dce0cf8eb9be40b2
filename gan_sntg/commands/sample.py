"""Draw images from a run's generator."""

import os
from collections.abc import Callable, Iterable
from math import ceil
from pathlib import Path
from typing import Literal, NamedTuple

from jsonargparse import Namespace
from torch import Tensor

from gan_sntg.errors import InputError
from gan_sntg.evaluation.classification import logits_of, outputs_of
from gan_sntg.evaluation.samples import beside, by_class, check_size, draw, drawn, grid, paths, save_npz, save_png, save_pngs, sheet, z_bank
from gan_sntg.graph.neighbors import nearest_rows, nearest_to
from gan_sntg.runs.build import RunObjects
from gan_sntg.runs.loading import class_names, load, run_parser, shown
from gan_sntg.runs.parsing import Parser

AT_ONCE = 500  # images that are held at once where they are written to files


def save_grid(out: Path, parts: RunObjects, options: Namespace) -> None:
    """n images in rows, as square as can be."""
    columns = max(1, round(options.n**0.5))
    check_size(ceil(options.n / columns), columns, parts.source.image_shape, options.scale)
    save_png(out, grid(images_of(parts, bank(parts, options.n, options)), columns, options.scale))


def save_folder(out: Path, parts: RunObjects, options: Namespace) -> None:
    """n images as PNGs of their own."""
    save_pngs(out, blocks_of(parts, bank(parts, options.n, options)))


def save_arrays(out: Path, parts: RunObjects, options: Namespace) -> None:
    """n images, their z, and what D says of them."""
    z = bank(parts, options.n, options)
    save_npz(out, blocks_of(parts, z), parts.source.image_shape, z, lambda images: decided(parts, images))


def save_interpolation(out: Path, parts: RunObjects, options: Namespace) -> None:
    """n rows of straight lines in z, from one z of the bank to the next."""
    check_size(options.n, options.steps, parts.source.image_shape, options.scale)
    images = images_of(parts, paths(bank(parts, 2 * options.n, options), options.steps))
    save_png(out, sheet(images.unflatten(0, (options.n, options.steps)), options.scale))


def save_classes(out: Path, parts: RunObjects, options: Namespace) -> None:
    """n images in a row for each class; prints how many each class has."""
    shape, num_classes = parts.source.image_shape, parts.source.num_classes
    check_size(1, options.n, shape, options.scale)
    images = images_of(parts, bank(parts, options.n, options))
    classes, confidence = decided(parts, images)
    counts = classes.bincount(minlength=num_classes)
    check_size(num_classes, int(counts.max()), shape, options.scale)
    save_png(out, sheet(by_class(images, classes, confidence, num_classes), options.scale))
    print(", ".join(f"{name}: {count}" for name, count in zip(class_names(parts.source), counts.tolist(), strict=True)))


def save_neighbors(out: Path, parts: RunObjects, options: Namespace) -> None:
    """n rows of a sample and the k training images nearest to it, of those that the run was trained on."""
    check_size(options.n, 1 + options.k, parts.source.image_shape, options.scale)
    images = images_of(parts, bank(parts, options.n, options))
    real = parts.streams.pool.x[parts.streams.pool.unlabeled]
    found = SPACES[options.space](parts, images.to(real.device), real, options.k)
    save_png(out, beside(images, real[found].cpu(), options.scale))


def near_in_pixels(parts: RunObjects, images: Tensor, real: Tensor, k: int) -> Tensor:
    """Indices [n, k] of the nearest of `real` [N, C, H, W] by the distance of raw pixels."""
    return nearest_to(images, real, k)


def near_in_features(parts: RunObjects, images: Tensor, real: Tensor, k: int) -> Tensor:
    """The same by the distance of the averaged D's features h."""
    h, h_real = (outputs_of(parts.method.classifiers["averaged"], x, parts.normalization)[0] for x in (images, real))
    return nearest_rows(h, h_real, k)


SPACES = {"pixels": near_in_pixels, "features": near_in_features}


class SampleWriter(NamedTuple):
    """A choice of --kind: what writes it, the name of its file by n, n by default, and which other options it heeds."""

    write: Callable[[Path, RunObjects, Namespace], None]
    file: str
    n: int = 64
    heeds: tuple[str, ...] = ("scale",)


SAMPLE_WRITERS = {
    "grid": SampleWriter(save_grid, "sample_{}.png"),
    "png": SampleWriter(save_folder, "sample_{}", heeds=()),
    "npz": SampleWriter(save_arrays, "sample_{}.npz", heeds=()),
    "interpolation": SampleWriter(save_interpolation, "interpolation_{}.png", 8, ("scale", "steps")),
    "classes": SampleWriter(save_classes, "classes_{}.png"),
    "neighbors": SampleWriter(save_neighbors, "neighbors_{}.png", 8, ("scale", "k", "space")),
}


def bank(parts: RunObjects, n: int, options: Namespace) -> Tensor:
    """n z [n, latent]: of the bank that all runs share, or of --seed."""
    return z_bank(parts.method.generator.latent, n, parts.device, options.seed)


def images_of(parts: RunObjects, z: Tensor) -> Tensor:
    """The images uint8 [n, C, H, W] of z [n, latent]."""
    return draw(parts.method.generator, z, parts.normalization)


def blocks_of(parts: RunObjects, z: Tensor) -> Iterable[Tensor]:
    """The same block by block, with a progress bar."""
    return shown(drawn(parts.method.generator, z, parts.normalization, AT_ONCE), ceil(len(z) / AT_ONCE))


def decided(parts: RunObjects, images: Tensor) -> tuple[Tensor, Tensor]:
    """Class int64 and confidence float32 of each image, by the averaged D."""
    logits = logits_of(parts.method.classifiers["averaged"], images.to(parts.device), parts.normalization)
    confidence, classes = logits.softmax(1).max(1)
    return classes.cpu(), confidence.cpu()


MOST = 1_000_000  # images or rows, whose z are held at once
DEFAULTS = {"scale": 1, "steps": 8, "k": 7, "space": "pixels"}
LEAST = {"n": 1, "scale": 1, "steps": 2, "k": 1}
DESCRIPTION = (
    "Write generated images; the same z in every run. Kinds: grid, one picture; png, a folder of single files; npz, arrays images, z, "
    "classes and confidence by the averaged D; interpolation, straight lines in z; classes, a row for each class by the averaged D, the "
    "most confident first; neighbors, beside each sample the training images nearest to it."
)


def parser() -> Parser:
    """RUN, how many of which kind, and where to."""
    parser = run_parser("sample", DESCRIPTION)
    parser.add_argument("--kind", type=Literal[tuple(SAMPLE_WRITERS)], default="grid", help="what to write")
    parser.add_argument("--n", type=int | None, default=None, help="images, default 64; rows of interpolation and neighbors, default 8")
    parser.add_argument("--out", type=str | None, default=None, help="file, or folder of --kind png; default in RUN/samples")
    parser.add_argument("--seed", type=int | None, default=None, help="of other z than the fixed ones that all runs share")
    parser.add_argument("--scale", type=int | None, default=None, help="pixels of a picture a pixel of an image, each way; default 1")
    parser.add_argument("--steps", type=int | None, default=None, help="images from one z to the other, default 8 (interpolation)")
    parser.add_argument("--k", type=int | None, default=None, help="training images a row, default 7 (neighbors)")
    parser.add_argument("--space", type=Literal[tuple(SPACES)] | None, default=None, help="of distances; default pixels (neighbors)")
    return parser


def run(options: Namespace) -> None:
    """Write what was asked for and print its path."""
    kind = SAMPLE_WRITERS[options.kind]
    settle(options, kind)
    parts, _ = load(options.run, options.device, options.root, options.checkpoint)
    if parts.method.generator is None:
        method = type(parts.method).__name__
        raise InputError(f"{options.run} is a run of {method}, which has no generator; give a run of FeatureMatchingGAN")
    out = target(options, kind)
    try:
        kind.write(out, parts, options)
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error}); choose another with --out") from error
    print(out)


def settle(options: Namespace, kind: SampleWriter) -> None:
    """Fill in the defaults. Raises InputError for a number that cannot be, or an option that the kind does not heed."""
    for name, default in DEFAULTS.items():
        if options[name] is not None and name not in kind.heeds:
            raise InputError(f"--{name} {options[name]} changes nothing in --kind {options.kind}; leave it out")
        options[name] = default if options[name] is None else options[name]
    options.n = kind.n if options.n is None else options.n
    for name, least in LEAST.items():
        if options[name] < least:
            raise InputError(f"--{name} is {options[name]}; give at least {least}")
    if options.n > MOST:
        raise InputError(f"--n is {options.n}; give at most {MOST:,}")
    if options.seed is not None and not 0 <= options.seed < 2**63:
        raise InputError(f"--seed is {options.seed}; give a whole number from 0 to 2^63 - 1")


def target(options: Namespace, kind: SampleWriter) -> Path:
    """What to write. Raises InputError, before anything is drawn, where it cannot be written or is a folder with something in it."""
    file = kind.file.format(options.n if options.seed is None else f"{options.n}_seed{options.seed}")
    out = Path(options.out or Path(options.run) / "samples" / file)
    if not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        raise InputError(f"{out} cannot be written (its folder does not exist or may not be written to); choose another with --out")
    if out.is_dir() and (options.kind != "png" or any(out.iterdir())):
        raise InputError(f"{out} cannot be written (it is a folder with something in it, or not to be one); choose another with --out")
    if out.exists() and not out.is_dir() and options.kind == "png":
        raise InputError(f"{out} cannot be written (it is a file, and --kind png writes a folder); choose another with --out")
    return out
