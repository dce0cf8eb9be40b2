"""How do the features of test images lie (Fig. 5)? h of finished runs projected to two dimensions, one panel a run.

python scripts/studies/fig5.py RUN [RUN ...] --how tsne --n 2000 --out docs/fig5.png

h is the averaged classifier's. The features themselves, with labels and thumbnails, go to each run's TensorBoard, tab "projector".
"""

import argparse
import contextlib
import io
from pathlib import Path

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from gan_sntg.errors import InputError
from gan_sntg.experiments.figures import chosen, features
from gan_sntg.experiments.plots import PROJECTIONS, Embedding, project, save_embedding
from gan_sntg.experiments.search import finished, run_script, title
from gan_sntg.runs.loading import class_names, load


def write_projector(folder: Path, step: int, h: Tensor, labels: list[str], x: Tensor) -> None:
    """TensorBoard's projector of h [n, D] in `folder`: labels [n] and, where x [n, ...] are images (uint8), thumbnails of them."""
    images = x / 255 if x.dim() == 4 else None
    with SummaryWriter(str(folder)) as writer, contextlib.redirect_stdout(io.StringIO()):  # it warns when it writes over itself
        writer.add_embedding(h, labels, images, step, "test")


def main(arguments: list[str]) -> None:
    """Draw the panels, write the projectors and print where they are. Raises InputError for runs on different data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders, 1 to 4")
    parser.add_argument("--how", choices=list(PROJECTIONS), default="tsne", help="projection")
    parser.add_argument("--n", type=int, default=2000, help="test examples, drawn once for all runs")
    parser.add_argument("--out", type=Path, default=Path("docs/fig5.png"), help="PNG file")
    options = parser.parse_args(arguments)
    folders = [finished(run) for run in options.runs]
    loaded = [load(str(folder.path), "auto") for folder in folders]
    source = loaded[0][0].source
    for folder, (parts, _) in zip(folders, loaded, strict=True):
        if parts.source.sha256 != source.sha256:
            raise InputError(f"{folder.path} was trained on other data than {folders[0].path}; give runs on the same data set")
    index = chosen(loaded[0][0], options.n)
    names, y = class_names(source), source.test_y[index]
    every = [features(parts, index) for parts, _ in loaded]
    panels = [Embedding(title(parts.method), project(h, options.how), y) for h, (parts, _) in zip(every, loaded, strict=True)]
    save_embedding(options.out, panels, names)
    print(options.out)
    for folder, (_, progress), h in zip(folders, loaded, every, strict=True):
        write_projector(folder.tensorboard, progress.step, h, [names[k] for k in y], source.test_x[index])
        print(f"projector: {folder.tensorboard}")


if __name__ == "__main__":
    run_script(main)
