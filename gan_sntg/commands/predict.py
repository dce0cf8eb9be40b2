"""Classify a folder of images with a run's classifier."""

import csv
import io
import os
from dataclasses import replace
from pathlib import Path
from typing import Literal

from jsonargparse import Namespace
from torch import nn

from gan_sntg.data.custom import ImageFolder
from gan_sntg.data.dataset import Dataset
from gan_sntg.data.pictures import PictureReader, readable
from gan_sntg.data.recorded import RecordedData
from gan_sntg.errors import InputError
from gan_sntg.evaluation.classification import logits_of
from gan_sntg.files.atomic import writable, write_atomically, writing
from gan_sntg.files.paths import Listing
from gan_sntg.runs.build import RunModel, class_names, run_parser, say
from gan_sntg.runs.parsing import Parser
from gan_sntg.runs.reading import load_model

AT_ONCE = 250  # images that are held in memory
DESCRIPTION = (
    "Write, as CSV, file, class and confidence (the largest probability) of every image under FOLDER, resized and cropped to the "
    "run's size. Links are followed; names that begin with a dot are left out. What cannot be read is listed at the end, with status 2."
)


def parser() -> Parser:
    """RUN, FOLDER, and where to write."""
    parser = run_parser("predict", DESCRIPTION)
    parser.add_argument("folder", type=str, help="folder of images, searched with all its folders")
    parser.add_argument("--out", type=str, required=True, help="CSV file")
    parser.add_argument("--white", type=int, help="value that is white in pictures of 16 bits; default: as in training")
    parser.add_argument("--classifier", type=Literal["last", "averaged"], default="averaged", help="which weights")
    return parser


def run(options: Namespace) -> None:
    """Write the CSV and print its path. Raises InputError with every file that could not be read."""
    out, folder = writable(options.out), Path(options.folder)
    found = listing_of(folder, out)
    say(found.notes)
    parts, _ = load_model(options.run, options.device, options.root, options.checkpoint)
    rows, problems = predict(parts, parts.method.classifiers[options.classifier], found.files, options.white)
    problems = [*found.problems, *problems]
    if rows:
        text = io.StringIO()
        lines = [(path.relative_to(folder).as_posix(), *row) for path, row in rows.items()]
        csv.writer(text, lineterminator="\n").writerows([("file", "class", "confidence"), *lines])
        with writing(out):
            write_atomically(out, text.getvalue().encode("utf-8", "surrogateescape"))
        print(out)
    if problems:
        what = f"the other {len(rows)} are in {out}" if rows else "nothing was written"
        raise InputError(
            "\n".join(
                [f"{len(problems)} of {len(found.files) + len(found.problems)} files in {folder} cannot be classified; {what}:", *problems]
            )
        )


def listing_of(folder: Path, out: Path) -> Listing:
    """Every file under `folder` but `out`. Raises InputError where there is none."""
    found = Listing(folder)
    if not os.path.isdir(folder) or not found.files and not found.problems:
        raise InputError(f"{folder} is not a folder with files in it; give a folder of images")
    found.files = [path for path in found.files if path.name != out.name or os.path.realpath(path) != os.path.realpath(out)]
    return found


def predict(parts: RunModel, net: nn.Module, files: list[Path], white: int | None = None) -> tuple[dict[Path, tuple[str, str]], list[str]]:
    """Class and confidence of each file that can be read, and what is wrong with each of the others."""
    reader = picture_reader(parts.source, white)
    names, rows, problems = class_names(parts.source), {}, []
    for start in range(0, len(files), AT_ONCE):
        x, kept, unreadable = readable(files[start : start + AT_ONCE], reader, "--white")
        problems += unreadable
        if kept:
            confidence, classes = logits_of(net, x.to(parts.device), parts.normalization).double().softmax(1).max(1)
            found = zip(kept, classes.tolist(), confidence.tolist(), strict=True)
            rows |= {path: (names[k], f"{p:.6f}") for path, k, p in found}
    return rows, problems


def picture_reader(source: Dataset, white: int | None = None) -> PictureReader:
    """The reading of pictures that a run was trained with. white: stated anew. Raises InputError."""
    size, color = picture_kind(source.image_shape)
    if isinstance(source, ImageFolder):
        reader = source.reader
    else:
        reader = source.facts.reader if isinstance(source, RecordedData) else PictureReader(size, color)
    return reader if white is None else replace(reader, white=white)


def picture_kind(image_shape: tuple[int, ...]) -> tuple[int, bool]:
    """Size in pixels of images [C, H, W], and whether in colour. Raises InputError unless square."""
    if len(image_shape) != 3:
        raise InputError("the run classifies points of the plane, not images; give a run that was trained on images")
    channels, height, width = image_shape
    if height != width:
        raise InputError(f"the run's images are {height} x {width} pixels; files can only be cropped to squares")
    return height, channels == 3
