"""Make a graph that is fixed before training: nearest neighbours of pixels, or a run's predictions."""

from math import ceil
from pathlib import Path
from typing import Literal

import torch
from jsonargparse import Namespace
from torch import Tensor

from gan_sntg.data.loader import UNLABELED
from gan_sntg.errors import InputError
from gan_sntg.evaluation.classification import logits_of
from gan_sntg.files.atomic import writable
from gan_sntg.graph.adjacency import NEIGHBORS, PREDICTIONS, write_neighbors, write_predictions
from gan_sntg.graph.neighbors import BLOCK, nearest
from gan_sntg.runs.build import load, pick_device, run_parser, shown, source_of
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.options import config_parser
from gan_sntg.runs.parsing import Parser

AT_ONCE = 1000  # images classified between two movements of the bar
HELP = {
    NEIGHBORS: "the k nearest of every training image, exactly, by the distance of raw pixels; --out FILE.npz",
    PREDICTIONS: "the class that a finished run predicts of every training image; --out FILE.npz",
}


def parser() -> Parser:
    """neighbors, with the options of a run, of which data, --out and --device count, and predictions."""
    parser = Parser(prog="gan-sntg graph", description="Write a graph of all training images for NeighborGraph or FixedGraph.")
    commands = parser.add_subcommands(title="commands", metavar="|".join(HELP))
    neighbors, predictions = config_parser(), run_parser(f"graph {PREDICTIONS}", "")
    neighbors.add_argument("--k", type=int, default=10, help="neighbours of an image")
    predictions.add_argument("--out", type=str | None, default=None, help="file to write")
    predictions.add_argument("--classifier", type=Literal["last", "averaged"], default="averaged", help="which weights")
    for name, options in (NEIGHBORS, neighbors), (PREDICTIONS, predictions):
        options.epilog = None
        options.description = f"gan-sntg graph {name}: {HELP[name]}."
        commands.add_subcommand(name, options, help=HELP[name])
    return parser


def run(options: Namespace) -> None:
    """Do what was asked for."""
    {NEIGHBORS: neighbors, PREDICTIONS: predictions}[options.subcommand](options[options.subcommand])


def neighbors(options: Namespace) -> None:
    """Write the nearest neighbours; print the file and the share of them that have the image's own label."""
    out, device = writable(options.out), pick_device(options.device)
    source = source_of(options)
    blocks = nearest(source.train_x.to(device), options.k)
    found = torch.cat([block.cpu() for block in shown(blocks, ceil(source.num_examples / BLOCK))])
    write_neighbors(out, source.sha256, found)
    same = source.train_y[found] == source.train_y.unsqueeze(1)
    known = (source.train_y[found] != UNLABELED) & (source.train_y != UNLABELED).unsqueeze(1)
    print(f"{out}\n{options.k} neighbours of each of {len(found):,} images; {share(same, known)} of them have the image's own label")


def predictions(options: Namespace) -> None:
    """Write the predictions; print the file and the share of them that are right, where that is known."""
    out, folder = writable(options.out), RunFolder(Path(options.run))
    if folder.config.exists() and not folder.finished:
        raise InputError(f"{folder.path} is not finished (no result.json in it); go on with the `gan-sntg train` that it was begun with")
    parts, _ = load(options.run, options.device, options.root, options.checkpoint)
    result, net = folder.read_result(), parts.method.classifiers[options.classifier]
    origin = f"{result[f'test_error_{options.classifier}']:.2f}", result["split_sha256"]
    blocks = parts.streams.pool.kept.split(AT_ONCE)
    found = torch.cat([logits_of(net, x, parts.normalization).argmax(1).cpu() for x in shown(blocks, len(blocks))])
    write_predictions(out, parts.source.sha256, found, type(parts.method).__name__, *origin)
    right = share(found == parts.source.train_y, parts.source.train_y != UNLABELED)
    print(f"{out}\nclasses of {len(found):,} images; {right} of them are right")


def share(of: Tensor, among: Tensor) -> str:
    """Percent of `among` (bool) that are also in `of`, as text."""
    return f"{100 * float((of & among).sum() / among.sum()):.2f} %" if among.any() else "an unknown share"
