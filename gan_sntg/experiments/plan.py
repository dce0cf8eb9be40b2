"""The plan of a grid: every cell with its configuration, built and checked before anything runs."""

import json
import shlex
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from jsonargparse import Namespace
from jsonargparse.typing import restricted_number_type

from gan_sntg.errors import InputError
from gan_sntg.experiments.grid import Column, Grid, Row, load_grid
from gan_sntg.files.import_paths import allow_words
from gan_sntg.files.yaml_files import config_file, value_of
from gan_sntg.runs.build import build, read_or_make_split, source_of
from gan_sntg.runs.folder import RunFolder
from gan_sntg.runs.options import config_reader, flat, identity, is_length
from gan_sntg.runs.seeds import whole_numbers

Scale = restricted_number_type("Scale", float, [(">", 0), ("<=", 1)])
DECAYS = ("decay", "average_decay", "early_decay")
SEEDS = ("seed", "data_seed")
OWN = "--seed", "--seeds", "--data_seed", "--data_seeds", "--out", "--threads"  # of `train`, that each cell has by itself
WEIGHT = "method.init_args.sntg.init_args.weight"


@dataclass(frozen=True)
class Cell:
    """One run: its folder, the words of `train`, and the configuration that they stand for.

    words: but for --out and --threads; config: but for seeds; first: words of a `gan-sntg` command to run before it; needed: the folder
    of the run which that reads.
    """

    row: Row
    column: Column
    seed: int
    folder: Path
    words: list[str]
    config: dict[str, str]
    first: list[str] = field(default_factory=list)
    needed: Path | None = None

    @property
    def name(self) -> str:
        """The name that --only matches."""
        return f"{self.column.key}/{self.row.key}"


@dataclass(frozen=True)
class Plan:
    """The chosen cells of a grid at every seed, and their report's path without ending."""

    grid: Grid
    cells: list[Cell]
    report: Path
    options: Namespace

    @property
    def heading(self) -> str:
        """The title of the report, which names a shortened schedule."""
        of, scale = f"{self.grid.of}: " if self.grid.of else "", self.options.scale
        length = f", at {scale:g} of the schedules' length (averages, ramps and decay scaled with it)" if scale != 1 else ""
        return f"{of}{self.grid.title}{length}"

    @property
    def command(self) -> str:
        """What makes the report again, wherever it is run, but for runs of earlier reports."""
        given = self.options
        words = ["gan-sntg", "reproduce", given.grid]
        words += ["--labels_per_class", given.labels_per_class] if given.labels_per_class else []
        words += ["--seeds", given.seeds or self.grid.seeds]
        words += ["--only", *given.only] if given.only else []
        words += ["--scale", f"{given.scale:g}"] if given.scale != 1 else []
        words += ["--threads", str(given.threads)] if given.threads != 1 else []
        words += ["--interval", given.interval] if given.interval != "student" else []
        words += ["--test_errors", "true"] if given.test_errors else []
        words += allow_words()
        return shlex.join([*words, "--", *given.words] if given.words else words)


def make_plan(grid: Grid, options: Namespace) -> Plan:
    """Plan what the options of `reproduce` ask for. Raises InputError for what cannot be."""
    seeds = whole_numbers("seeds", options.seeds or grid.seeds)
    if len(set(seeds)) < len(seeds):
        raise InputError(f"--seeds is {options.seeds!r}: one is there twice; give each once")
    if taken := [word for word in options.words if word.split("=")[0] in OWN]:
        raise InputError(f"{taken[0]} cannot stand after --, for every cell has its own; give --seeds, --out or --threads before it")
    name = grid.name + (f"_scale{options.scale:g}" if options.scale != 1 else "")
    out = Path(options.out or Path("runs/reproduce") / name)
    cells = plan_cells(grid, grid.chosen(options.only), seeds, out, options)
    return Plan(grid, cells, Path(options.report or out / "report") / name, options)


def plan_cells(grid: Grid, pairs: Iterable[tuple[Row, Column]], seeds: Iterable[int], out: Path, options: Namespace) -> list[Cell]:
    """The cells of these rows and columns at every seed, in folders below `out`. Raises InputError."""
    complete = cache(lambda *words: completed(words, options))
    return [plan_cell(grid, row, column, seed, out, complete) for row, column in pairs for seed in seeds]


def label_grid(options: Namespace) -> Grid:
    """The grid of --labels_per_class: a column a number, rows without and with SNTG.

    Without SNTG in the configuration there is one row. Raises InputError.
    """
    path, numbers = train_config(options.grid), label_numbers(options.labels_per_class)
    words = ["--config", str(path), *options.words]
    k = count_classes(config_reader().parse_args(words))
    columns = [Column(str(n), f"{n} label{'s' * (n > 1)} per class", options=f"--labels {n * k}") for n in numbers]
    rows = [Row("as_configured", path.stem)]
    if float(configuration(words).get(WEIGHT, 0)):
        rows = [Row("without_sntg", "without SNTG", options=f"--{WEIGHT} 0"), Row("as_configured", "with SNTG", against="without_sntg")]
    folder = path.resolve().parent.name
    return Grid(
        name=f"{folder}-{path.stem}-labels",
        title=f"error rates (%) of {folder}/{path.stem} by labels per class",
        rows={row.key: row for row in rows},
        columns={column.key: column for column in columns},
        figure={"kind": "labels", "per_class": dict(zip(map(str, numbers), numbers, strict=True))},
        config_name=str(path),
    )


