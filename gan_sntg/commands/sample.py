"""Draw images from a run's generator."""

import inspect
from collections.abc import Callable, Iterable
from math import ceil
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from jsonargparse import Namespace
from torch import Tensor

from gan_sntg.data.loader import Pool
from gan_sntg.errors import InputError
from gan_sntg.evaluation import samples
from gan_sntg.evaluation.classification import logits_of, outputs_of
from gan_sntg.files.atomic import writable, writing
from gan_sntg.files.mapped import indexed, taken
from gan_sntg.graph.neighbors import nearest_rows, nearest_to
from gan_sntg.networks.conditional import ConditionalGenerator
from gan_sntg.networks.gan import Generator
from gan_sntg.networks.passes import mode
from gan_sntg.rng import purpose_generator
from gan_sntg.runs.build import RunModel, RunObjects, class_names, load, opened, run_parser, shown
from gan_sntg.runs.options import check_option
from gan_sntg.runs.parsing import Parser
from gan_sntg.runs.reading import load_model
from gan_sntg.training.loop import Progress

AT_ONCE = 500  # images that are held at once where they are written to files
MOST = 1_000_000  # images or rows, whose z are held at once, and of all that is counted
LEAST = {"n": 1, "scale": 1, "steps": 2, "k": 1}
DESCRIPTION = (
    "Write generated images; the same z in every run. Kinds: grid, one picture; png, a folder of single files of the data's own depth "
    "(TIFF where PNG has no such kind); npz, arrays images, z, classes and confidence by the averaged classifier; interpolation, straight "
    "lines in z; classes, a row for each class, the generator's own where it has classes, else by the averaged classifier, the most "
    "confident first; neighbors, beside each sample the training images nearest to it; reconstructions, beside each real image what the "
    "generator makes of the z that the run's encoder infers from it."
)
EXAMPLES = """examples:
  gan-sntg sample runs/sntg
  gan-sntg sample runs/sntg --kind npz --n 50000
"""


