"""Classify a folder of images with a run's classifier."""

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from jsonargparse import Namespace
from torch import Tensor, nn

from gan_sntg.data.dataset import Dataset
from gan_sntg.data.image_folder import ImageFolder
from gan_sntg.data.recorded import facts_of
from gan_sntg.errors import InputError
from gan_sntg.evaluation.classification import entropy_of, logits_of, most_wanted, outputs_of, realness
from gan_sntg.files.atomic import writable, write_atomically, writing
from gan_sntg.files.paths import Listing
from gan_sntg.pictures.decode import Reader, readable
from gan_sntg.pictures.labels_csv import GROUPS, LABELS
from gan_sntg.pictures.measured import MeasuredReader
from gan_sntg.runs.build import RunModel, class_names, run_parser, say
from gan_sntg.runs.parsing import Parser
from gan_sntg.runs.reading import load_model, tested_data

AT_ONCE = 250  # images that are held in memory
ARRAYS = "files", "classes", "probabilities", "entropy", "realness", "features"
DESCRIPTION = (
    "Write, as CSV, file, class and confidence (the largest probability) of every image under FOLDER, resized and cropped to the "
    "run's size. Links are followed; names that begin with a dot are left out. What cannot be read is listed at the end, with status 2."
)
EXAMPLES = """examples:
  gan-sntg predict runs/mine pictures --out predictions.csv
"""


def parser() -> Parser:
    """RUN, FOLDER, and where to write."""
    parser = run_parser("predict", DESCRIPTION)
    parser.epilog = EXAMPLES
    parser.add_argument("folder", type=str, help="folder of images, searched with all its folders")
    parser.add_argument("--out", type=str, required=True, help="CSV file")
    parser.add_argument("--white", type=int, help="value that is white in pictures of 16 bits; default: as in training")
    parser.add_argument("--classifier", type=Literal["last", "averaged"], default="averaged", help="which weights")
    parser.add_argument("--suggest", type=int, help="write so many files alone, those to label next, the most wanted first")
    parser.add_argument(
        "--unlike", type=float, help="add a column: `yes` for files less like the classes than all but this share of the validation images"
    )
    parser.add_argument("--all", type=str, help=f"NPZ file of all that is known of the same files, in their order: {', '.join(ARRAYS)}")
    return parser


def run(options: Namespace) -> None:
    """Write what is asked for, print the paths. Raises InputError with all files that are unreadable."""
    out, folder = writable(options.out), Path(options.folder)
    every = [writable(options.all)] if options.all else []
    if kept := [place for place in (out, *every) if place.name in (LABELS, GROUPS) and place.exists()]:
        raise InputError(f"{kept[0]} exists, and its name is that of labels or groups given by hand; give another name")
    if out in every:
        raise InputError(f"--out and --all are both {out}; give two files")
    if options.unlike is not None and not 0 < options.unlike < 1:
        raise InputError(f"--unlike is {options.unlike:g}; give the share of the classes' own images that may be taken for others, as 0.05")
    if options.suggest is not None and options.suggest < 1:
        raise InputError(f"--suggest is {options.suggest}; give the number of files to label, 1 or more")
    found = listing_of(folder, [out, *every])
    say(found.notes)
    parts, _ = load_model(options.run, options.device, options.root, options.checkpoint)
    net = parts.method.classifiers[options.classifier]
    least = None if options.unlike is None else least_realness(options, parts, net)
    predicted, problems = predict(parts, net, found.files, options.white)
    problems = [*found.problems, *problems]
    if options.suggest:
        predicted = predicted.only(most_wanted(predicted.logits, predicted.h, options.suggest))
    if predicted.files:
        names, classes = [path.relative_to(folder).as_posix() for path in predicted.files], class_names(parts.source)
        text, head = io.StringIO(), ("file", "class", "confidence", *(["unlike"] if least is not None else []))
        csv.writer(text, lineterminator="\n").writerows([head, *predicted.rows(names, classes, least)])
        written = {out: text.getvalue().encode("utf-8", "surrogateescape")} | {place: predicted.npz(names, classes) for place in every}
        for place, data in written.items():
            with writing(place):
                write_atomically(place, data)
            print(place)
    if problems:
        n = len(predicted.files)
        what = (f"{n} of the others" if options.suggest else f"the other {n}") + f" are in {out}" if n else "nothing was written"
        raise InputError(
            "\n".join(
                [f"{len(problems)} of {len(found.files) + len(found.problems)} files in {folder} cannot be classified; {what}:", *problems]
            )
        )


