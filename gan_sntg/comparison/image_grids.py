"""Sample grids of several runs side by side, with a slider over the epochs."""

import base64
import io

from PIL import Image

from gan_sntg.comparison.html import Markup, element, joined, named
from gan_sntg.comparison.runs import LATENT, Comparison, Run, read_png


def samples(comparison: Comparison) -> Markup:
    """The slider and a figure a run that has a generator, then real images or why there are none."""
    runs, epochs, real, _ = comparison
    figures = [figure(k, run, epochs) for k, run in enumerate(runs) if run.has_generator]
    if not epochs:
        return element("p", "No grid yet." if figures else "No run has a generator.", class_="quiet")
    without = ", ".join(run.name for run in runs if not run.has_generator)
    return joined(
        element("p", said_of(runs, epochs), f" Without a generator: {without}." if without else "", class_="quiet"),
        slider(epochs),
        element("div", *figures, real_images(real.picture) if real.picture else "", class_="grids"),
        "" if real.picture else element("p", f"No real images beside: {real.missing or 'the data are no images'}.", class_="quiet missing"),
    )


def said_of(runs: list[Run], epochs: list[int]) -> str:
    """Whether places of the grids have the same z, and which epochs there are."""
    sizes = {run.options.get(LATENT) for run in runs if run.has_generator}
    same = (
        "The same place is the same z, in all runs and epochs." if len(sizes) == 1 else "Latent sizes differ: no z is the same in all runs."
    )
    there = len({epoch for run in runs for epoch in run.grids})
    thinned = f" {len(epochs)} of {there} epochs are kept, to keep the page small." if len(epochs) < there else ""
    return same + thinned


def slider(epochs: list[int]) -> Markup:
    """Over the places of `epochs`, at the last."""
    last = len(epochs) - 1
    known = {"data_epochs": " ".join(map(str, epochs)), "aria_valuetext": f"epoch {epochs[-1]}"}
    return element(
        "div",
        element("label", "Epoch", for_="epoch"),
        element("input", type="range", id="epoch", min=0, max=last, step=1, value=last, disabled=not last, autocomplete="off", **known),
        element("output", epochs[-1], for_="epoch", id="at", aria_live="polite"),
        class_="bar",
    )


def figure(index: int, run: Run, epochs: list[int]) -> Markup:
    """The grids of a run that are shown at some of the epochs, one above the other; the last one can be seen."""
    shown = sorted({e for e in map(run.grid_at, epochs) if e is not None})
    images = [image(read_png(run.grids[e]), f"{run.name}: grid drawn at epoch {e}", hidden=e != shown[-1], data_epoch=e) for e in shown]
    said = f"epoch {shown[-1]}" if shown else "no grid yet"
    return element("figure", element("figcaption", named(index, run.name), element("span", said, class_="said")), *images, class_="run")


def real_images(picture: bytes) -> Markup:
    """Their grid, under a caption as the others have."""
    title = element("figcaption", element("span", "real", class_="name"), element("span", "training images", class_="said"))
    return element("figure", title, image((picture, Image.open(io.BytesIO(picture))), "Grid of training images"))


def image(found: tuple[bytes, Image.Image], alt: str, **attributes: object) -> Markup:
    """A PNG within the page."""
    data, picture = found
    source = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    size = {"width": picture.width, "height": picture.height, "style": f"--natural: {picture.width}px"}
    return element("img", src=source, alt=alt, decoding="sync", **size, **attributes)