class Sampler(NamedTuple):
    """A run, its generator, and the seed of z: None for the bank that all runs share."""

    parts: RunModel
    generator: Generator
    seed: int | None

    @property
    def pool(self) -> Pool:
        """The training images, of a kind in NEED_DATA."""
        assert isinstance(self.parts, RunObjects), "a kind that shows real images is not in NEED_DATA"
        return self.parts.streams.pool

    def z(self, n: int) -> Tensor:
        """The first n z [n, latent]."""
        return samples.z_bank(self.generator.latent, n, self.parts.device, self.seed)

    def images(self, z: Tensor) -> Tensor:
        """Images [n, C, H, W] of z [n, latent]."""
        return samples.draw(self.generator, z, self.parts.normalization)

    def shown(self, images: Tensor) -> Tensor:
        """The same as they are looked at: uint8 [n, 1 or 3, H, W]."""
        return self.parts.source.pixels.shown(images)

    def batches(self, z: Tensor) -> Iterable[Tensor]:
        """The same batch by batch, with a progress bar."""
        return shown(samples.draw_batches(self.generator, z, self.parts.normalization, AT_ONCE), ceil(len(z) / AT_ONCE))

    def real(self, part: str) -> Tensor:
        """The test, validation or unlabelled training images [N, C, H, W], by seed in another order.

        Raises InputError where the run held out no validation images.
        """
        source, pool = self.parts.source, self.pool
        if part == "validation" and not self.parts.split.validation:
            raise InputError("--images validation: the run was trained without validation images; give test or training")
        if part == "test":
            x = source.test_x
        else:
            x = indexed(source.train_x, self.parts.split.validation) if part == "validation" else taken(pool.x, pool.unlabeled).cpu()
        return x if self.seed is None else indexed(x, torch.randperm(len(x), generator=purpose_generator(self.seed, "sample")))

    @torch.no_grad()
    def inferred(self, images: Tensor) -> Tensor:
        """z [n, latent] of images [n, C, H, W]. Raises InputError where there is no encoder."""
        method = self.parts.method
        with mode(method, training=False):
            z = method.infer(self.parts.normalization(images.to(self.parts.device)))
        if z is None:
            what = f"--kind reconstructions needs an encoder, which maps images to z, but this run's {type(method).__name__} has none"
            raise InputError(f"{what}; give a run of a method with one, such as ALI, or another --kind")
        return z

    def of_all_classes(self, n: int) -> tuple[Tensor, Tensor | None]:
        """n z [n, latent] and the classes [n] that they say, each as often; None of a G without classes."""
        z = self.z(n)
        if not isinstance(self.generator, ConditionalGenerator):
            return z, None
        y = torch.arange(n, device=z.device) % self.generator.num_classes
        return self.generator.of_classes(z, y), y.cpu()

    def classify(self, images: Tensor, classes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Class int64 and confidence float32 of each image, or the confidence in classes that are given."""
        logits = logits_of(self.parts.method.classifiers["averaged"], images.to(self.parts.device), self.parts.normalization)
        p = logits.softmax(1).cpu()
        classes = p.argmax(1) if classes is None else classes
        return classes, p.gather(1, classes.unsqueeze(1)).squeeze(1)


# What writes each kind: its named arguments are the options that it heeds, with their defaults.


def save_grid(out: Path, sampler: Sampler, *, n: int = 64, scale: int = 1) -> None:
    """n images in rows, as square as can be."""
    columns = max(1, round(n**0.5))
    samples.check_size(ceil(n / columns), columns, sampler.parts.source.image_shape, scale)
    samples.save_png(out, samples.grid(sampler.shown(sampler.images(sampler.z(n))), columns, scale))


def save_folder(out: Path, sampler: Sampler, *, n: int = 64) -> None:
    """n images as files of their own, of the data's depth and channels: PNG, else TIFF."""
    samples.save_files(out, sampler.batches(sampler.z(n)))


def save_arrays(out: Path, sampler: Sampler, *, n: int = 64) -> None:
    """n images, their z, and what the classifier says of them."""
    z = sampler.z(n)
    samples.save_npz(out, sampler.batches(z), sampler.parts.source.image_shape, z, sampler.classify, sampler.parts.source.pixels.dtype)


def save_interpolation(out: Path, sampler: Sampler, *, n: int = 8, scale: int = 1, steps: int = 8) -> None:
    """n rows of straight lines in z, from one z of the bank to the next."""
    samples.check_size(n, steps, sampler.parts.source.image_shape, scale)
    images = sampler.images(samples.interpolate_z(sampler.z(2 * n), steps))
    samples.save_png(out, samples.grid(sampler.shown(images), steps, scale))


def save_classes(out: Path, sampler: Sampler, *, n: int = 64, scale: int = 1) -> None:
    """n images in a row for each class, G's own or the classifier's; prints how many each class has."""
    source = sampler.parts.source
    samples.check_size(1, n, sampler.parts.source.image_shape, scale)
    z, own = sampler.of_all_classes(n)
    images = sampler.images(z)
    classes, confidence = sampler.classify(images, own)
    counts = classes.bincount(minlength=source.num_classes)
    samples.check_size(source.num_classes, int(counts.max()), sampler.parts.source.image_shape, scale)
    cells = samples.class_cells(sampler.shown(images), classes, confidence, source.num_classes)
    samples.save_png(out, samples.grid(cells.flatten(0, 1), cells.shape[1], scale))
    print(", ".join(f"{name}: {count}" for name, count in zip(class_names(source), counts.tolist(), strict=True)))


def save_neighbors(out: Path, sampler: Sampler, *, n: int = 8, scale: int = 1, k: int = 7, space: str = "pixels") -> None:
    """n rows of a sample and the k images of the pool nearest to it, by pixels or the averaged D's h."""
    samples.check_size(n, 1 + k, sampler.parts.source.image_shape, scale)
    images, pool = sampler.images(sampler.z(n)), sampler.pool
    x, real = images.to(pool.device), taken(pool.x, pool.unlabeled)
    if space == "pixels" and pool.pixels.plain:
        found = nearest_to(x, real, k)
    elif space == "pixels":
        found = nearest_rows(pool.pixels.levels(x).flatten(1), pool.pixels.levels(real).flatten(1), k)
    else:
        net, normalize = sampler.parts.method.classifiers["averaged"], sampler.parts.normalization
        h, h_real = (outputs_of(net, own, normalize)[0] for own in (x, real))
        found = nearest_rows(h, h_real, k)
    near = sampler.shown(indexed(real, found.flatten()).cpu()).unflatten(0, found.shape)
    samples.save_png(out, samples.neighbor_sheet(sampler.shown(images), near, scale))


def save_reconstructions(out: Path, sampler: Sampler, *, n: int = 32, scale: int = 1, images: str = "test") -> None:
    """n pairs of a real image and G(E(x)). E sees full batches where it can: one may normalise by them."""
    every = sampler.real(images)
    if n > len(every):
        raise InputError(f"--n is {n}, but there are {len(every):,} {images} images; give at most as many")
    across = ceil((n / 2) ** 0.5)
    samples.check_size(ceil(n / across), 2 * across, sampler.parts.source.image_shape, scale)
    z = torch.cat([sampler.inferred(part) for part in every[: ceil(n / AT_ONCE) * AT_ONCE].split(AT_ONCE)])
    samples.save_png(out, samples.reconstruction_sheet(sampler.shown(every[:n]), sampler.shown(sampler.images(z[:n])), scale))


WRITERS: dict[str, tuple[Callable[..., None], str]] = {  # by --kind, with the name of its file
    "grid": (save_grid, "sample_{}.png"),
    "png": (save_folder, "sample_{}"),
    "npz": (save_arrays, "sample_{}.npz"),
    "interpolation": (save_interpolation, "interpolation_{}.png"),
    "classes": (save_classes, "classes_{}.png"),
    "neighbors": (save_neighbors, "neighbors_{}.png"),
    "reconstructions": (save_reconstructions, "reconstructions_{}.png"),
}


NEED_DATA = "neighbors", "reconstructions"  # the kinds that show real images


def parser() -> Parser:
    """RUN, how many of which kind, and where to."""
    parser = run_parser("sample", DESCRIPTION)
    parser.epilog = EXAMPLES
    parser.add_argument("--kind", type=Literal[tuple(WRITERS)], default="grid", help="what to write")
    parser.add_argument(
        "--n",
        type=int | None,
        default=None,
        help="images, default 64; rows of interpolation and neighbors, default 8; pairs of reconstructions, default 32",
    )
    parser.add_argument("--out", type=str | None, default=None, help="file, or folder of --kind png; default in RUN/samples")
    parser.add_argument(
        "--seed", type=int | None, default=None, help="of other z than the fixed ones that all runs share; of other real images"
    )
    parser.add_argument("--scale", type=int | None, default=None, help="pixels of a picture per pixel of an image, each way; default 1")
    parser.add_argument("--steps", type=int | None, default=None, help="images from one z to the other, default 8 (interpolation)")
    parser.add_argument("--k", type=int | None, default=None, help="training images per row, default 7 (neighbors)")
    parts = Literal["test", "validation", "training"] | None
    parser.add_argument("--images", type=parts, default=None, help="which are reconstructed; default test (reconstructions)")
    spaces = Literal["pixels", "features"] | None
    parser.add_argument("--space", type=spaces, default=None, help="where distances are measured; default pixels (neighbors)")
    return parser


def run(options: Namespace) -> None:
    """Write what was asked for and print its path."""
    write, file = WRITERS[options.kind]
    settings = settings_of(options, write)
    parts, _ = loaded(options)
    if (generator := parts.method.image_generator) is None:
        method = type(parts.method).__name__
        raise InputError(f"{options.run} is a run of {method}, which has no generator of images; give a run of a GAN on images")
    name = file.format(settings["n"] if options.seed is None else f"{settings['n']}_seed{options.seed}")
    out = writable(options.out or Path(options.run) / "samples" / name, folder=options.kind == "png")
    with writing(out):
        write(out, Sampler(parts, generator, options.seed), **settings)
    print(out)


def loaded(options: Namespace) -> tuple[RunModel, Progress]:
    """The run, with its data where the kind shows some of them. Raises InputError."""
    where = options.run, options.device, options.root, options.checkpoint
    if options.kind not in NEED_DATA:
        return load_model(*where)
    opened(*where)  # refuses what is no run at all
    try:
        return load(*where)
    except InputError as error:
        raise InputError(f"--kind {options.kind} shows images that the run was trained or tested on: {error}") from error


def settings_of(options: Namespace, write: Callable[..., None]) -> dict[str, int | str]:
    """The options that a kind heeds, with defaults. Raises InputError for one out of range or not heeded."""
    heeded = {name: p.default for name, p in inspect.signature(write).parameters.items() if p.kind is p.KEYWORD_ONLY}
    given = {name: options[name] for name in ("n", "scale", "steps", "k", "space", "images") if options[name] is not None}
    for name, value in given.items():
        if name not in heeded:
            raise InputError(f"--{name} {value} changes nothing in --kind {options.kind}; leave it out")
        if name in LEAST and not LEAST[name] <= value <= MOST:
            raise InputError(f"--{name} is {value}; give at least {LEAST[name]} and at most {MOST:,}")
    if options.seed is not None:
        check_option("seed", options.seed)
    return heeded | given
