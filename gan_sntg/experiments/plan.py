"""The plan of a grid: every cell's configuration and words, checked before anything runs."""

import math
from pathlib import Path

import yaml
from jsonargparse import Namespace

from gan_sntg.errors import InputError
from gan_sntg.experiments.grid import Cell, Grid
from gan_sntg.experiments.results import asked_for
from gan_sntg.runs.options import config_parser, flat, identity
from gan_sntg.runs.parsing import Parser
from gan_sntg.runs.seeds import whole_numbers

DECAYS = ("decay", "average_decay", "early_decay")


def shortened(tree: dict, scale: float, key: str = "") -> dict[str, str]:
    """{dotted option: value} of what changes in a configuration's tree. Raises InputError where an average would remember nothing."""
    found = {}
    for name, value in tree.items():
        path = f"{key}.{name}".lstrip(".")
        if isinstance(value, dict):
            found |= shortened(value, scale, path)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            new = scaled(name, value, scale, path)
            found |= {path: repr(new)} if new != value else {}
    return found


def scaled(name: str, value: int | float, scale: float, path: str) -> int | float:
    """The value of one option."""
    if name == "epochs" or name.endswith("_epochs"):
        return length(value, scale)
    return decay(value, scale, path) if name in DECAYS else value


def length(epochs: int | float, scale: float) -> int | float:
    """Whole numbers stay whole; none and endless ones stay as they are."""
    if not epochs or math.isinf(epochs):
        return epochs
    return max(1, round(epochs * scale)) if isinstance(epochs, int) else round(epochs * scale, 10)


def decay(value: float, scale: float, path: str) -> float:
    """1 - (1 - value) / scale. Raises InputError where that is below 0."""
    found = round(1 - (1 - value) / scale, 10)
    if found < 0:
        raise InputError(f"--scale {scale:g}: {path} {value:g} would be {found:g}; give a larger scale, at least {1 - value:g}")
    return found


OWN = "--seed", "--seeds", "--data_seed", "--data_seeds", "--out", "--threads"  # of `train`, that each cell has by itself


def make_plan(grid: Grid, options: Namespace) -> tuple[list[Cell], dict[str, dict[str, str]], Path]:
    """The cells, by their name the configuration of their runs, and the report's path without an ending. Raises InputError."""
    seeds, name = checked(options, grid)
    out = Path(options.out or Path("runs/reproduce") / name)
    configs, words = resolve_configs(grid, options)
    return grid.cells(seeds, options.only, out, words), configs, Path(options.report or out / "report") / name


def checked(options: Namespace, grid: Grid) -> tuple[list[int], str]:
    """The seeds, and what the report is called. Raises InputError for values that cannot be."""
    seeds = whole_numbers("seeds", options.seeds or grid.seeds)
    if len(set(seeds)) < len(seeds):
        raise InputError(f"--seeds is {options.seeds!r}: one is there twice; give each once")
    if not (math.isfinite(options.scale) and 0 < options.scale <= 1):
        raise InputError(f"--scale is {options.scale:g}; give a part of the schedules' length, such as 0.1, or 1 for all of it")
    for option, least in (("processes", 1), ("threads", 1), ("retries", 0)):
        if options[option] is not None and options[option] < least:
            raise InputError(f"--{option} is {options[option]}; give at least {least}")
    if options.engine not in ("local", "ray"):
        raise InputError(f"--engine is {options.engine!r}; give local or ray")
    if options.engine == "local" and (options.address or options.gpus):
        raise InputError("--address and --gpus are of --engine ray; give that too, or leave them out")
    taken = [word for word in options.words if word.split("=")[0] in OWN]
    if taken:
        raise InputError(f"{taken[0]} cannot stand after --, for every cell has its own; give --seeds, --out or --threads before it")
    return seeds, grid.name + (f"_scale{options.scale:g}" if options.scale != 1 else "")


def resolve_configs(grid: Grid, options: Namespace) -> tuple[dict[str, dict[str, str]], dict[str, list[str]]]:
    """By cell name: the configuration of its runs, flat and without seeds, and the words that it takes beside the grid's.

    Raises InputError where an option is none, or the schedules cannot be so short.
    """
    configs, words, reader = {}, {}, config_parser()
    for row, column in grid.chosen(options.only):
        cell = grid.cell(row, column, 0, Path(), [])
        tree = parsed(reader, cell.words)
        changes = shortened(tree, options.scale) if options.scale != 1 else {}
        more = [word for name, value in changes.items() for word in (f"--{name}", value)] + options.words
        words[cell.name] = more
        configs[cell.name] = asked_for(flat(parsed(reader, [*cell.words, *more, "--threads", str(options.threads)])), cell)
    return configs, words


def parsed(reader: Parser, words: list[str]) -> dict:
    """The tree of options that is what a run is."""
    return identity(yaml.safe_load(reader.dump(reader.parse_args(words), skip_unset=False)))
