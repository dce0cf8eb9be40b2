"""Grids of runs: rows (methods) x columns (data sets) x seeds, read from a YAML file."""

import re
import shlex
from dataclasses import dataclass, field, fields
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from gan_sntg.errors import InputError
from gan_sntg.files.yaml_files import load_yaml

GRIDS = Path("configs/grids")
KEY = r"[a-z0-9][a-z0-9_.-]*"  # of rows and columns, which name folders


@dataclass(frozen=True)
class Row:
    """One method. method: its YAML, by default the key's; against: the row that it is compared with; paper: errors by column, as printed.

    options: words of `train`; first: words of a `gan-sntg` command to run before each cell, and needs: the row whose run it reads, at
    the same column and seed. In both, {files} is a path beside the cell's run folder, without an ending, and {needed} that run folder.
    """

    key: str
    name: str
    method: str = ""
    options: str = ""
    against: str | None = None
    paper: dict[str, str] = field(default_factory=dict)
    first: str = ""
    needs: str | None = None


@dataclass(frozen=True)
class Column:
    """One data set or setting. folder: of its configs, by default the key's; options: words of `train`."""

    key: str
    name: str
    folder: str = ""
    options: str = ""


class Cell(NamedTuple):
    """One run: where it goes, the words of `train` that make it but for --out and --threads, and what comes before it."""

    row: str
    column: str
    seed: int
    folder: Path
    words: list[str]
    first: list[str]
    needed: Path | None

    @property
    def name(self) -> str:
        """As --only matches it."""
        return f"{self.column}/{self.row}"

    @property
    def files(self) -> Path:
        """What the names of files that only this cell reads begin with."""
        return files_of(self.folder)


@dataclass(frozen=True)
class Grid:
    """title: what the table shows; of: the paper's table or figure, if it is one; seeds: as --seeds has them, when none are given.

    options: words of every `train`; figure: `kind` and what that takes, for a grid that ends in a picture.
    """

    name: str
    title: str
    rows: dict[str, Row]
    columns: dict[str, Column]
    seeds: str = "0..9"
    of: str = ""
    options: str = ""
    figure: dict = field(default_factory=dict)

    def config(self, row: Row, column: Column) -> Path:
        """The YAML of a cell; the cell is there where that is."""
        return Path("configs") / (column.folder or column.key) / f"{row.method or row.key}.yaml"

    def pairs(self) -> list[tuple[Row, Column]]:
        """Every row and column that have a cell."""
        return [(r, c) for c in self.columns.values() for r in self.rows.values() if self.config(r, c).is_file()]

    def chosen(self, only: list[str]) -> list[tuple[Row, Column]]:
        """Those whose cell's name matches a pattern, all where there is none. Raises InputError where a pattern matches none."""
        names = {f"{column.key}/{row.key}": (row, column) for row, column in self.pairs()}
        for pattern in only:
            if not any(fnmatch(name, pattern) for name in names):
                raise InputError(f"--only {pattern!r} matches no cell of {self.name}; there are {', '.join(names)}")
        return [pair for name, pair in names.items() if not only or any(fnmatch(name, pattern) for pattern in only)]

    def cells(self, seeds: list[int], only: list[str], out: Path, words: dict[str, list[str]]) -> list[Cell]:
        """The chosen ones at every seed, in runs below `out`; words: by cell's name, those on top of the grid's."""
        return [self.cell(r, c, seed, out, words.get(f"{c.key}/{r.key}", [])) for r, c in self.chosen(only) for seed in seeds]

    def cell(self, row: Row, column: Column, seed: int, out: Path, words: list[str]) -> Cell:
        """The run of one seed, which is also that of its label draw."""
        folder = out / column.key / row.key / str(seed)
        needed = out / column.key / row.needs / str(seed) if row.needs else None
        known = {"files": str(files_of(folder)), "needed": str(needed)}
        own = [word.format(**known) for word in self.words(row, column)]
        first = [word.format(**known) for word in shlex.split(row.first)]
        return Cell(row.key, column.key, seed, folder, [*own, *words, "--seed", str(seed), "--data_seed", str(seed)], first, needed)

    def words(self, row: Row, column: Column) -> list[str]:
        """Of `train`, but for seeds, places and a scaled schedule."""
        given = [word for part in (self.options, column.options, row.options) for word in shlex.split(part)]
        return ["--config", str(self.config(row, column)), *given]


def files_of(folder: Path) -> Path:
    """Beside a run folder, without an ending."""
    return folder.with_suffix(".files")


def load_grid(name: str) -> Grid:
    """A grid of configs/grids, or a YAML file of one. Raises InputError where there is none, or it is not one."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else GRIDS / f"{name}.yaml"
    if not path.is_file():
        there = ", ".join(sorted(file.stem for file in GRIDS.glob("*.yaml"))) or "none: run this in a checkout of the project"
        raise InputError(f"there is no grid {name!r} ({path}); in {GRIDS} there are {there}")
    tree = load_yaml(path)
    try:
        lists = {"rows": entries(tree, "rows", Row), "columns": entries(tree, "columns", Column)}
        grid = made(Grid, {"name": path.stem} | tree | lists)
        check(grid)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is no grid ({' '.join(str(error).split())[:200]}); configs/grids/table4.yaml is one") from error
    return grid


def entries(tree: dict, kind: str, of: type) -> dict:
    """Rows or columns by key. Raises ValueError for a key that can be no folder."""
    for key in tree[kind]:
        if not isinstance(key, str) or not re.fullmatch(KEY, key) or key.endswith("."):
            raise ValueError(f"{kind} has the key {key!r}; keys are small letters, digits, _ - and dots")
    return {key: made(of, {"key": key} | options) for key, options in tree[kind].items()}


def made(of: type, options: dict):
    """An object of a class from a mapping. Raises ValueError for an option that it has not or that is of another kind."""
    kinds = {f.name: f.type for f in fields(of)}
    for name, value in options.items():
        if name not in kinds:
            raise ValueError(f"{of.__name__.lower()} has no {name!r}, only {', '.join(kinds)}")
        if not isinstance(value, dict if str(kinds[name]).startswith("dict") or kinds[name] is dict else kinds[name]):
            raise ValueError(f"{name} of a {of.__name__.lower()} is {value!r}")
    return of(**options)


def check(grid: Grid) -> None:
    """Raise ValueError where rows and columns do not fit each other, or the files that there are."""
    there = grid.pairs()
    for row in grid.rows.values():
        cells = {column.key for r, column in there if r is row}
        if not cells or not set(row.paper) <= cells:
            missing = sorted(set(row.paper) - cells) or list(grid.columns)
            column = grid.columns.get(missing[0])
            raise ValueError(f"row {row.key} has no {grid.config(row, column)}" if column else f"row {row.key}: no column {missing[0]}")
        for other in filter(None, (row.against, row.needs)):
            if other not in grid.rows:
                raise ValueError(f"row {row.key} names the row {other}, which is not there")
