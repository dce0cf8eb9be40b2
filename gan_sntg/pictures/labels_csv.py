"""Labels of pictures in a table, labels.csv, and their groups, in a column of it or in groups.csv."""

import difflib
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath

from gan_sntg.errors import InputError
from gan_sntg.files.csv_files import Table, read_table
from gan_sntg.files.paths import Listing, as_read, visible
from gan_sntg.pictures.class_folders import ClassFolders, by_case

LABELS, GROUPS = "labels.csv", "groups.csv"
FILE, CLASS, SPLIT, GROUP = ("file", "filename", "path", "image"), ("class", "label"), ("split",), ("group",)
SPLITS = {"": "train", "train": "train", "validation": "validation", "val": "validation", "test": "test"}
NO_PICTURES = {".csv", ".tsv", ".txt", ".md", ".json", ".yaml", ".xlsx", ".ods"}  # tables and notes that may lie beside pictures
MOST = 20  # files or lines that a message names


class NamedPictures:
    """Pictures under a folder by the names that tables give them: relative to it, as people read them."""

    def __init__(self, root: Path, files: list[Path]):
        self.root, self.exact = root, {path.relative_to(root).as_posix(): path for path in files}
        self.alike: dict[str, list[Path]] = {}
        self.near: dict[str, str] = {}
        for name, path in self.exact.items():
            self.alike.setdefault(as_read(name), []).append(path)
            self.near.setdefault(path.name.casefold(), name)

    def find(self, name: str) -> Path | None:
        """The picture of a name, with / or \\ between folders. Raises ValueError for one outside, or two."""
        plain = name if name in self.exact else name.replace("\\", "/")
        if PureWindowsPath(name).drive or plain.startswith("/") or ".." in PurePosixPath(plain).parts:
            raise ValueError(f"{name} leads out of {self.root}, or is not relative to it")
        plain = str(PurePosixPath(plain))
        found = [self.exact[plain]] if plain in self.exact else self.alike.get(as_read(plain), [])
        if len(found) > 1:
            raise ValueError(f"{name} reads like two files, {ascii(found[0].name)} and {ascii(found[1].name)}; rename one")
        return found[0] if found else None

    def hint(self, name: str) -> str:
        """A missing name, with that of a file that may be meant."""
        near = self.near.get(PurePosixPath(name.replace("\\", "/")).name.casefold())
        return f"{name} (there is {near})" if near else name


