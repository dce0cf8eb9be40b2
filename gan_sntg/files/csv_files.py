"""Safe reading of CSV tables as people save them: UTF-8, a header, and commas, semicolons or tabs."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from gan_sntg.errors import InputError
from gan_sntg.files.paths import as_read

MOST_BYTES, MOST_COLUMNS = 2**26, 1000  # about a million rows
DELIMITERS = ",", ";", "\t"  # the second is Excel's where the comma is the decimal sign
RESAVE = "in a spreadsheet save it as CSV UTF-8"


@dataclass
class Table:
    """Names of a table's columns, as people read them, and its rows: where each begins, and its fields."""

    path: Path
    columns: list[str]
    rows: list[tuple[int, list[str]]]

    def find(self, names: tuple[str, ...]) -> int | None:
        """Place of the column of one of these names; None without. Raises InputError where there are two."""
        found = [k for k, name in enumerate(self.columns) if name.casefold() in names]
        if len(found) > 1:
            raise InputError(f"{self.path} has the columns {' and '.join(self.columns[k] for k in found)}; keep or rename all but one")
        return found[0] if found else None

    def column(self, names: tuple[str, ...]) -> int:
        """As `find`. Raises InputError where there is none."""
        if (found := self.find(names)) is None:
            have = f"its first line names {', '.join(map(repr, self.columns))}"
            raise InputError(f"{self.path} has no column {' or '.join(names)}: {have}; its first line must be the names of the columns")
        return found


def read_table(path: Path, *wanted: tuple[str, ...]) -> Table:
    """Table of a CSV file; wanted: names of each column it must have, by which the delimiter is told.

    Rows without a text in them are left out. Raises InputError for a file that is too large or no CSV in UTF-8, and rows of another
    length than the first.
    """
    text = _text(path)
    head = next((line for line in text.splitlines() if line.strip()), "")
    tables = {delimiter: _parsed(path, head, delimiter, strict=False) for delimiter in DELIMITERS}
    told = {delimiter: sum(table.find(names) is not None for names in wanted) for delimiter, table in tables.items()}
    found = _parsed(path, text, max(DELIMITERS, key=lambda delimiter: (told[delimiter], len(tables[delimiter].columns))))
    for names in wanted:
        found.column(names)
    lines = [(line, len(row)) for line, row in found.rows if len(row) != len(found.columns)]
    if lines:
        first = "; ".join(f"line {line}: {n}" for line, n in lines[:20])
        remedy = "give each row a field for each column, and put what holds a delimiter in quotes"
        raise InputError(f"{path}: {len(lines)} rows have not the {len(found.columns)} fields of the first line ({first}); {remedy}")
    return found


def _text(path: Path) -> str:
    """Content of a file. Raises InputError."""
    if not path.is_file():
        raise InputError(f"{path} is not a regular file; give a CSV table")
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give a CSV table") from error
    if len(data) > MOST_BYTES:
        raise InputError(f"{path} has more than {MOST_BYTES:,} bytes, the most that is read of a table; keep the columns that are needed")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data:
        raise InputError(f"{path} is no CSV table in UTF-8 (it holds zero bytes, as UTF-16 and files of spreadsheets do); {RESAVE}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{path}, line {line}: not UTF-8, in which letters beyond ASCII must be written; {RESAVE}") from error


def _parsed(path: Path, text: str, delimiter: str, strict: bool = True) -> Table:
    """Table by a delimiter. Raises InputError."""
    reader, rows, line = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict), [], 1
    try:
        for row in reader:
            if len(row) > MOST_COLUMNS:
                raise csv.Error(f"{len(row):,} fields, more than {MOST_COLUMNS:,}")
            if any(field.strip() for field in row):
                rows.append((line, row))
            line = reader.line_num + 1
    except csv.Error as error:
        remedy = "put in quotes what holds a delimiter, and double a quote in it"
        raise InputError(f"{path}, line {line}: no CSV ({error}); {remedy}") from error
    if not rows:
        raise InputError(f"{path} is empty; its first line must be the names of its columns")
    return Table(path, [as_read(name) for name in rows[0][1]], rows[1:])