class Predicted(NamedTuple):
    """Files, and of each the classifier's features h [N, D] and logits [N, K]."""

    files: list[Path]
    h: Tensor
    logits: Tensor

    def only(self, index: Tensor) -> "Predicted":
        """Those at an index, in its order."""
        return Predicted([self.files[i] for i in index.tolist()], self.h[index], self.logits[index])

    def rows(self, names: list[str], classes: list[str], least: float | None) -> Iterator[tuple[str, ...]]:
        """Name, class and confidence of each, and whether its realness is below the least."""
        confidence, found = self.logits.double().softmax(1).max(1)
        for name, k, p, real in zip(names, found.tolist(), confidence.tolist(), realness(self.logits).tolist(), strict=True):
            yield name, classes[k], f"{p:.6f}", *([] if least is None else ["yes" if real < least else "no"])

    def npz(self, names: list[str], classes: list[str]) -> bytes:
        """The arrays of ARRAYS."""
        of_each = self.logits.double().softmax(1), entropy_of(self.logits), realness(self.logits), self.h
        made = np.array(names), np.array(classes), *(part.numpy() for part in of_each)
        buffer = io.BytesIO()
        np.savez(buffer, **dict(zip(ARRAYS, made, strict=True)))
        return buffer.getvalue()


def least_realness(options: Namespace, parts: RunModel, net: nn.Module) -> float:
    """What all but a share of the validation images reach. Raises InputError without them."""
    if not (held_out := parts.split.validation):
        raise InputError(f"--unlike: {options.run} was trained without validation images; give a run of gan-sntg train --validation true")
    source = tested_data(options.run, options.root, parts)
    if source.sha256 != parts.source.sha256:
        raise InputError(f"--unlike: the training images of {options.run} are others today, and so are its validation images")
    found = realness(logits_of(net, source.train_x[held_out].to(parts.device), parts.normalization).cpu()).sort().values
    return float(found[int(options.unlike * len(found))])


def listing_of(folder: Path, outs: list[Path]) -> Listing:
    """Every file under `folder` but what is written and tables of labels. Raises InputError without one."""
    found = Listing(folder)
    if not os.path.isdir(folder) or not found.files and not found.problems:
        raise InputError(f"{folder} is not a folder with files in it; give a folder of images")
    own = {os.path.realpath(out) for out in outs}
    others = [path for path in found.files if path.name not in {out.name for out in outs} or os.path.realpath(path) not in own]
    found.files = [path for path in others if path.parent != folder or path.name not in (LABELS, GROUPS)]
    return found


def predict(parts: RunModel, net: nn.Module, files: list[Path], white: int | None = None) -> tuple[Predicted, list[str]]:
    """What the classifier says of each file that can be read, and what is wrong with each of the others."""
    reader = picture_reader(parts.source, white)
    read, outputs, problems = [], [], []
    for start in range(0, len(files), AT_ONCE):
        x, kept, unreadable = readable(files[start : start + AT_ONCE], reader, "--white")
        problems += unreadable
        if kept:
            read += kept
            outputs.append([part.float().cpu() for part in outputs_of(net, x.to(parts.device), parts.normalization, keep=False)])
    h, logits = (torch.cat(part) for part in zip(*outputs, strict=True)) if outputs else (torch.empty(0, 0), torch.empty(0, 0))
    return Predicted(read, h, logits), problems


def picture_reader(source: Dataset, white: int | None = None) -> Reader:
    """The reading of pictures that a run was trained with. white: stated anew. Raises InputError."""
    check_square(source.image_shape)
    reader = source.reader if isinstance(source, ImageFolder) else facts_of(source).reader
    if white is None:
        return reader
    if isinstance(reader, MeasuredReader):
        raise InputError("--white: this run reads the values that files hold, of the range that it was trained with; leave --white out")
    return replace(reader, white=white)


def check_square(image_shape: tuple[int, ...]) -> None:
    """Raise InputError unless examples are square images [C, H, W]."""
    if len(image_shape) != 3:
        raise InputError("the run classifies points of the plane, not images; give a run that was trained on images")
    _, height, width = image_shape
    if height != width:
        raise InputError(f"the run's images are {height} x {width} pixels; files can only be cropped to squares")
