"""Pages of scalars, options beside errors, pictures and features of runs, for TensorBoard."""

import contextlib
import io
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from gan_sntg.evaluation.classification import outputs_of
from gan_sntg.evaluation.samples import grid, save_png, stretched
from gan_sntg.files.mapped import indexed
from gan_sntg.rng import purpose_generator
from gan_sntg.runs.build import RunModel, RunObjects, class_names
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.options import identity

PAGES = {  # of the tab "custom scalars": title, then each chart and the beginnings of its tags
    "1 errors": {
        "test error, %": "test_error/(last|averaged)",
        "validation error, %": "validation_error/(last|averaged)",
        "error of the worst class, %": "(test|validation)_error/worst_class",
        "error of the zero-start average, %": "(test|validation)_error/zero_start",
        "other figures, %": "(test|validation)_(?!error/)",
    },
    "2 terms": {
        "discriminator": "d/",
        "generator": "g/",
        "classifier": "net/",
        "weights": "weight/",
        "learning rate": "learning_rate",
    },
    "3 graph": {
        "against hidden labels": "graph/(precision|recall|teacher_)",
        "distances": "graph/distance_",
        "negatives inside the margin, sure pairs": "graph/(negatives_|kept)",
        "loss without its weight": "graph/unweighted_loss",
        "shares of classes": "graph/.*share",
        "alarms": "graph/(absorbed|drawn_together)",
    },
    "4 GAN health": {
        "accuracy of D": "gan/(real|generated)_accuracy",
        "matching gap": "gan/matching_gap",
        "diversity": "gan/diversity",
        "effective rank": "gan/effective_rank",
        "copies and nearest images": "gan/(copies|nearest_share)",
        "classes of generated images": "gan/(class|largest_class)",
        "encoder, density and condition": "gan/(reconstruction|least_log_std|dense_share|effect_of_z|own_class)",
        "collapsed": "gan/collapsed",
    },
}
GRID_SIZE = 100  # images
FEATURES = 1000  # examples in the projector
SUFFIX = ".compare"  # of the event files of several runs
WIDTH, GAP, CAPTION, FONT = 300, 10, 26, 18  # pixels: the least width of a grid, between two of them, the names' line, its letters


def pages(tags: Iterable[str]) -> dict[str, dict[str, list]]:
    """The pages, each with those of its charts that show one of these tags."""
    shown = {page: {k: tag for k, tag in charts.items() if any(re.match(tag, name) for name in tags)} for page, charts in PAGES.items()}
    return {page: {chart: ["Multiline", [tag]] for chart, tag in charts.items()} for page, charts in shown.items() if charts}


def options_in(tree: object, path: str = "") -> dict[str, bool | int | float | str]:
    """The options of a configuration by their paths, as the command line has them."""
    if not isinstance(tree, dict):
        return {path: tree if isinstance(tree, bool | int | float) else str(tree)}
    branches = [(path if name in ("class_path", "init_args") else f"{path}.{name}".lstrip("."), branch) for name, branch in tree.items()]
    return {name: value for way, branch in branches for name, value in options_in(branch, way).items()}


def describe(folder: RunFolder, tags: list[str]) -> None:
    """Write the pages of these tags, and the run's options beside its errors for the tab "hparams"."""
    folder.writer.add_custom_scalars(pages(tags))
    errors = [tag for tag in tags if re.fullmatch(r"(test|validation)_\w+/(last|averaged)", tag)]
    chosen = [tag for tag in errors if tag.startswith("validation")] or errors  # who chooses by what is held out is not shown the rest
    experiment, options, _ = hparams(options_in(identity(folder.read_options())), dict.fromkeys(chosen, 0.0))
    writer = folder.writer.file_writer
    assert writer is not None
    writer.add_summary(experiment)
    writer.add_summary(options)


def draw_data(folder: RunFolder, parts: RunObjects, seed: int, new: bool) -> None:
    """Save a grid of training images; of a new run, log them as networks see them, then augmented."""
    x, _, index = parts.streams.example(GRID_SIZE, "display").view("unlabeled")
    pixels = parts.source.pixels
    if not folder.real.exists():
        save_png(folder.real, grid(pixels.shown(parts.streams.pool.images(index).cpu())))
    if not new or x.dim() != 4:
        return
    folder.log_image("training/normalized", grid(stretched(pixels.chosen(x)).cpu()), 0)
    if augmentation := getattr(parts.method, "augmentation", None):
        varied = augmentation(x, purpose_generator(seed, "display", x.device))
        folder.log_image("training/augmented", grid(stretched(pixels.chosen(varied)).cpu()), 0)


def project(folder: RunFolder, parts: RunModel, step: int) -> None:
    """Write the projector of some held-out examples or, where there are none, of test examples."""
    source, held_out = parts.source, parts.split.validation
    every = torch.tensor(held_out) if held_out else torch.arange(len(source.test_y))
    index = every[torch.randperm(len(every), generator=purpose_generator(0, "projector"))[:FEATURES]]
    x, y = (indexed(source.train_x, index), source.train_y[index]) if held_out else (indexed(source.test_x, index), source.test_y[index])
    h, _ = outputs_of(parts.method.classifiers["averaged"], x.to(parts.device), parts.normalization, keep=False)
    names = class_names(source)
    images = source.pixels.shown(x) if x.dim() == 4 else None
    write_projector(folder.tensorboard, step, h.cpu(), [names[k] for k in y], images)


def write_projector(folder: Path, step: int, h: Tensor, labels: list[str], images: Tensor | None) -> None:
    """Write h [n, D] with labels [n] and thumbnails uint8 [n, C, H, W] for TensorBoard's tab "projector"."""
    pictures = None if images is None else images / 255
    with SummaryWriter(str(folder)) as writer, contextlib.redirect_stdout(io.StringIO()):  # it warns when it writes over itself
        writer.add_embedding(h, labels, pictures, step, "test")


def write_panels(folder: Path, epochs: list[int], grids: Callable[[int], list[tuple[str, Image.Image | None]]]) -> None:
    """Write the tag `samples`, a picture of all grids per epoch, in place of what was there."""
    for old in folder.glob(f"events.out.tfevents.*{SUFFIX}"):
        old.unlink()
    if not epochs:
        return
    with SummaryWriter(str(folder), filename_suffix=SUFFIX) as writer:
        for epoch in epochs:
            writer.add_image("samples", panel(grids(epoch)), epoch, dataformats="HWC")


def panel(grids: list[tuple[str, Image.Image | None]]) -> np.ndarray:
    """Grids side by side under captions, enlarged by a whole number to at least WIDTH. uint8 [H, W, 3]."""
    blank, nearest = Image.new("RGB", (WIDTH, WIDTH), "white"), Image.Resampling.NEAREST
    pictures = [ImageOps.scale(picture, -(-WIDTH // picture.width), nearest) if picture else blank for _, picture in grids]
    height = CAPTION + max(picture.height for picture in pictures)
    whole = Image.new("RGB", (sum(p.width for p in pictures) + GAP * (len(pictures) - 1), height), "white")
    draw, font, left = ImageDraw.Draw(whole), ImageFont.load_default(FONT), 0
    for (caption, _), picture in zip(grids, pictures, strict=True):
        draw.text((left, 2), fitted(caption, font, picture.width), "black", font)
        whole.paste(picture, (left, CAPTION))
        left += picture.width + GAP
    return np.asarray(whole)


def fitted(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text in letters that the font has, its beginning cut off where it is too wide."""
    text = text.encode("ascii", "replace").decode()
    while len(text) > 4 and font.getlength(text) > width:
        text = "..." + text[4:]
    return text
