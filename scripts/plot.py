"""Draw finished runs: decision regions (Fig. 2), error curves (Fig. 3) or test features (Fig. 5).

python scripts/plot.py regions RUN ... --out a.png         runs on two moons or four spins; crosses are the labelled points
python scripts/plot.py curves NAME=RUN[,RUN...] ...        mean and range over the runs of each name
python scripts/plot.py embedding RUN ... --how tsne        the features also go to each run's TensorBoard, tab "projector"

All three show the averaged classifier.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

from gan_sntg.errors import InputError
from gan_sntg.experiments.figures import curve, features, finished, regions, title
from gan_sntg.experiments.plots import PROJECTIONS, project, save_curves, save_embedding, save_regions
from gan_sntg.experiments.scripts import run_script
from gan_sntg.files.paths import at_home
from gan_sntg.runs.build import class_names, load
from gan_sntg.runs.tensorboard import write_projector


def named(words: list[str]) -> dict[str, list[Path]]:
    """{name: run folders} of words NAME=RUN,RUN. Raises InputError."""
    found: dict[str, list[Path]] = {}
    for word in words:
        name, _, runs = word.partition("=")
        if not name or not all(runs.split(",")):
            raise InputError(f"{word!r} is not NAME=RUN[,RUN...]; name the curve and the run folders that it is the mean of")
        if name in found:
            raise InputError(f"{name} stands there twice; give all run folders of one curve together, with commas between")
        found[name] = [at_home(run) for run in runs.split(",")]
    return found


def embed(runs: list[Path], how: str, n: int, out: Path) -> None:
    """Draw the panels and write the projectors. Raises InputError for runs on different data."""
    folders = [finished(run) for run in runs]
    loaded = [load(str(folder.path), "auto") for folder in folders]
    source = loaded[0][0].source
    for run, (parts, _) in zip(runs, loaded, strict=True):
        if parts.source.sha256 != source.sha256:
            raise InputError(f"{run} was trained on other data than {runs[0]}; give runs on the same data set")
    index, every = features([parts for parts, _ in loaded], n)
    names, y = class_names(source), source.test_y[index]
    save_embedding(out, [(title(p.method), project(h, how)) for h, (p, _) in zip(every, loaded, strict=True)], y, names)
    images = source.pixels.shown(source.test_x[index]) if len(source.image_shape) == 3 else None
    for folder, (_, progress), h in zip(folders, loaded, every, strict=True):
        write_projector(folder.tensorboard, progress.step, h, [names[k] for k in y], images)
        print(f"projector: {folder.tensorboard}")


def main(kind: str, runs: list[str], out: Path, title: str, most: float | None, how: str, n: int) -> None:
    """Draw, and print where the picture is."""
    if kind == "regions":
        save_regions(out, [regions(at_home(run)) for run in runs])
    elif kind == "curves":
        save_curves(out, {name: curve(name, folders) for name, folders in named(runs).items()}, title, most)
    else:
        embed([at_home(run) for run in runs], how, n, out)
    print(out)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("regions", "curves", "embedding"))
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders; of curves, NAME=RUN[,RUN...]")
    parser.add_argument("--out", type=at_home, default=Path("figure.png"), help="PNG file")
    parser.add_argument("--title", default="", help="above the curves")
    parser.add_argument("--most", type=float, help="where the axis of the curves' errors ends, in percent")
    parser.add_argument("--how", choices=list(PROJECTIONS), default="tsne", help="projection of features")
    parser.add_argument("--n", type=int, default=2000, help="test examples whose features are shown, drawn once for all runs")
    run_script(main, parser)
