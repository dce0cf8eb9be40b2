"""Show 2 to 8 runs side by side, as a page and in TensorBoard, or any number as a table."""

import hashlib
import re
import sys
from itertools import chain
from pathlib import Path

from jsonargparse import Namespace

from gan_sntg.comparison.page import GENERATOR, comparison_page, comparison_table
from gan_sntg.comparison.runs import ComparedRun, grouped, read_comparison, shortest_names, warnings
from gan_sntg.errors import InputError
from gan_sntg.files.atomic import check_utf8, writable, write_atomically, writing
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.parsing import Parser
from gan_sntg.runs.tensorboard import write_panels

FEWEST, MOST = 2, 8
DESCRIPTION = (
    "Write OUT/index.html, a page that needs nothing but itself: grids of the same z at each epoch beside training images, errors and "
    "fidelity with intervals, curves, and where the configurations differ; and OUT/tensorboard, whose image tab has all grids in one "
    "picture. Runs may be unfinished. The data are read only where no run folder keeps real images or the number of test images. With "
    "--table, of any number of finished runs, print a Markdown table instead: a row for each configuration, with its mean error over seeds "
    "and the difference from the first, paired by seed. Both test single runs on the same test images (McNemar)."
)
EXAMPLES = """examples:
  gan-sntg compare runs/plain runs/sntg --names FM-GAN FM-GAN+SNTG
  gan-sntg compare runs/* --table
"""


def parser() -> Parser:
    """Which runs, what to call them, where to, and how many epochs."""
    parser = Parser(prog="gan-sntg compare", description=DESCRIPTION, epilog=EXAMPLES)
    runs = f"{FEWEST} to {MOST} run folders on one data set; with --table, any number; comparisons among them are left out"
    parser.add_argument("runs", type=str, nargs="+", help=runs)
    parser.add_argument("--table", action="store_true", help="print a table of mean errors by configuration, and make no page")
    names = "what to call them, or the rows of --table; default: what tells their paths, or configurations, apart"
    parser.add_argument("--names", type=str, nargs="+", default=None, help=names)
    out = "folder; default comparisons/<names>-<hash>. With --table: a file to write the table to, too"
    parser.add_argument("--out", type=str | None, default=None, help=out)
    parser.add_argument("--epochs", type=int, default=40, help="most grids of a run; fewer are kept where the page would be too large")
    parser.add_argument("--root", type=str | None, default=None, help="folder of the data, if it has moved; read only where needed")
    return parser


def run(options: Namespace) -> None:
    """Write both, warn of what must be known before comparing, print where they are; or the table."""
    given = [Path(path) for path in options.runs]
    paths = [path for path in given if not has_own_page(path)] or given
    if options.table:
        return print_table(paths, options.names, options.out)
    names = checked_names(paths, options.names)
    if options.epochs < 2:
        raise InputError(f"--epochs is {options.epochs}; give at least 2, for the first and the last")
    out = Path(options.out or default_folder(paths, names))
    check_own(out)
    comparison = read_comparison(paths, names, options.epochs, options.root)
    text, page, board = comparison_page(comparison).encode("utf-8", "replace"), out / "index.html", out / "tensorboard"
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(page, text)
        drawing = [run for run in comparison.runs if run.has_generator]
        write_panels(board, comparison.epochs, lambda epoch: [run.captioned(epoch) for run in drawing])
    for warning in [*chain(*warnings(comparison.runs).values()), *filter(None, [comparison.refusal])]:
        print(warning, file=sys.stderr)
    print(f"page: {page} ({len(text) / 1e6:.1f} MB)")
    if comparison.epochs:
        program = Path(sys.executable).parent / "tensorboard"
        print(f"TensorBoard: {program} --logdir {board} --samples_per_plugin images={len(comparison.epochs)}")


def print_table(paths: list[Path], names: list[str] | None, out: str | None) -> None:
    """Print the table of finished runs by configuration; write it to `out`, too, where it is given."""
    check_once(paths)
    file = writable(out) if out else None
    text = comparison_table(grouped([ComparedRun(k, str(path), RunFolder(path)) for k, path in enumerate(paths)]), names)
    if file:
        with writing(file):
            write_atomically(file, text.encode("utf-8", "replace"))
    print(text, end="")


def check_once(paths: list[Path]) -> None:
    """Raise InputError where a folder is given twice."""
    twice = next((path for k, path in enumerate(paths) if path.resolve() in [p.resolve() for p in paths[:k]]), None)
    if twice:
        raise InputError(f"{twice} is given twice; give each run folder once")


def checked_names(paths: list[Path], given: list[str] | None) -> list[str]:
    """The runs' names. Raises InputError for too few or many runs, or a folder or name given twice."""
    if not FEWEST <= len(paths) <= MOST:
        raise InputError(f"{len(paths)} run{'s' * (len(paths) > 1)} cannot be compared; give {FEWEST} to {MOST} run folders")
    check_once(paths)
    names = given or shortest_names(paths)
    if len(names) != len(paths) or len(set(names)) != len(names) or not all(name.strip() for name in names):
        raise InputError(f"--names gives {', '.join(map(repr, names))} for {len(paths)} runs; give each run a name of its own")
    return names


def default_folder(paths: list[Path], names: list[str]) -> str:
    """comparisons/<names>-<hash of the paths>."""
    digest = hashlib.sha256("\n".join(str(path.resolve()) for path in paths).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"comparisons/{re.sub(r'[^A-Za-z0-9_.-]+', '_', '-'.join(names))[:80]}-{digest}"


def check_own(out: Path) -> None:
    """Raise InputError where the folder holds something, but no page of ours, or is not UTF-8."""
    check_utf8(out)
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not has_own_page(out):
        raise InputError(f"{out} exists and holds no page that gan-sntg compare wrote; choose another folder with --out")


def has_own_page(folder: Path) -> bool:
    """Whether a folder holds a comparison, as one among the runs of `runs/*` may, which is left out then."""
    page = folder / "index.html"
    return page.is_file() and f'content="{GENERATOR}"' in page.read_text(encoding="utf-8", errors="replace")[:2000]
