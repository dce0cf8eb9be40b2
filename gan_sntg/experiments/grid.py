"""Grids of runs: rows (methods) x columns (data sets) x seeds, read from a YAML file."""

import fnmatch
import re
import shlex
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from gan_sntg.errors import InputError, refusing
from gan_sntg.files.json_files import read_json
from gan_sntg.files.yaml_files import beside, config_file, load_yaml
from gan_sntg.runs.parsing import Parser

KEY = r"[a-z0-9]([a-z0-9_.-]*[a-z0-9_-])?"  # of rows and columns, which name folders
FIGURES = "regions", "curves", "signals", "noise", "labels", "embedding", "samples"  # kinds of figure that a grid may end in
T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """One method: its YAML (default: the key's), the row that it is compared with, the paper's errors.

    paper: by column, as printed; options: words of `train`; tuned: SEARCH/STUDY of `gan-sntg tune`, whose choice follows them; first:
    words of a `gan-sntg` command to run before each cell; needs: the row whose run that reads, at the same column and seed; ranks:
    processes of torchrun that train each run. In options and first, {files} is a path beside the cell's run folder, without an ending, and
    {needed} the run folder of that row.
    """

    key: str
    name: str
    method: str = ""
    options: str = ""
    tuned: str = ""
    against: str | None = None
    paper: dict[str, str] = field(default_factory=dict)
    first: str = ""
    needs: str | None = None
    ranks: int = 1


@dataclass(frozen=True)
class Column:
    """One data set or setting: the folder of its configurations (default: the key), and words of `train`."""

    key: str
    name: str
    folder: str = ""
    options: str = ""


@dataclass(frozen=True)
class Grid:
    """A table or figure: rows x columns, each cell at every seed. Raises ValueError where they don't fit.

    of: the paper's table or figure, if it is one; seeds: where --seeds gives none;
    options: words of every `train`; figure: `kind` and what that takes, for a grid that ends in a picture; config_name: the YAML of all
    cells, where they have one.
    """

    name: str
    title: str
    rows: dict[str, Row]
    columns: dict[str, Column]
    seeds: str = "0..9"
    of: str = ""
    options: str = ""
    figure: dict = field(default_factory=dict)
    config_name: str = ""

    def __post_init__(self):
        for row in self.rows.values():
            cells = {c.key for r, c in self.cells.values() if r is row}
            if missing := sorted(set(row.paper) - cells) or list(self.columns) * (not cells):
                column = self.columns.get(missing[0])
                raise ValueError(f"row {row.key} has no {self.config(row, column)}" if column else f"row {row.key}: no column {missing[0]}")
            for other in filter(None, (row.against, row.needs)):
                if other not in self.rows:
                    raise ValueError(f"row {row.key} names the row {other}, which is not there")
        if self.figure and self.figure.get("kind") not in FIGURES:
            raise ValueError(f"a figure of kind {self.figure.get('kind')!r} is not drawn; the kinds are {', '.join(FIGURES)}")
        if self.figure.get("kind") == "labels" and not positive(self.figure.get("per_class"), self.columns):
            raise ValueError("a figure of kind labels takes per_class: {COLUMN: labels per class}, a number above 0 for each column")

    def config(self, row: Row, column: Column) -> str:
        """The YAML of a cell, as `config_file` finds it; the cell exists where that does."""
        return self.config_name or f"configs/{column.folder or column.key}/{row.method or row.key}.yaml"

    @cached_property
    def cells(self) -> dict[str, tuple[Row, Column]]:
        """Row and column of every cell by its name COLUMN/ROW, column after column."""
        found = {}
        for column, row in product(self.columns.values(), self.rows.values()):
            with suppress(InputError):  # there is no such cell
                config_file(self.config(row, column))
                found[f"{column.key}/{row.key}"] = row, column
        return found

    def chosen(self, only: list[str]) -> list[tuple[Row, Column]]:
        """The cells whose name matches a pattern, or all. Raises InputError where a pattern matches none."""
        for pattern in only:
            if not fnmatch.filter(self.cells, pattern):
                raise InputError(f"--only {pattern!r} matches no cell of {self.name}; there are {', '.join(self.cells)}")
        return [cell for name, cell in self.cells.items() if not only or any(fnmatch.fnmatch(name, pattern) for pattern in only)]

    def words(self, row: Row, column: Column) -> list[str]:
        """The words of `train`, but for seeds, places and a scaled schedule."""
        given = [word for part in (self.options, column.options, row.options) for word in shlex.split(part)]
        return ["--config", str(config_file(self.config(row, column))), *given, *tuned_words(row.tuned)]


def tuned_words(name: str) -> list[str]:
    """The words of `train` that a study chose; [] for none. Raises InputError where nothing is chosen."""
    if not name:
        return []
    search, _, study = name.partition("/")
    here = Path("results/search") / f"{search}.json"
    file = here if here.is_file() else beside("results") / "search" / here.name
    with refusing(f"{file} does not say what {name} chose", f"run `gan-sntg tune {search} --only {study} --report results/search`"):
        chosen = read_json(file)[study]["chosen"]
        return [word for option, value in chosen.items() for word in (f"--{option}", str(value))]


def load_grid(name: str) -> Grid:
    """Read a grid of configs/grids, or a YAML file of one. Raises InputError, also for a run's."""
    if is_config(name):
        what = f"{name} is a configuration of `gan-sntg train`, not a grid"
        raise InputError(f"{what}; add --labels_per_class, such as 5,10,20,40, to train it with so many labels of each class")
    return load_table(Grid, name, "grids", "table4")


def positive(numbers: Any, keys: Iterable[str]) -> bool:
    """Whether each key has a number above 0."""
    found = [numbers.get(key) for key in keys] if isinstance(numbers, dict) else [None]
    return all(isinstance(number, int | float) and number > 0 for number in found)


def is_config(name: str) -> bool:
    """Whether a name or path is that of a configuration of `train`."""
    with suppress(InputError):  # there is no such file
        return "method" in load_yaml(config_file(name))
    return False


def load_table(of: type[T], name: str, folder: str, example: str, key: str = KEY) -> T:
    """Read a dataclass with rows from a YAML of configs/<folder>, or a YAML file.

    key: pattern of the keys of rows and columns. Raises InputError for another key, and for what the dataclass does not take.
    """
    path = config_file(name if name.endswith((".yaml", ".yml")) else f"configs/{folder}/{name}.yaml")
    tree, reader = load_yaml(path), Parser()
    reader.add_class_arguments(of)
    try:
        keys = {part: keyed(tree[part], key) for part in ("rows", "columns") if part in tree}
        return of(**vars(reader.instantiate(reader.parse_object({"name": path.stem} | tree | keys))))
    except (KeyError, TypeError, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        raise InputError(f"{path} is no {of.__name__.lower()} ({said}); configs/{folder}/{example}.yaml is one") from error


def keyed(tree: dict, pattern: str) -> dict[str, dict]:
    """Rows or columns with their keys. Raises ValueError for a key that can be no folder."""
    for key in tree:
        if not isinstance(key, str) or not re.fullmatch(pattern, key):
            raise ValueError(f"{key!r} can be no key; keys are small letters, digits, _ - and dots")
    return {key: {"key": key} | options for key, options in tree.items()}
