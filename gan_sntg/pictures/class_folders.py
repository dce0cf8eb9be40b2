"""Listing of a folder of pictures by class: labeled/<class>/, unlabeled/ and test/<class>/."""

import difflib
import os
from collections.abc import Iterable
from pathlib import Path

from gan_sntg.errors import InputError, refusing
from gan_sntg.files.paths import Listing, as_read, visible


class ClassFolders:
    """Files of an image folder with their classes, in order: train (None: without, last) and test.

    `problems` are what cannot be listed; `notes` sentences for the user.
    """

    tests, parts = "test/", ("labeled/", "unlabeled/", "test/")
    validation: frozenset[Path] = frozenset()

    def __init__(self, root: Path, other: str = ""):
        """List all. Raises InputError where there is no labeled/ (other: nor this), or classes differ."""
        self.root, self.problems, self.notes = root, [], []
        there = {path.name for path in listed(root)}
        others = {name.casefold(): name for name in there - {"labeled", "unlabeled", "test"} if (root / name).is_dir()}
        for part in sorted({"unlabeled", "test"} - there):  # may be missing, but not by another name
            if near := difflib.get_close_matches(part, others, 1, 0.8):
                raise InputError(f"{root} holds {others[near[0]]}/, but no {part}/; rename it")
        self.tested = "test" in there
        labeled = self._by_class("labeled", other)
        test = self._by_class("test") if self.tested else {}
        if self.tested:
            self._check_classes({*labeled}, {*test})
        self.names = [*labeled]
        self.train: dict[Path, int | None] = {path: k for k, name in enumerate(self.names) for path in self._files(labeled[name])}
        self.train |= dict.fromkeys(self._files(root / "unlabeled") if "unlabeled" in there else ())
        self.test = {path: k for k, name in enumerate(self.names) if self.tested for path in self._files(test[name])}

    def place(self, part: str, name: str) -> str:
        """A class of the labelled or test images, for messages."""
        return str(self.root / part / name)

    def _by_class(self, part: str, other: str = "") -> dict[str, Path]:
        """The folders of labeled/ or test/ by the names of their classes as people read them."""
        entries, folders = listed(self.root / part, other), {}
        if loose := [path.name for path in entries if not os.path.isdir(path)]:
            raise InputError(f"{self.root / part} holds files outside the class folders ({', '.join(loose)}); move them into one")
        for path in entries:
            if (first := folders.setdefault(as_read(path.name), path)) != path:
                both = f"{ascii(first.name)} and {ascii(path.name)}"
                raise InputError(f"{self.root / part} holds {both}, whose names read alike; put their pictures into one")
        if len(folders) < 2:
            raise InputError(f"{self.root / part} holds {len(folders)} class folders; at least two are needed")
        return folders

    def _check_classes(self, labeled: set[str], test: set[str]) -> None:
        """Raise InputError unless both parts have the same classes; note those that differ by case alone."""
        alike = by_case(labeled | test)
        if labeled != test:
            what = f"{self.root}: labeled/ has the classes {sorted(labeled)}, test/ {sorted(test)}; give both the same"
            raise InputError(what + f" ({alike} differ by case alone)" * bool(alike))
        if alike:
            self.notes.append(f"{self.root}: the classes {alike} differ by case alone; if they are one, put their pictures into one")

    def _files(self, folder: Path) -> list[Path]:
        listed(folder)
        found = Listing(folder)
        self.problems += found.problems
        self.notes += found.notes
        return found.files


def by_case(names: Iterable[str]) -> str:
    """Those of the names that differ by case alone, as a list to be read."""
    alike: dict[str, list[str]] = {}
    for name in sorted(names):
        alike.setdefault(name.casefold(), []).append(name)
    return "; ".join(" and ".join(same) for same in alike.values() if len(same) > 1)


def listed(folder: Path, other: str = "") -> list[Path]:
    """Entries of a folder by name, without hidden ones. Raises InputError where there is no such folder."""
    holds = "an image folder holds labeled/<class>/, perhaps unlabeled/ and test/<class>/"
    with refusing(f"{folder} is not a readable folder", holds + other):
        return visible(folder)
