"""Sample grids of several runs in one picture for TensorBoard's image tab."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps
from torch.utils.tensorboard import SummaryWriter

from gan_sntg.comparison.runs import ComparedRun, read_png

SUFFIX = ".compare"  # of the event files
WIDTH, GAP, CAPTION, FONT = 300, 10, 26, 18  # pixels: the least width of a grid, between two of them, the names' line, its letters


def write_panels(folder: Path, runs: list[ComparedRun], epochs: list[int]) -> None:
    """Write the tag `samples`, an image at each epoch, in place of what was there."""
    for old in folder.glob(f"events.out.tfevents.*{SUFFIX}"):
        old.unlink()
    if not epochs:
        return
    drawing = [run for run in runs if run.has_generator]
    with SummaryWriter(str(folder), filename_suffix=SUFFIX) as writer:
        for epoch in epochs:
            writer.add_image("samples", panel([captioned(run, epoch) for run in drawing]), epoch, dataformats="HWC")


def captioned(run: ComparedRun, epoch: int) -> tuple[str, Image.Image | None]:
    """The name and the grid at `epoch`, or the nearest before it, whose epoch is then in the caption."""
    at = run.grid_at(epoch)
    if at is None:
        return f"{run.name} (no grid yet)", None
    return run.name if at == epoch else f"{run.name} (epoch {at})", read_png(run.grids[at])[1]


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