class LabelsCsv:
    """Pictures under a folder with what its labels.csv says of them, as `ClassFolders` gives them.

    Those that it does not name, or names without a class, have no label. `validation` are those it has for that.
    """

    tests, parts = "test rows in labels.csv", ("labelled", "unlabelled", "test")

    def __init__(self, root: Path):
        """Read all. Raises InputError naming the lines or files that are wrong."""
        if (root / "labeled").is_dir():
            raise InputError(f"{root} holds both {LABELS} and labeled/; keep the labels in one of them, and move the other away")
        self.root, self.table = root, read_table(root / LABELS, FILE, CLASS)
        listing = Listing(root)
        self.problems, self.notes = listing.problems, listing.notes
        rows = self._rows(NamedPictures(root, listing.files))
        named = {path for path, _, _ in rows}
        pictures = [path for path in listing.files if path in named or path.suffix.lower() not in NO_PICTURES]
        labels, splits = self._labels(rows), {path: self._split(line, row) for path, line, row in rows}
        self.names = sorted({name for name in labels.values() if name})
        if len(self.names) < 2:
            raise InputError(f"{self.table.path} names {len(self.names)} classes; at least two are needed")
        self.index = {name: k for k, name in enumerate(self.names)}
        self.validation = {path for path in named if splits[path] == "validation"}
        self._check_splits(rows, labels, splits)
        test = sorted((path for path in named if splits[path] == "test"), key=lambda path: (labels[path], path))
        self.tested = bool(test)
        self.test: dict[Path, int | None] = {path: self.index[labels[path]] for path in test}
        self.train = self._by_class({path: labels.get(path, "") for path in pictures if path not in self.test})
        self._note_others(pictures, named)

    def place(self, part: str, name: str) -> str:
        """A class of the labelled or test images, for messages."""
        return f"{self.table.path}: the class {name} of the {'test' if part == 'test' else 'training'} images"

    def _rows(self, pictures: NamedPictures) -> list[tuple[Path, int, list[str]]]:
        """Picture, line and fields of each row. Raises InputError that names all that are not there."""
        file, found, wrong, missing = self.table.column(FILE), [], [], []
        for line, row in self.table.rows:
            try:
                if not row[file].strip():
                    raise ValueError("no file is named")
                path = pictures.find(row[file])
            except ValueError as error:
                wrong.append(f"line {line}: {error}")
                continue
            found += [(path, line, row)] if path else []
            missing += [] if path else [f"line {line}: {pictures.hint(row[file])}"]
        if wrong:
            raise InputError(
                f"{self.table.path} has {len(wrong)} invalid names of files: {first(wrong)}; names are relative to {self.root}"
            )
        if missing:
            remedy = f"names are relative to {self.root}, and those that begin with a dot are left out; correct or remove these lines"
            raise InputError(f"{self.table.path} names {len(missing)} files that are not there: {first(missing)}; {remedy}")
        return found

    def _labels(self, rows: list[tuple[Path, int, list[str]]]) -> dict[Path, str]:
        """Class of each file, "" without. Raises InputError where a file has two; notes those named twice."""
        k, at, lines, wrong, twice = self.table.column(CLASS), {}, {}, [], []
        for path, line, row in rows:
            said = as_read(row[k]), self._split(line, row)
            if path not in at:
                at[path], lines[path] = said, line
            elif at[path] == said:
                twice.append(f"lines {lines[path]} and {line}: {path.relative_to(self.root)}")
            else:
                before, after = next((a or "no class", b or "no class") for a, b in zip(at[path], said, strict=True) if a != b)
                wrong.append(f"lines {lines[path]} and {line}: {path.relative_to(self.root)}, {before} and {after}")
        if wrong:
            raise InputError(f"{self.table.path} says different things of {len(wrong)} files: {first(wrong)}; keep one line of each")
        if twice:
            self.notes.append(f"{self.table.path} names {len(twice)} files twice, alike: {first(twice)}")
        return {path: name for path, (name, _) in at.items()}

    def _split(self, line: int, row: list[str]) -> str:
        """train, validation or test. Raises InputError for another text."""
        if (k := self.table.find(SPLIT)) is None:
            return "train"
        if (found := SPLITS.get(as_read(row[k]).casefold())) is None:
            raise InputError(f"{self.table.path}, line {line}: split is {row[k]!r}; give train, validation or test, or nothing for train")
        return found

    def _check_splits(self, rows: list[tuple[Path, int, list[str]]], labels: dict[Path, str], splits: dict[Path, str]) -> None:
        """Raise InputError where a held-out picture has no class, or one in test/ is to be trained on."""
        unknown = [(path, line) for path, line, _ in rows if splits[path] != "train" and not labels[path]]
        if bare := [f"line {line}: {path.relative_to(self.root)}" for path, line in unknown]:
            raise InputError(f"{self.table.path}: {len(bare)} pictures for validation or test have no class: {first(bare)}; give them one")
        if self.validation:
            how = "--validation true holds them out, and without it they are trained on"
            self.notes.append(f"{self.table.path} has {len(self.validation)} images for validation: {how}")

    def _by_class(self, labels: dict[Path, str]) -> dict[Path, int | None]:
        """Training pictures class by class, then those without one. Raises InputError for those in test/."""
        if astray := [str(path.relative_to(self.root)) for path in labels if path.relative_to(self.root).parts[0] == "test"]:
            remedy = f"give them the split test in {LABELS}, or rename the folder if they may be trained on"
            raise InputError(f"{self.root}: {len(astray)} pictures in test/ are not for testing by {LABELS}: {first(astray)}; {remedy}")
        known = sorted((path for path, own in labels.items() if own), key=labels.__getitem__)
        train: dict[Path, int | None] = {path: self.index[labels[path]] for path in known}
        return train | dict.fromkeys(path for path, own in labels.items() if not own)

    def _note_others(self, pictures: list[Path], named: set[Path]) -> None:
        """Note pictures that the table does not name, and classes that differ by case alone."""
        if others := [str(path.relative_to(self.root)) for path in pictures if path not in named]:
            what = f"{len(others)} of {len(pictures)} pictures are not in {LABELS} and have no label"
            self.notes.append(f"{self.root}: {what}: {first(others)}")
        if alike := by_case(self.names):
            self.notes.append(f"{self.table.path}: the classes {alike} differ by case alone; if they are one, write them alike")


