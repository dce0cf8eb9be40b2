"""Draw images from a run's generator."""

import os
from pathlib import Path
from typing import Literal

from jsonargparse import Namespace

from gan_sntg.commands.evaluate import load, run_parser
from gan_sntg.commands.kinds import KINDS, SPACES, Kind
from gan_sntg.commands.parsing import Parser
from gan_sntg.core.errors import InputError

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
    parser.add_argument("--kind", type=Literal[tuple(KINDS)], default="grid", help="what to write")
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
    kind = KINDS[options.kind]
    settle(options, kind)
    parts, _ = load(options.run, options.device, options.root, options.checkpoint)
    if getattr(parts.method, "generator", None) is None:
        method = type(parts.method).__name__
        raise InputError(f"{options.run} is a run of {method}, which has no generator; give a run of FeatureMatchingGAN")
    out = target(options, kind)
    try:
        kind.write(out, parts, options)
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error}); choose another with --out") from error
    print(out)


def settle(options: Namespace, kind: Kind) -> None:
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


def target(options: Namespace, kind: Kind) -> Path:
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