def train_config(name: str) -> Path:
    """The YAML of a configuration of `train`. Raises InputError, also for a grid."""
    try:
        load_grid(name)
    except InputError:  # as it should be
        return config_file(name)
    raise InputError(f"{name} is a grid, which has its own labels; leave --labels_per_class out, or name a configuration: digits_20/fm_gan")


def label_numbers(text: str) -> list[int]:
    """The numbers of --labels_per_class. Raises InputError unless they rise from 1 on."""
    numbers = whole_numbers("labels_per_class", text)
    if any(n <= before for before, n in zip([0, *numbers], numbers, strict=False)):
        raise InputError(f"--labels_per_class is {text!r}; give numbers from 1 on, each once and the smaller before the larger: 5,10,20,40")
    return numbers


def count_classes(options: Namespace) -> int:
    """K as the class of the data declares it, or else the data, which are read."""
    module, _, name = options.data.class_path.rpartition(".") if options.data else ("", "", "")
    declared = getattr(getattr(sys.modules.get(module), name, None), "num_classes", None)
    return declared if isinstance(declared, int) else source_of(options).num_classes


def check_labels(plan: Plan) -> None:
    """Raise InputError where words after -- undo labels or weights, or the data have too few labels."""
    for cell in plan.cells:
        if cell.column.options != f"--labels {cell.config['labels']}":
            raise InputError("--labels after -- would be that of every run; leave it out: --labels_per_class gives each its own")
        if cell.row.options and float(cell.config[WEIGHT]):
            raise InputError("--method.sntg.weight after -- would be that of the runs without SNTG too; give it in a YAML file of your own")
    if todo := [cell for cell in plan.cells if not RunFolder(cell.folder).finished]:
        most = max(todo, key=lambda cell: int(cell.config["labels"]))
        options = config_reader().parse_args(most.words)
        source = source_of(options)
        try:
            read_or_make_split(options, source)
        except InputError as error:
            raise InputError(f"--labels_per_class {most.column.key}, {source.num_classes} classes: {error}") from error


def plan_cell(grid: Grid, row: Row, column: Column, seed: int, out: Path, complete: Callable) -> Cell:
    """The run of one seed, which is also that of its label draw. complete: `completed`, cached."""
    folder = out / column.key / row.key / str(seed)
    needed = out / column.key / row.needs / str(seed) if row.needs else None
    places = {"files": folder.with_suffix(".files"), "needed": needed}
    words, first = ([word.format(**places) for word in given] for given in (grid.words(row, column), shlex.split(row.first)))
    more, config = complete(*words)
    return Cell(row, column, seed, folder, [*words, *more, "--seed", str(seed), "--data_seed", str(seed)], config, first, needed)


def completed(words: tuple[str, ...], options: Namespace) -> tuple[list[str], dict[str, str]]:
    """The words that --scale and the command line add to a cell's, and its configuration."""
    base = [*words, "--threads", str(options.threads)]
    config = configuration(base if options.scale != 1 else [*base, *options.words])
    changes = shortened(config, options.scale) if options.scale != 1 else {}
    more = [*(word for name, value in changes.items() for word in (f"--{name}", value)), *options.words]
    return more, configuration([*base, *more]) if options.scale != 1 and options.words else config | changes


def configuration(given: list[str] | dict) -> dict[str, str]:
    """{option: value} that makes a run what it is, but for seeds, of words or a tree. Raises InputError."""
    reader = config_reader()
    options = reader.parse_object(given) if isinstance(given, dict) else reader.parse_args(given)
    tree = identity(json.loads(reader.dump(options, format="json", skip_unset=False, skip_validation=True)))
    return {name: value for name, value in flat(tree).items() if name not in SEEDS}


def shortened(config: dict[str, str], scale: float) -> dict[str, str]:
    """{option: value} that --scale changes: lengths, but for 0 and infinity, and memories."""
    found = {}
    for path, text in config.items():
        name = path.rpartition(".")[2]
        if name in DECAYS or is_length(name):
            value = value_of(text)
            if isinstance(value, int | float) and (new := scaled(name in DECAYS, value, scale, path)) != value:
                found[path] = repr(new)
    return found


def shorten(options: Namespace, scale: float) -> None:
    """Give parsed options the lengths that --scale makes of theirs. Raises InputError, see `scaled`."""
    text = config_reader().dump(options, format="json", skip_unset=False, skip_validation=True)
    for path, new in shortened(flat(json.loads(text)), scale).items():
        options[path] = value_of(new)


def scaled(memory: bool, value: int | float, scale: float, path: str) -> int | float:
    """A shorter length, whole ones at least 1, or 1 - (1 - decay) / scale. Raises InputError below 0."""
    if not memory:
        return max(min(value, 1), round(value * scale)) if isinstance(value, int) else round(value * scale, 10)
    new = round(1 - (1 - value) / scale, 10)
    if new < 0:
        raise InputError(f"--scale {scale:g}: {path} {value:g} would be {new:g}; give a larger scale, at least {1 - value:g}")
    return new


def refusal(words: list[str]) -> str | None:
    """Why a run of these words is refused before it begins; None where it is not."""
    reader = config_reader()
    try:
        build(reader, reader.parse_args(words))
    except InputError as error:
        return str(error)
    return None
