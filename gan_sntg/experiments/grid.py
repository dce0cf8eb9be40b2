"""Grids of runs: rows (methods) x columns (data sets) x seeds, read from a YAML file."""

import re
import shlex
from dataclasses import dataclass, field
from fnmatch import fnmatch

from gan_sntg.errors import InputError
from gan_sntg.files.config_files import config_file
from gan_sntg.files.yaml_files import load_yaml
from gan_sntg.runs.parsing import Parser

KEY = r"[a-z0-9][a-z0-9_.-]*"  # of rows and columns, which name folders


@dataclass(frozen=True)
class Row:
    """One method: its YAML (default: the key's), the row that it is compared with, the paper's errors.

    paper: by column, as printed; options: words of `train`; first: words of a `gan-sntg` command to run before each cell; needs: the row
    whose run that reads, at the same column and seed; ranks: processes of torchrun that train each run. In options and first, {files} is
    a path beside the cell's run folder, without an ending, and {needed} the run folder of that row.
    """

    key: str
    name: str
    method: str = ""
    options: str = ""
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
    """A table or figure: rows x columns, each cell at every seed.

    of: the paper's table or figure, if it is one; seeds: where --seeds gives none;
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

    def config(self, row: Row, column: Column) -> str:
        """The YAML of a cell, as `config_file` finds it; the cell exists where that does."""
        return f"configs/{column.folder or column.key}/{row.method or row.key}.yaml"

    def cells(self) -> dict[str, tuple[Row, Column]]:
        """Row and column of every cell by its name COLUMN/ROW, column after column."""
        pairs = [(r, c) for c in self.columns.values() for r in self.rows.values()]
        return {f"{c.key}/{r.key}": (r, c) for r, c in pairs if is_config(self.config(r, c))}

    def chosen(self, only: list[str]) -> dict[str, tuple[Row, Column]]:
        """The cells whose name matches a pattern, or all. Raises InputError where a pattern matches none."""
        cells = self.cells()
        for pattern in only:
            if not any(fnmatch(name, pattern) for name in cells):
                raise InputError(f"--only {pattern!r} matches no cell of {self.name}; there are {', '.join(cells)}")
        return {name: cell for name, cell in cells.items() if not only or any(fnmatch(name, pattern) for pattern in only)}

    def words(self, row: Row, column: Column) -> list[str]:
        """The words of `train`, but for seeds, places and a scaled schedule."""
        given = [word for part in (self.options, column.options, row.options) for word in shlex.split(part)]
        return ["--config", str(config_file(self.config(row, column))), *given]


def load_grid(name: str) -> Grid:
    """Read a grid of configs/grids, or a YAML file of one. Raises InputError."""
    path = config_file(name if name.endswith((".yaml", ".yml")) else f"configs/grids/{name}.yaml")
    tree = load_yaml(path)
    try:
        grid = typed(Grid, {"name": path.stem} | tree | {kind: keyed(tree[kind]) for kind in ("rows", "columns")})
        check(grid)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no grid ({' '.join(str(error).split())[:200]}); configs/grids/table4.yaml is one") from error
    return grid


def is_config(name: str) -> bool:
    """Whether there is such a file, here or in the package."""
    try:
        return bool(config_file(name))
    except InputError:
        return False


def keyed(tree: dict, pattern: str = KEY) -> dict[str, dict]:
    """Rows or columns with their keys. Raises ValueError for a key that can be no folder."""
    for key in tree:
        if not isinstance(key, str) or not re.fullmatch(pattern, key) or key.endswith("."):
            raise ValueError(f"{key!r} can be no key; keys are small letters, digits, _ - and dots")
    return {key: {"key": key} | options for key, options in tree.items()}


def typed(of: type, tree: dict):
    """An object of a dataclass from a YAML's tree. Raises InputError for what its fields are not."""
    reader = Parser()
    reader.add_class_arguments(of)
    return of(**vars(reader.instantiate(reader.parse_object(tree))))


def check(grid: Grid) -> None:
    """Raise ValueError where rows and columns do not fit each other, or the files that there are."""
    there = grid.cells()
    for row in grid.rows.values():
        cells = {name.partition("/")[0] for name, (r, _) in there.items() if r is row}
        if missing := sorted(set(row.paper) - cells) or list(grid.columns) * (not cells):
            column = grid.columns.get(missing[0])
            raise ValueError(f"row {row.key} has no {grid.config(row, column)}" if column else f"row {row.key}: no column {missing[0]}")
        for other in filter(None, (row.against, row.needs)):
            if other not in grid.rows:
                raise ValueError(f"row {row.key} names the row {other}, which is not there")
