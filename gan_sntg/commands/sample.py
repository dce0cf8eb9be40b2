"""Draw images from a run's generator."""

from pathlib import Path

from jsonargparse import Namespace

from gan_sntg.commands.evaluate import load, run_parser
from gan_sntg.commands.parsing import Parser
from gan_sntg.core.errors import InputError
from gan_sntg.samples import draw, grid, save_png, z_bank


def parser() -> Parser:
    """RUN, how many, and where to."""
    parser = run_parser("sample", "Write a grid of generated images as PNG; the same z in every run.")
    parser.add_argument("--n", type=int, default=64, help="number of images")
    parser.add_argument("--out", type=str | None, default=None, help="PNG file; default RUN/samples/sample_<n>.png")
    parser.add_argument("--scale", type=int, default=1, help="pixels of the picture a pixel of an image, each way")
    return parser


def run(options: Namespace) -> None:
    """Write the grid and print its path."""
    if options.n < 1 or options.scale < 1:
        raise InputError(f"--n {options.n} --scale {options.scale}: give at least 1 of each")
    parts, _ = load(options.run, options.device, options.root)
    generator = getattr(parts.method, "generator", None)
    if generator is None:
        kind = type(parts.method).__name__
        raise InputError(f"{options.run} is a run of {kind}, which has no generator; give a run of FeatureMatchingGAN")
    out = Path(options.out or Path(options.run) / "samples" / f"sample_{options.n}.png")
    images = draw(generator, z_bank(generator.latent, options.n, parts.device), parts.normalization)
    try:
        save_png(out, grid(images, columns=max(1, round(options.n**0.5)), scale=options.scale))
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error}); choose another file with --out") from error
    print(out)