def listed_pictures(root: Path, groups: str | None = None) -> tuple[ClassFolders | LabelsCsv, dict[Path, str]]:
    """Pictures under a folder, by labels.csv or else the folders of their classes, and the group of each.

    groups: a column of labels.csv, or a CSV file; without it the column `group` or groups.csv where there is one, else no groups.
    Raises InputError where a picture has no group, but others have.
    """
    found = LabelsCsv(root) if os.path.lexists(root / LABELS) else ClassFolders(root, _misnamed(root))
    table = found.table if isinstance(found, LabelsCsv) else None
    file, column = _place(root, table, groups)
    read, of = (table, column) if table and column is not None else (read_table(file, FILE), None) if file else (None, None)
    if table:
        known = {table.find(names) for names in (FILE, CLASS, SPLIT)} | {column}
        if others := [name for k, name in enumerate(table.columns) if k not in known and name]:
            hint = "" if read else "; --data.groups COLUMN takes one for groups, such as patients, whose pictures stay together"
            found.notes.append(f"{table.path}: the columns {', '.join(others)} are not read{hint}")
    return found, {} if read is None else _groups(found, read, _other(read) if of is None else of)


def _misnamed(root: Path) -> str:
    """What to say where there is no labeled/ either: a table whose name is nearly labels.csv."""
    names = {path.name.casefold(): path.name for path in visible(root)} if root.is_dir() else {}
    near = difflib.get_close_matches(LABELS, names, 1, 0.8)
    return f", or {LABELS}" + (f", which may be {names[near[0]]}; rename it then" if near else "")


def _place(root: Path, table: Table | None, groups: str | None) -> tuple[Path | None, int | None]:
    """File of the groups, or column of labels.csv. Raises InputError where they are unclear or not there."""
    column = table.find(GROUP) if table else None
    beside = root / GROUPS if os.path.lexists(root / GROUPS) else None
    if groups is None and beside and column is not None:
        raise InputError(f"{root} holds {GROUPS}, and {LABELS} a column group; say which is meant by --data.groups {GROUPS} or group")
    if groups is None:
        return (beside, None) if beside else (None, column)
    if groups.lower().endswith(".csv"):
        return root / groups, None
    if table is None:
        raise InputError(f"--data.groups is {groups}, but {root} has no {LABELS} with such a column; name a CSV file of file and group")
    if (column := table.find((as_read(groups).casefold(),))) is None or column in (table.find(FILE), table.find(CLASS)):
        columns = ", ".join(table.columns)
        raise InputError(f"--data.groups is {groups}; name one of the other columns of {table.path} ({columns}), or a CSV file")
    return None, column


def _other(table: Table) -> int:
    """Column of the groups in a file of them: `group`, or the only other one. Raises InputError."""
    file, found = table.column(FILE), table.find(GROUP)
    others = [k for k in range(len(table.columns)) if k != file]
    if found is None and len(others) != 1:
        raise InputError(f"{table.path} has the columns {', '.join(table.columns)}; name that of the groups `group`")
    return others[0] if found is None else found


def _groups(found: ClassFolders | LabelsCsv, table: Table, column: int) -> dict[Path, str]:
    """Group of each picture. Raises InputError where one has none, or two."""
    pictures, file = [*found.train, *found.test], table.column(FILE)
    named, groups, lines, wrong, astray = NamedPictures(found.root, pictures), {}, {}, [], []
    for line, row in table.rows:
        try:
            path, group = named.find(row[file]), as_read(row[column])
        except ValueError as error:
            raise InputError(f"{table.path}, line {line}: {error}; names are relative to {found.root}") from error
        astray += [] if path else [row[file]]
        if path and groups.setdefault(path, group) != group:
            wrong.append(f"lines {lines[path]} and {line}: {path.relative_to(found.root)}, {groups[path]} and {group}")
        lines.setdefault(path, line)
    if wrong:
        raise InputError(f"{table.path} gives {len(wrong)} files two groups: {first(wrong)}; keep one line of each")
    if bare := [str(path.relative_to(found.root)) for path in pictures if not groups.get(path)]:
        remedy = "each may be of one that is tested on; give each its own, or, where it is unknown, all of these one name"
        raise InputError(f"{table.path}: {len(bare)} of {len(pictures)} pictures have no {table.columns[column]}: {first(bare)}; {remedy}")
    names = sorted({*groups.values()})
    by = f"{table.path.name}, {table.columns[column]}"
    found.notes.append(f"{found.root}: the pictures of each of {len(names)} groups stay together ({by})")
    if astray:
        found.notes.append(f"{table.path} names {len(astray)} files that are no pictures here: {first(astray)}")
    if alike := by_case(names):
        found.notes.append(f"{table.path}: the groups {alike} differ by case alone; if they are one, write them alike")
    return groups


def first(texts: Iterable[str]) -> str:
    """The first of the texts, as a list to be read."""
    texts = list(texts)
    return "; ".join(texts[:MOST]) + (f"; and {len(texts) - MOST} more" if len(texts) > MOST else "")
